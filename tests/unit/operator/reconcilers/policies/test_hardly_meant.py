"""X49: a policy that is accepted and hardly meant says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.operator_harness import Harness, agent, contract, policy, running

if TYPE_CHECKING:
    from streamwarden_contract.models.policy import Policy

COVERS_NOTHING = "it covers no decision: no agent that it selects has one of its types (yet)"
NO_RULES = "it has no rules: everything that it covers is allowed"

CONTRACTS = (contract("pages"), contract("commands"))


def said(harness: Harness, found: Policy, kind: str) -> tuple[str, str, str]:
    conditions = harness.get(found).status.conditions
    return next((part.status, part.reason, part.message) for part in conditions if part.type == kind)


@pytest.mark.parametrize(
    ("found", "reason", "message"),
    [
        pytest.param(policy("idle", match={"decisions": ["no-such"]}), "CoversNothing", COVERS_NOTHING, id="nobody"),
        pytest.param(policy("idle", rules=[]), "NoRules", NO_RULES, id="without-rules"),
    ],
)
async def test_x49_a_policy_that_is_hardly_meant_says_so(found: Policy, reason: str, message: str) -> None:
    async with running(*CONTRACTS, agent(), found) as harness:
        assert said(harness, found, "Accepted") == ("True", reason, message)


async def test_x49_a_policy_that_covers_nobody_is_ready_with_a_word() -> None:
    found = policy("idle")
    async with running(*CONTRACTS, found) as harness:
        assert said(harness, found, "Ready") == ("True", "OK", f"Accepted: {COVERS_NOTHING}")
