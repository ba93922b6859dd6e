"""What an agent says of the policies that cover its decision types, and of those that none covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.models import AgentDeployment
from support.operator_harness import SCHEMA, agent, contract, policy, running

if TYPE_CHECKING:
    from streamwarden_contract.models import Policy

CONTRACTS = (contract("pages"), contract("commands", schema={"schema": SCHEMA}), contract("notes"))
NOT_APPLICABLE = (
    "policies are not applicable: strict to note; their own conditions say why. Under an Enforce policy this denies"
)
READS_A_PARAMETER = 'decision.parameters.page != "home"'


def with_notes() -> AgentDeployment:
    made = agent().model_dump(by_alias=True, mode="json")
    made["spec"]["decisions"].append({"type": "note", "commandTopicRef": {"name": "notes"}})
    return AgentDeployment.model_validate(made)


GUARD = with_notes()


def only(*types: str) -> dict[str, Any]:
    return {"match": {"decisions": list(types)}}


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        pytest.param(
            [policy("strict", READS_A_PARAMETER)],
            ("PolicyNotApplicable", NOT_APPLICABLE),
            id="X01-a-policy-that-does-not-check-for-one-of-its-types",
        ),
        pytest.param(
            [policy("strict", **only("block-page")), policy("watch", failureAction="Audit")],
            ("NotCovered", "no Enforce policy covers note: denied (NoPolicy)"),
            id="X49-a-type-that-no-Enforce-policy-covers",
        ),
        pytest.param(
            [policy("strict", READS_A_PARAMETER, **only("block-page")), policy("notes", **only("note"))],
            ("OK", ""),
            id="every-type-is-covered-by-what-checks-for-it",
        ),
    ],
)
async def test_an_accepted_agent_says_what_its_policies_leave_open(
    policies: list[Policy], said: tuple[str, str]
) -> None:
    async with running(*CONTRACTS, *policies, GUARD) as harness:
        found = next(part for part in harness.get(GUARD).status.conditions if part.type == "Accepted")
        assert (found.status, found.reason, found.message) == ("True", *said)
