"""How far a revision has come, with agents at zero and agents that are scaled."""

from __future__ import annotations

import pytest
from streamwarden_contract.models.policy import GateRejection
from streamwarden_operator.reconcilers.policies.rollout import RolloutState

REJECTION = (GateRejection(gate="guard/pod-0", message="LowerEpoch"),)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(RolloutState(0, 0, 0, (), ()), ("True", "NoGates"), id="nobody-is-bound"),
        pytest.param(RolloutState(1, 0, 0, (), ()), ("True", "NoGates"), id="all-bound-agents-are-at-zero"),
        pytest.param(RolloutState(1, 0, 0, (), ("guard",)), ("False", "WaitingForGates"), id="a-gate-is-missing"),
        pytest.param(RolloutState(2, 1, 1, (), ()), ("True", "OK"), id="one-agent-has-it-and-the-other-is-at-zero"),
        pytest.param(RolloutState(1, 2, 1, (), ()), ("False", "WaitingForGates"), id="one-of-two-gates"),
        pytest.param(RolloutState(1, 0, 0, (), (), settled=True), ("True", "OK"), id="settled-and-now-at-zero"),
        pytest.param(
            RolloutState(1, 1, 0, (), (), settled=True),
            ("False", "WaitingForGates"),
            id="settled-but-a-gate-has-another",
        ),
        pytest.param(
            RolloutState(1, 1, 0, REJECTION, (), settled=True), ("False", "RejectedByGate"), id="settled-but-refused"
        ),
    ],
)
def test_what_is_said_of_a_rollout(state: RolloutState, expected: tuple[str, str]) -> None:
    found = state.condition()
    assert (found.status, found.reason) == expected


def test_without_any_gate_nothing_has_converged() -> None:
    assert not RolloutState(1, 0, 0, (), ()).converged
    assert not RolloutState(1, 0, 0, (), (), settled=True).converged
    assert RolloutState(2, 1, 1, (), ()).converged
