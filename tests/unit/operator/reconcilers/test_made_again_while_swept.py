"""An agent that is made again while what an earlier one of its name has left is swept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_operator.reconcilers.agents.quotas import AgentQuotas
from support.login_fakes import FakeScramUsers
from support.operator_harness import SETTINGS, agent, conditions_of, running, until, user_of, whole_namespace

if TYPE_CHECKING:
    from support.operator_harness import Harness

GUARD, OTHER = agent(), agent("other")
USERS = {"risk.guard.agent", "risk.guard.gate"}
LIMITED = SETTINGS.model_copy(update={"agent_producer_byte_rate": 1_048_576})


def left_behind(harness: Harness) -> None:
    harness.looks_last_s = 3_600.0
    harness.users.passwords |= dict.fromkeys(USERS, "an earlier one")
    harness.remember(user_of("guard"), user_of("guard", "gate"))


@pytest.mark.parametrize(
    ("backend", "step"),
    [pytest.param(AgentQuotas, "take", id="quotas"), pytest.param(FakeScramUsers, "delete", id="users")],
)
async def test_an_agent_that_is_made_again_while_its_name_is_swept_has_all_it_needs(
    backend: type[Any], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, begun, whole = asyncio.Event(), asyncio.Event(), getattr(backend, step)

    async def held(*arguments: Any) -> None:
        begun.set()
        await slow.wait()
        await whole(*arguments)

    def prepare(harness: Harness) -> None:
        left_behind(harness)
        monkeypatch.setattr(backend, step, held)
        tasks.append(asyncio.create_task(make_again(harness)))

    async def make_again(harness: Harness) -> None:
        await begun.wait()
        await until(lambda: conditions_of(harness.get(OTHER)).get("AccessReady") == ("True", "OK"))
        harness.put(GUARD)
        await until(lambda: conditions_of(harness.get(GUARD)).get("AccessReady") == ("True", "OK"))
        slow.set()

    tasks: list[asyncio.Task[None]] = []
    async with running(*whole_namespace()[:-1], OTHER, settings=LIMITED, prepare=prepare) as harness:
        await asyncio.gather(*tasks)
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")
        assert harness.users.passwords.keys() >= USERS
        assert harness.quotas.quotas["risk.guard.agent"] == {"producer_byte_rate": 1_048_576.0}
