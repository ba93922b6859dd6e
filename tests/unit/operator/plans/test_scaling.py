"""The arithmetic of scaling: one reading in, one decision out; what was wanted before is carried by the caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.models.scaling import Fallback, Scaling
from streamwarden_contract.reasons import ScalingReason as Why
from streamwarden_operator.plans.scaling import (
    CRASH_MEMORY_S,
    Decision,
    Failed,
    History,
    Known,
    Pods,
    Reading,
    decide,
    initial_replicas,
    largest,
)

PARTITIONS = 12
OUTAGE = Failed("no answer from Kafka")


def scaling(**fields: Any) -> Scaling:
    """0 to 10 pods, one for every 50 records, 60 s of cooldown."""
    return Scaling(**{"min_replica_count": 0, "max_replica_count": 10, "lag_threshold": 50, **fields})


def lag(records: int, partitions: int = PARTITIONS) -> Known:
    return Known(records, partitions)


@dataclass
class Run:
    """Decisions one after the other, as the scaler makes them."""

    scaling: Scaling
    pods: int = 0
    history: History = field(default_factory=History)
    now_s: float = 1_000.0

    def see(self, reading: Reading, *, after_s: float = 5, crashing: bool = False) -> Decision:
        self.now_s += after_s
        pods = Pods(self.pods, ready=0 if crashing else self.pods, crashing=crashing)
        decision, self.history = decide(self.scaling, reading, pods, self.history, now_s=self.now_s)
        self.pods = decision.replicas
        return decision

    def told(self, reading: Reading, **how: Any) -> tuple[int, Why]:
        decision = self.see(reading, **how)
        return decision.replicas, decision.reason

    def hold(self, reading: Reading, seconds: int) -> set[int]:
        """Repeat a reading every 5 s; return the numbers of pods that were decided."""
        return {self.see(reading).replicas for _ in range(seconds // 5)}


@pytest.mark.parametrize(
    ("fields", "pods", "reading", "expected"),
    [
        pytest.param({}, 0, lag(0), (0, Why.SCALED_TO_ZERO), id="without-lag-zero-stays-zero"),
        pytest.param({}, 0, lag(1), (1, Why.ACTIVATED), id="one-record-wakes-an-agent-at-zero"),
        pytest.param({}, 0, lag(500), (10, Why.ACTIVATED), id="a-burst-wakes-as-many-pods-as-it-needs"),
        pytest.param(
            {"activation_lag_threshold": 20},
            0,
            lag(20),
            (0, Why.SCALED_TO_ZERO),
            id="the-activation-threshold-is-not-yet",
        ),
        pytest.param(
            {"activation_lag_threshold": 20},
            0,
            lag(21),
            (1, Why.ACTIVATED),
            id="one-more-than-the-activation-threshold",
        ),
        pytest.param({}, 1, lag(50), (1, Why.STEADY), id="a-full-pod-is-enough"),
        pytest.param({}, 1, lag(51), (2, Why.LAG_ABOVE_THRESHOLD), id="one-record-more-wants-another-pod"),
        pytest.param({}, 1, lag(500), (10, Why.LAG_ABOVE_THRESHOLD), id="up-goes-at-once-and-all-the-way"),
        pytest.param({}, 1, lag(10**17), (10, Why.AT_MAXIMUM), id="no-more-than-the-maximum"),
        pytest.param({}, 10, lag(501), (10, Why.AT_MAXIMUM), id="at-the-maximum-it-says-so"),
        pytest.param({}, 1, lag(500, partitions=3), (3, Why.AT_MAXIMUM), id="no-more-than-the-partitions"),
        pytest.param(
            {"min_replica_count": 5},
            5,
            lag(0, partitions=3),
            (3, Why.BOUNDS_CHANGED),
            id="bounds-cross-the-upper-one-wins",
        ),
        pytest.param(
            {"min_replica_count": 2}, 0, lag(0), (2, Why.BOUNDS_CHANGED), id="below-the-minimum-is-mended-at-once"
        ),
        pytest.param(
            {"min_replica_count": 2}, 1, lag(140), (3, Why.LAG_ABOVE_THRESHOLD), id="lag-above-a-raised-minimum"
        ),
        pytest.param({"max_replica_count": 4}, 9, lag(900), (4, Why.BOUNDS_CHANGED), id="above-the-maximum-likewise"),
        pytest.param({"min_replica_count": 2}, 2, lag(0), (2, Why.STEADY), id="idle-agents-keep-the-minimum"),
        pytest.param({}, 3, lag(0), (3, Why.COOLING_DOWN), id="what-is-there-at-the-first-look-stays"),
        pytest.param(
            {"cooldown_period": 0}, 3, lag(60), (2, Why.LAG_BELOW_THRESHOLD), id="without-cooldown-down-at-once"
        ),
        pytest.param({"cooldown_period": 0}, 3, lag(0), (0, Why.SCALED_TO_ZERO), id="without-cooldown-to-zero-at-once"),
        pytest.param({}, 3, OUTAGE, (3, Why.LAG_UNKNOWN), id="unknown-changes-nothing"),
        pytest.param({}, 0, OUTAGE, (0, Why.LAG_UNKNOWN), id="unknown-does-not-wake-either"),
        pytest.param({"min_replica_count": 4}, 3, OUTAGE, (4, Why.BOUNDS_CHANGED), id="a-raised-minimum-needs-no-lag"),
        pytest.param({"max_replica_count": 2}, 3, OUTAGE, (2, Why.BOUNDS_CHANGED), id="a-lowered-maximum-needs-none"),
    ],
)
def test_the_first_look(fields: dict[str, int], pods: int, reading: Reading, expected: tuple[int, Why]) -> None:
    assert Run(scaling(**fields), pods).told(reading) == expected


def test_fewer_pods_only_when_fewer_were_enough_for_the_whole_cooldown() -> None:
    run = Run(scaling(), pods=1)
    assert run.told(lag(300)) == (6, Why.LAG_ABOVE_THRESHOLD)
    assert run.hold(lag(60), 55) == {6}
    assert run.told(lag(60)) == (2, Why.LAG_BELOW_THRESHOLD)


def test_the_highest_number_of_the_window_counts_and_not_the_last() -> None:
    run = Run(scaling(), pods=8)
    run.hold(lag(250), 30)
    assert run.hold(lag(0), 25) == {8}
    assert run.told(lag(0)) == (8, Why.COOLING_DOWN)
    assert run.told(lag(0)) == (5, Why.LAG_BELOW_THRESHOLD)
    assert run.hold(lag(0), 20) == {5}
    assert run.told(lag(0)) == (0, Why.SCALED_TO_ZERO)


def test_an_idle_agent_goes_to_zero_and_stays_there() -> None:
    run = Run(scaling(), pods=2)
    run.hold(lag(10), 10)
    assert run.hold(lag(0), 60) == {2, 1, 0}
    assert run.hold(lag(0), 600) == {0}
    assert run.told(lag(1)) == (1, Why.ACTIVATED)


def test_a_record_in_the_middle_of_the_cooldown_begins_it_anew() -> None:
    run = Run(scaling(), pods=1)
    run.hold(lag(0), 50)
    run.see(lag(3))
    assert run.hold(lag(0), 55) == {1}
    assert run.told(lag(0)) == (0, Why.SCALED_TO_ZERO)


def test_lag_below_the_activation_threshold_does_not_keep_a_pod() -> None:
    run = Run(scaling(activation_lag_threshold=20), pods=1)
    assert run.hold(lag(20), 60) == {1}
    assert run.told(lag(20)) == (0, Why.SCALED_TO_ZERO)


def test_an_outage_neither_scales_down_nor_counts_towards_it() -> None:
    run = Run(scaling(), pods=4)
    run.hold(lag(0), 30)
    assert run.hold(OUTAGE, 600) == {4}
    assert run.hold(lag(0), 55) == {4}
    assert run.told(lag(0)) == (0, Why.SCALED_TO_ZERO)


def test_fallback_holds_after_enough_failures_and_until_the_lag_is_known_again() -> None:
    run = Run(scaling(fallback=Fallback(failure_threshold=3, replicas=6)), pods=1)
    run.see(lag(10))
    assert [run.told(OUTAGE) for _ in range(3)] == [(1, Why.LAG_UNKNOWN), (1, Why.LAG_UNKNOWN), (6, Why.FALLBACK)]
    assert run.hold(OUTAGE, 600) == {6}
    assert run.told(lag(10)) == (6, Why.COOLING_DOWN)
    assert run.hold(lag(10), 60) == {6, 1}


def test_a_known_lag_begins_the_count_of_failures_anew() -> None:
    run = Run(scaling(fallback=Fallback(failure_threshold=2, replicas=6)), pods=1)
    for _ in range(5):
        assert run.told(OUTAGE) == (1, Why.LAG_UNKNOWN)
        assert run.told(lag(10)) == (1, Why.STEADY)


def test_fallback_to_fewer_pods_waits_for_the_cooldown_too() -> None:
    run = Run(scaling(fallback=Fallback(failure_threshold=3, replicas=2)), pods=1)
    run.see(lag(450))
    assert run.hold(OUTAGE, 65) == {9}
    assert run.told(OUTAGE) == (2, Why.FALLBACK)


def test_fallback_is_kept_within_the_bounds() -> None:
    run = Run(scaling(min_replica_count=4, fallback=Fallback(failure_threshold=1, replicas=1)), pods=4)
    assert run.told(OUTAGE) == (4, Why.FALLBACK)
    run = Run(scaling(fallback=Fallback(failure_threshold=1, replicas=8)), pods=1)
    run.see(lag(0, partitions=3))
    assert run.told(OUTAGE) == (3, Why.FALLBACK)


def test_f18_a_crashing_agent_is_not_scaled_up_until_it_has_held_for_a_while() -> None:
    run = Run(scaling(), pods=1)
    assert run.told(lag(5_000), crashing=True) == (1, Why.CRASHING)
    assert run.told(lag(5_000)) == (1, Why.CRASHING)
    assert run.told(lag(5_000), after_s=CRASH_MEMORY_S - 6) == (1, Why.CRASHING)
    assert run.told(lag(5_000), after_s=1) == (10, Why.AT_MAXIMUM)


def test_a_crashing_agent_is_scaled_down_and_brought_within_its_bounds() -> None:
    run = Run(scaling(), pods=5)
    assert {run.see(lag(0), crashing=True).replicas for _ in range(13)} == {5, 0}
    run = Run(scaling(min_replica_count=3), pods=1)
    assert run.told(lag(5_000), crashing=True) == (3, Why.CRASHING)


def test_f18_fallback_does_not_scale_a_crashing_agent_up() -> None:
    run = Run(scaling(fallback=Fallback(failure_threshold=1, replicas=8)), pods=1)
    assert run.told(OUTAGE, crashing=True) == (1, Why.CRASHING)


def test_a_restarted_operator_begins_with_the_pods_that_there_are() -> None:
    run = Run(scaling(), pods=7)
    assert run.told(lag(0)) == (7, Why.COOLING_DOWN)
    assert run.hold(lag(0), 55) == {7}
    assert run.told(lag(0)) == (0, Why.SCALED_TO_ZERO)


def test_an_edited_cooldown_counts_at_once() -> None:
    run = Run(scaling(cooldown_period=600), pods=3)
    run.hold(lag(0), 100)
    run.scaling = scaling(cooldown_period=60)
    assert run.told(lag(0)) == (0, Why.SCALED_TO_ZERO)


@pytest.mark.parametrize(
    ("run", "reading", "message"),
    [
        pytest.param(
            Run(scaling(), 3),
            lag(590, partitions=24),
            "590 records of lag (inputs) at a lagThreshold of 50 want 12 pods; there were 3; maxReplicaCount is 10",
            id="at-the-maximum",
        ),
        pytest.param(
            Run(scaling(), 3),
            lag(590, partitions=4),
            "590 records of lag (inputs) at a lagThreshold of 50 want 12 pods; there were 3; there is nothing to read "
            "for more than 4, the number of partitions",
            id="at-the-partitions",
        ),
        pytest.param(
            Run(scaling(), 0),
            Known(1, 3, "decisions"),
            "1 records of lag (decisions) at a lagThreshold of 50 want 1 pod; there were none",
            id="activated",
        ),
        pytest.param(
            Run(scaling(cooldown_period=0), 3),
            lag(60),
            "60 records of lag (inputs) at a lagThreshold of 50 want 2 pods; no more than 2 of 3 were wanted for 0 s",
            id="down",
        ),
        pytest.param(
            Run(scaling(fallback=Fallback(failure_threshold=1, replicas=4)), 3),
            OUTAGE,
            "no answer from Kafka; 1 readings in a row have failed, so fallback.replicas holds",
            id="fallback",
        ),
    ],
)
def test_a_decision_says_its_figures(run: Run, reading: Reading, message: str) -> None:
    assert run.see(reading).message == message


def test_a_new_agent_begins_with_the_fewest_pods_and_one_that_does_not_scale_with_one() -> None:
    assert initial_replicas(None) == 1
    assert initial_replicas(scaling()) == 0
    assert initial_replicas(scaling(min_replica_count=3)) == 3


def test_the_larger_lag_of_an_agents_groups_counts() -> None:
    assert largest([Known(3, 6), Known(9, 2, "decisions")]) == Known(9, 6, "decisions")
    assert largest([Known(3, 6), OUTAGE, OUTAGE]) == OUTAGE


# --- properties ------------------------------------------------------------------------------------------------

SCALINGS = st.builds(
    lambda bounds, threshold, activation, cooldown, fallback: Scaling(
        min_replica_count=bounds[0],
        max_replica_count=max(1, bounds[1]),
        lag_threshold=threshold,
        activation_lag_threshold=activation,
        cooldown_period=cooldown,
        fallback=None if fallback is None else Fallback(failure_threshold=fallback, replicas=bounds[0]),
    ),
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted),
    st.integers(1, 100),
    st.integers(0, 30),
    st.sampled_from([0, 10, 60]),
    st.one_of(st.none(), st.integers(1, 4)),
)
READINGS = st.one_of(
    st.builds(Known, st.integers(0, 3_000), st.integers(1, 16)),
    st.just(OUTAGE),
    st.builds(Known, st.just(0), st.just(8)),
)
STEPS = st.lists(st.tuples(READINGS, st.integers(1, 20), st.booleans()), min_size=1, max_size=40)


@given(SCALINGS, st.integers(0, 30), STEPS)
def test_the_bounds_hold_whatever_is_read(bounds: Scaling, pods: int, steps: list[tuple[Reading, int, bool]]) -> None:
    run = Run(bounds, pods)
    for reading, after_s, crashing in steps:
        replicas = run.see(reading, after_s=after_s, crashing=crashing).replicas
        partitions = run.history.known.partitions if run.history.known else 10**9
        upper = min(bounds.max_replica_count, partitions)
        assert min(bounds.min_replica_count, upper) <= replicas <= upper


@given(SCALINGS, st.integers(0, 30), STEPS)
def test_never_fewer_than_any_reading_of_the_window_wanted(
    bounds: Scaling, pods: int, steps: list[tuple[Reading, int, bool]]
) -> None:
    run, wanted = Run(bounds, pods), list[tuple[float, int]]()
    for reading, after_s, _ in steps:
        before = run.pods
        decision = run.see(reading, after_s=after_s)
        if isinstance(reading, Known):
            upper = min(bounds.max_replica_count, reading.partitions)
            active = reading.records > bounds.activation_lag_threshold
            alone = -(-reading.records // bounds.lag_threshold) if active else 0
            wanted.append((run.now_s, min(max(alone, bounds.min_replica_count), upper)))
            assert decision.replicas >= wanted[-1][1]
        if decision.replicas < before and decision.reason is not Why.BOUNDS_CHANGED:
            upper = min(bounds.max_replica_count, run.history.known.partitions if run.history.known else 10**9)
            recent = [count for at_s, count in wanted if run.now_s - at_s < bounds.cooldown_period]
            assert decision.replicas >= min(max(recent, default=0), upper)


@given(SCALINGS, st.integers(0, 30), st.lists(st.integers(1, 20), max_size=40))
def test_without_fallback_an_outage_of_any_length_changes_nothing(
    bounds: Scaling, pods: int, pauses: list[int]
) -> None:
    run = Run(bounds.model_copy(update={"fallback": None}), pods)
    first = run.see(OUTAGE).replicas
    assert {run.see(OUTAGE, after_s=pause_s).replicas for pause_s in pauses} <= {first}


@given(SCALINGS, st.integers(0, 30), STEPS)
def test_a_crashing_agent_never_gets_more_pods_than_its_minimum_asks_for(
    bounds: Scaling, pods: int, steps: list[tuple[Reading, int, bool]]
) -> None:
    run = Run(bounds, pods)
    for reading, after_s, _ in steps:
        before = run.pods
        assert run.see(reading, after_s=after_s, crashing=True).replicas <= max(before, bounds.min_replica_count)


@given(SCALINGS, st.integers(0, 30), STEPS)
def test_the_same_reading_again_changes_nothing(
    bounds: Scaling, pods: int, steps: list[tuple[Reading, int, bool]]
) -> None:
    run = Run(bounds.model_copy(update={"fallback": None}), pods)
    for reading, after_s, _ in steps:
        first = run.see(reading, after_s=after_s).replicas
        assert run.see(reading, after_s=0).replicas == first


@given(SCALINGS, STEPS)
def test_what_is_remembered_stays_small_and_falls(bounds: Scaling, steps: list[tuple[Reading, int, bool]]) -> None:
    run = Run(bounds, 1)
    for reading, after_s, _ in steps:
        run.see(reading, after_s=after_s)
        kept = [wish.replicas for wish in run.history.wishes]
        assert kept == sorted(set(kept), reverse=True)
        assert len(kept) <= bounds.max_replica_count + 1
