"""Killed at every call that changes something (F8): whoever follows brings everything to the same end."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from support.mortal import PORTS, READS, Fated, Moment, Process, all_calls, all_ports, writing_calls
from support.operator_life import STEPS, Life

if TYPE_CHECKING:
    from support.operator_life import Snapshot

pytestmark = pytest.mark.slow
SEEDS = range(3)
FEWEST = 10
"""Deaths of a life whose calls are deadly by one in ten."""


@pytest.fixture(scope="module")
def undisturbed() -> Life:
    return asyncio.run(lived())


async def lived(process: Process | None = None) -> Life:
    life = Life(process)
    await life.live()
    return life


def differences(life: Life, other: Life) -> dict[str, dict[str, tuple[object, object]]]:
    """Return by step what there is in one life and in the other, where that is not the same."""
    return {step: differing for step in STEPS if (differing := _differing(life.snapshots[step], other.snapshots[step]))}


def _differing(one: Snapshot, other: Snapshot) -> dict[str, tuple[object, object]]:
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


def test_f8_every_port_is_one_that_a_process_can_be_killed_at() -> None:
    assert set(PORTS.values()) == all_ports()
    assert sorted(READS - all_calls()) == []


def test_f8_a_life_makes_every_call_that_changes_something(undisturbed: Life) -> None:
    assert undisturbed.harness.made == writing_calls()


async def test_f8_two_lives_are_the_same(undisturbed: Life) -> None:
    assert differences(await lived(), undisturbed) == {}


def test_f8_at_the_end_of_a_life_nothing_is_left_over(undisturbed: Life) -> None:
    end = undisturbed.snapshots["deleted"]
    stays = {"topics", "offsets", "kept groups", "logs", "keys", "an order has its answer"}
    assert {name: left for name, left in end.items() if left and name not in stays} == {}
    assert {topic: set(records) for topic, records in end["logs"].items()} == {
        "streamwarden.inventory": {"installation", "namespace/risk"},
        "streamwarden.policies": {"epoch"},
        "risk.streamwarden.policies": {"epoch"},
    }
    judged = {"risk.guard.decisions", *(f"risk.streamwarden.{name}" for name in ("audit", "dlq", "gates", "policies"))}
    assert set(end["topics"]) == {"streamwarden.inventory", "streamwarden.policies", *judged}


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.value)
@pytest.mark.parametrize("call", sorted(writing_calls()))
async def test_f8_whoever_is_killed_at_a_call_is_followed_to_the_same_end(
    undisturbed: Life, call: str, moment: Moment
) -> None:
    life = await lived(Process(call, moment))
    assert life.harness.deaths
    assert life.ways_round == []
    assert differences(life, undisturbed) == {}


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}") for seed in SEEDS])
async def test_f8_whoever_is_killed_again_and_again_at_random_calls_is_followed_to_the_same_end(
    undisturbed: Life, seed: int
) -> None:
    life = await lived(Fated(chance=random.Random(seed)))  # noqa: S311  # to be had again, not to be secret
    assert life.harness.deaths > FEWEST
    assert life.ways_round == []
    assert differences(life, undisturbed) == {}
