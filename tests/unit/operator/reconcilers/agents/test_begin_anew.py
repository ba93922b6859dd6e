"""What people have to do so that an agent begins anew: its decision topic outlives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.operator_harness import Harness, agent, conditions_of, running, until, whole_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

GUARD = agent()


async def make_again(harness: Harness, uid: str, prepare: Callable[[], None] = lambda: None) -> None:
    found = harness.get(GUARD)
    going = found.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
    harness.put(found.model_copy(update={"metadata": going}))
    await until(lambda: not harness.cluster.list(type(GUARD)))
    prepare()
    harness.put(agent(uid=uid))


async def test_an_agent_that_is_made_again_begins_anew_only_without_its_decision_topic() -> None:
    async with running(*whole_namespace()) as harness:

        def access() -> tuple[str, str] | None:
            return conditions_of(harness.get(GUARD)).get("AccessReady")

        def without_topic() -> None:
            del harness.topics.topics["risk.guard.decisions"]
            harness.offsets.ends.clear()

        harness.offsets.committed.clear()
        harness.offsets.ends["risk.guard.decisions", 0] = (0, 7)
        await make_again(harness, "again")
        await until(lambda: access() == ("False", "OffsetsLost"))
        await make_again(harness, "anew", without_topic)
        await until(lambda: access() == ("True", "OK"))
