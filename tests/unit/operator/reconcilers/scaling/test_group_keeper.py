"""Groups of agents at zero are kept once a day, each agent's at a time of its own."""

from __future__ import annotations

from typing import Any, cast

import pytest
from streamwarden_operator.keys import key_of
from streamwarden_operator.ports import WorkloadState
from streamwarden_operator.reconcilers.scaling.group_keeper import EVERY_S, GroupKeeper
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore
from support.fakes import FakeOffsets, FakeTopics
from support.operator_harness import Harness, agent, resolved, running, whole_namespace

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


async def test_an_outage_costs_no_more_than_it_lasts() -> None:
    world = World(pods=0)
    world.offsets.down = True
    await world.run(0, 25)
    assert world.offsets.kept == []
    world.offsets.down = False
    await world.run(25 * HOUR_S, 1)
    assert world.offsets.kept == BOTH
    await world.run(26 * HOUR_S, 24)
    assert world.offsets.kept == BOTH * 2


# --- agents that nobody scales, after a restart -----------------------------------------------------------------------


def paused(harness: Harness) -> None:
    found = harness.get(agent())
    annotations = {"streamwarden.io/pause-reconciliation": "true"}
    harness.cluster.put(
        found.model_copy(update={"metadata": found.metadata.model_copy(update={"annotations": annotations})})
    )


def refused(harness: Harness) -> None:
    harness.cluster.remove(harness.cluster.get(*_place("pages")) or agent())


def unreadable(harness: Harness) -> None:
    harness.cluster.make_unreadable(harness.get(agent()))


def readable(_harness: Harness) -> None:
    """All is as it should be."""


def _place(name: str) -> Any:
    contract = next(each for each in whole_namespace() if each.metadata.name == name)
    return type(contract), "risk", name


UNSCALED = [
    pytest.param(paused, id="a-paused-one"),
    pytest.param(refused, id="one-that-is-not-accepted-now"),
    pytest.param(unreadable, id="one-that-cannot-be-read"),
]


async def kept_after_a_restart(change: Any, pods: frozenset[str] | None) -> list[tuple[str, tuple[str, ...]]]:
    """Restart the operator over an agent that somebody has changed meanwhile, and let a day go by."""
    async with running(*whole_namespace()) as harness:
        await harness.controller.stop()
        change(harness)
        if pods is not None:
            harness.cluster.existing_pods["risk", "guard"] = pods
        harness.controller = harness.new_controller()
        for key in [*map(key_of, harness.cluster.resources.values()), *harness.cluster.broken]:
            harness.controller.changed(key)
        await harness.controller.start()
        harness.controller.caches_complete()
        await harness.settle()
        keeper = cast("Any", harness.controller)._loops["group-keeper"].__self__
        keeper._due_s.clear()  # of the time that it is
        for hour in range(25):
            await keeper.tick(hour * HOUR_S)
        return harness.offsets.kept


@pytest.mark.parametrize("change", UNSCALED)
async def test_x89_m01_groups_of_an_agent_without_pods_are_kept_whatever_is_wrong_with_it(change: Any) -> None:
    assert await kept_after_a_restart(change, frozenset()) == [("risk.guard.agent", ("risk.pages",)), BOTH[1]]


@pytest.mark.parametrize("change", UNSCALED)
@pytest.mark.parametrize(
    "pods", [pytest.param(frozenset({"pod-0"}), id="it-has-pods"), pytest.param(None, id="nobody-knows-of-its-pods")]
)
async def test_groups_that_may_have_members_are_left_alone(change: Any, pods: frozenset[str] | None) -> None:
    assert await kept_after_a_restart(change, pods) == []


async def test_an_agent_that_is_scaled_has_the_pods_that_its_scaler_says() -> None:
    assert await kept_after_a_restart(readable, frozenset()) == []
