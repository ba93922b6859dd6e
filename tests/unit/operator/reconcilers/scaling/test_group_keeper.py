"""Groups of agents at zero are kept once a day, each agent's at a time of its own."""

from __future__ import annotations

from typing import Any

from streamwarden_operator.ports import WorkloadState
from streamwarden_operator.reconcilers.scaling.group_keeper import EVERY_S, GroupKeeper
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore
from support.fakes import FakeOffsets, FakeTopics
from support.operator_harness import agent, resolved

HOUR_S = 3_600
BOTH = [
    ("risk.guard.agent", ("risk.pages", "risk.results")),
    ("risk.guard.gate", ("risk.guard.decisions",)),
]


class World:
    def __init__(self, pods: int) -> None:
        self.offsets = FakeOffsets(FakeTopics())
        self.store = ScalingStore(enabled=True)
        self.store.observe(resolved(agent(), "risk.pages", "risk.results"), WorkloadState(pods, desired=pods))
        self.keeper = GroupKeeper(self.offsets, self.store)

    async def run(self, from_s: float, hours: int) -> None:
        for hour in range(hours):
            await self.keeper.tick(from_s + hour * HOUR_S)


async def test_both_groups_of_an_agent_at_zero_are_kept_once_a_day_with_all_their_topics() -> None:
    world = World(pods=0)
    await world.run(0, 25)
    assert world.offsets.kept == BOTH
    await world.run(25 * HOUR_S, 24)
    assert world.offsets.kept == BOTH * 2


async def test_groups_with_members_are_left_alone() -> None:
    world = World(pods=1)
    await world.run(0, 72)
    assert world.offsets.kept == []


async def test_an_operator_that_is_restarted_every_few_hours_keeps_them_too() -> None:
    kept: list[Any] = []
    for restart in range(12):
        world = World(pods=0)
        await world.run(restart * 6 * HOUR_S, 7)
        kept += world.offsets.kept
    assert len(kept) >= 2 * 12 * 6 * HOUR_S / EVERY_S


async def test_an_outage_costs_one_day_of_seven() -> None:
    world = World(pods=0)
    world.offsets.down = True
    await world.run(0, 25)
    assert world.offsets.kept == []
    world.offsets.down = False
    await world.run(25 * HOUR_S, 24)
    assert world.offsets.kept == BOTH
