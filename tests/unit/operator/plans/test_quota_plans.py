"""What is changed of a user's quotas: what the settings speak of, and nothing else."""

from __future__ import annotations

import pytest
from streamwarden_operator.plans.quotas import NO_QUOTA, plan_quotas, plan_removal
from streamwarden_operator.ports import QuotaPlan, Quotas

PRODUCER, CONSUMER, REQUESTS = "producer_byte_rate", "consumer_byte_rate", "request_percentage"


@pytest.mark.parametrize(
    ("wanted", "observed", "plan"),
    [
        pytest.param({}, {PRODUCER: 1.0}, QuotaPlan(), id="settings-that-say-nothing-change-nothing"),
        pytest.param({PRODUCER: 9.0}, {}, QuotaPlan(set={PRODUCER: 9.0}), id="a-missing-one-is-set"),
        pytest.param({PRODUCER: 9.0}, {PRODUCER: 8.0}, QuotaPlan(set={PRODUCER: 9.0}), id="another-value-is-put-right"),
        pytest.param({PRODUCER: 9.0}, {PRODUCER: 9.0}, QuotaPlan(), id="the-same-is-left"),
        pytest.param({PRODUCER: 9.0}, {PRODUCER: 9.0, REQUESTS: 5.0}, QuotaPlan(), id="others-are-left"),
        pytest.param(
            {PRODUCER: NO_QUOTA, CONSUMER: 7.0},
            {PRODUCER: 9.0},
            QuotaPlan(set={CONSUMER: 7.0}, unset=frozenset({PRODUCER})),
            id="none-takes-one-away",
        ),
        pytest.param({PRODUCER: NO_QUOTA}, {}, QuotaPlan(), id="none-of-what-is-not-there-is-nothing"),
    ],
)
def test_the_plan_is_the_difference(wanted: Quotas, observed: Quotas, plan: QuotaPlan) -> None:
    assert plan_quotas(wanted, observed) == plan
    assert bool(plan) == (plan != QuotaPlan())


def test_a_user_that_is_gone_keeps_only_what_the_settings_do_not_speak_of() -> None:
    observed = {PRODUCER: 9.0, CONSUMER: 7.0, REQUESTS: 5.0}
    managed = {PRODUCER: 9.0, CONSUMER: NO_QUOTA}
    assert plan_removal(managed, observed) == QuotaPlan(unset=frozenset({PRODUCER, CONSUMER}))
