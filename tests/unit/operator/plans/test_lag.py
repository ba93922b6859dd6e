from __future__ import annotations

import pytest
from streamwarden_contract.models.scaling import Fallback, Lag, Scaling
from streamwarden_contract.reasons import ScalingReason
from streamwarden_operator.plans.lag import Place, Span, span_of
from streamwarden_operator.plans.lag_status import lag_state, scaling_condition, shown_lag
from streamwarden_operator.plans.scaling import Decision, Failed, History, Known

KNOWN, OUTAGE = Known(7, 3), Failed("no answer from Kafka")
BEFORE = Lag(state="Known", records=2)


@pytest.mark.parametrize(
    ("place", "earliest", "expected"),
    [
        pytest.param(Place(3, 9), True, Span(3, 9), id="between-the-ends"),
        pytest.param(Place(9, 9), True, Span(9, 9), id="at-the-end"),
        pytest.param(Place(0, 9), True, Span(2, 9), id="X45-what-is-deleted-is-no-lag"),
        pytest.param(Place(0, 9), False, Span(2, 9), id="X45-nor-of-a-gate"),
        pytest.param(Place(0, 1), True, Span(1, 1), id="X45-all-that-it-could-read-is-deleted"),
        pytest.param(Place(None, 9), True, Span(2, 9), id="without-an-offset-an-agent-begins-at-the-beginning"),
        pytest.param(Place(None, 9), False, None, id="without-an-offset-a-gate-is-lost"),
        pytest.param(Place(11, 9), True, Span(9, 9), id="ahead-of-an-open-transaction"),
        pytest.param(Place(11, 9), False, Span(9, 9), id="a-gate-ahead-likewise"),
        pytest.param(Place(40, 9), True, Span(2, 9), id="beyond-everything-is-of-an-earlier-topic"),
        pytest.param(Place(40, 9), False, None, id="a-gate-there-is-lost"),
    ],
)
def test_what_is_left_of_a_partition(place: Place, earliest: bool, expected: Span | None) -> None:  # noqa: FBT001  # a parameter of the test
    assert span_of(place, low=2, high=12, earliest=earliest) == expected


@pytest.mark.parametrize(
    ("shown", "history", "expected"),
    [
        pytest.param(None, History(), "Unknown", id="never-read"),
        pytest.param(None, History(failures=9), "Unknown", id="never-read-though-tried"),
        pytest.param(None, History(known=KNOWN), "Known", id="read"),
        pytest.param(None, History(known=KNOWN, failures=2), "Known", id="two-failures-are-nothing"),
        pytest.param(None, History(known=KNOWN, failures=3), "Stale", id="three-are-an-outage"),
        pytest.param(BEFORE, History(failures=2), "Known", id="read-by-the-operator-before"),
        pytest.param(BEFORE, History(failures=3), "Stale", id="read-by-the-one-before-and-not-by-this-one"),
        pytest.param(Lag(state="Stale", records=2), History(known=KNOWN), "Known", id="known-again"),
    ],
)
def test_the_state_of_the_lag(shown: Lag | None, history: History, expected: str) -> None:
    assert lag_state(shown, history, Scaling()) == expected


def test_fallback_says_after_how_many_failures_the_lag_is_unknown() -> None:
    scaling = Scaling(fallback=Fallback(failure_threshold=1, replicas=1))
    assert lag_state(None, History(known=KNOWN, failures=1), scaling) == "Stale"


def test_the_lag_that_is_shown_changes_with_its_state_or_the_pods_only() -> None:
    history = History(known=KNOWN)
    assert shown_lag(BEFORE, history, Scaling(), scaled=False) == BEFORE
    assert shown_lag(BEFORE, history, Scaling(), scaled=True) == Lag(state="Known", records=7)
    assert shown_lag(None, history, Scaling(), scaled=False) == Lag(state="Known", records=7)
    assert shown_lag(BEFORE, History(failures=3), Scaling(), scaled=False) == Lag(state="Stale", records=2)


def test_scaling_is_active_while_the_number_of_pods_follows_the_lag() -> None:
    steady, crashing = (Decision(1, reason, "") for reason in (ScalingReason.STEADY, ScalingReason.CRASHING))
    plain, cautious = Scaling(), Scaling(fallback=Fallback(replicas=2))
    found = [
        scaling_condition("Known", steady, KNOWN, plain),
        scaling_condition("Known", crashing, KNOWN, plain),
        scaling_condition("Stale", steady, OUTAGE, plain),
        scaling_condition("Unknown", steady, OUTAGE, cautious),
    ]
    assert [(part.status, part.reason) for part in found] == [
        ("True", "OK"),
        ("False", "Crashing"),
        ("Unknown", "LagUnknown"),
        ("Unknown", "Fallback"),
    ]
    assert found[2].message == "no answer from Kafka"
