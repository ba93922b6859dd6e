"""What only a new process can mend is no condition of an agent: this process ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.errors import CannotGoOnError
from streamwarden_operator.reconcilers.agents.users import AgentUsers
from support.operator_harness import agent, contract, policy, running

if TYPE_CHECKING:
    from streamwarden_contract.models import AgentDeployment

CONTRACTS = (contract("pages"), contract("commands"))


async def hanging(*_: object, **__: object) -> None:
    raise CannotGoOnError("3 transactions hang")


@pytest.mark.parametrize(
    "known",
    [pytest.param((), id="an agent that is new"), pytest.param((agent(),), id="an agent of which something is said")],
)
async def test_an_agent_whose_users_only_a_new_process_can_make_ends_this_one(
    monkeypatch: pytest.MonkeyPatch, known: tuple[AgentDeployment, ...]
) -> None:
    async with running(*CONTRACTS, policy("strict"), *known) as harness:
        await harness.settle()
        assert harness.controller.lost_by is None
        monkeypatch.setattr(AgentUsers, "keep", hanging)
        harness.put(agent(generation=2))
        async with asyncio.timeout(10):
            await harness.controller.lost.wait()
        assert str(harness.controller.lost_by) == "3 transactions hang"
