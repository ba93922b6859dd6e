"""Whether a policy is published, and how far a revision has come, with agents at zero and agents that are scaled."""

from __future__ import annotations

import pytest
from streamwarden_contract.models.policy import GateRejection
from streamwarden_contract.policylog import PolicyRecord
from streamwarden_operator.desired.checks.chain import decide
from streamwarden_operator.desired.checks.policies import (
    PUBLICATION,
    PUBLISHED,
    ROLLED_OUT,
    ROLLOUT,
    Publishing,
    RolloutState,
)
from streamwarden_operator.errors import KafkaForbiddenError, KafkaUnavailableError
from support.manifests import part_of

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
    found = decide(ROLLED_OUT, ROLLOUT, state)
    assert (found.status, found.reason) == expected


def test_without_any_gate_nothing_has_converged() -> None:
    assert not RolloutState(1, 0, 0, (), ()).converged
    assert not RolloutState(1, 0, 0, (), (), settled=True).converged
    assert RolloutState(2, 1, 1, (), ()).converged


RECORD = part_of(PolicyRecord, name="strict", revision=3, digest="now")
BEFORE = part_of(PolicyRecord, name="strict", revision=3, digest="before")
OUTAGE = KafkaUnavailableError("no broker answers")
STAYS = "; revision 3 stays in force"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(Publishing("now", False, RECORD, OUTAGE), ("True", "OK", "revision 3"), id="published"),
        pytest.param(
            Publishing("now", True, None, None),
            ("False", "NotPublished", "a refused spec is not published"),
            id="refused",
        ),
        pytest.param(
            Publishing("now", True, RECORD, None),
            ("False", "NotPublished", f"a refused spec is not published{STAYS}"),
            id="refused-and-what-was-published-stays",
        ),
        pytest.param(
            Publishing("now", False, BEFORE, OUTAGE),
            ("False", "NotPublished", f"no broker answers{STAYS}"),
            id="the-log-cannot-be-written",
        ),
        pytest.param(
            Publishing("now", False, None, OUTAGE),
            ("False", "NotPublished", "no broker answers"),
            id="nor-for-the-first",
        ),
        pytest.param(
            Publishing("now", False, None, KafkaForbiddenError("could not publish")),
            ("False", "KafkaAuthorizationFailed", "could not publish"),
            id="X99-nor-may-the-operator-write-it",
        ),
        pytest.param(
            Publishing("now", False, BEFORE, None), ("Unknown", "Pending", f"about to be published{STAYS}"), id="soon"
        ),
        pytest.param(Publishing("now", False, None, None), ("Unknown", "Pending", "about to be published"), id="first"),
    ],
)
def test_what_is_said_of_a_publication(policy: Publishing, expected: tuple[str, str, str]) -> None:
    found = decide(PUBLISHED, PUBLICATION, policy)
    assert (found.status, found.reason, found.message) == expected
