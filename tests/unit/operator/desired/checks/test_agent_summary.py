"""The one thing that is said of an agent."""

from __future__ import annotations

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.checks import agent_summary as checks
from streamwarden_operator.desired.checks.chain import decide
from streamwarden_operator.desired.status import condition, pending, true

ALL_WELL = [true("Accepted"), true("TopicsReady"), true("AccessReady"), true("GateReady")]
AT_ZERO = [*ALL_WELL[:3], condition("GateReady", "True", ConditionReason.SCALED_TO_ZERO, "no lag")]


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        pytest.param(checks.AgentSummary(ALL_WELL, pods_ready=True), ("True", "OK", ""), id="all-well"),
        pytest.param(
            checks.AgentSummary([*ALL_WELL[:3], pending("GateReady", "later")], pods_ready=True, crashing="code 1"),
            ("False", "Crashing", "code 1"),
            id="pods-that-keep-ending-come-first",
        ),
        pytest.param(
            checks.AgentSummary([*ALL_WELL[:3], condition("GateReady", "False", message="none")], unscheduled="0/1"),
            ("False", "Unschedulable", "0/1"),
            id="X46-that-no-node-takes-a-pod-comes-before-what-follows-from-it",
        ),
        pytest.param(
            checks.AgentSummary(ALL_WELL, pods_ready=True, unscheduled="0/1"),
            ("True", "OK", ""),
            id="X46-one-pod-works-while-another-waits-for-a-node",
        ),
        pytest.param(
            checks.AgentSummary([pending("TopicsReady", "later"), condition("AccessReady", "False", message="no")]),
            ("False", "OK", "AccessReady: no"),
            id="what-is-false-comes-before-what-is-unknown",
        ),
        pytest.param(
            checks.AgentSummary([*AT_ZERO, pending("ScalingActive", "not read")], asleep=True),
            ("Unknown", "Pending", "ScalingActive: not read"),
            id="unknown-lag-comes-before-being-at-zero",
        ),
        pytest.param(
            checks.AgentSummary(
                [condition("Accepted", "True", ConditionReason.NOT_COVERED, "note: denied"), *ALL_WELL[1:]],
                pods_ready=True,
            ),
            ("True", "OK", "Accepted: note: denied"),
            id="X49-a-type-that-no-policy-covers-is-said-though-all-is-well",
        ),
        pytest.param(checks.AgentSummary(AT_ZERO, asleep=True), ("True", "ScaledToZero", "no lag"), id="at-zero"),
        pytest.param(
            checks.AgentSummary(ALL_WELL),
            ("False", "AgentNotReady", "no pod of the agent has joined its consumer group yet"),
            id="nobody-has-joined",
        ),
    ],
)
def test_the_summary(summary: checks.AgentSummary, expected: tuple[str, str, str]) -> None:
    found = decide("Ready", checks.SUMMARY, summary)
    assert (found.status, found.reason, found.message) == expected
