"""What is remembered of what is gone: nothing that grows with all that ever was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_operator.keys import Key, key_of
from support.operator_harness import agent, contract, policy, running, whole_namespace

if TYPE_CHECKING:
    from support.operator_harness import Harness


def looked_at_again(harness: Harness) -> set[Key]:
    """The keys that have a next turn though nothing asks for it."""
    return set(harness.controller.queue._queue._timers)


async def test_x97_a_namespace_that_has_nothing_any_more_is_not_looked_at_for_ever() -> None:
    async with running(*whole_namespace(), contract("pages", "other"), policy("late", namespace="other")) as harness:
        everything = [*harness.cluster.resources.values()]
        assert {Key("Namespace", "risk"), Key("PolicyLog", "risk")} <= looked_at_again(harness)
        for resource in everything:
            if resource.metadata.namespace == "risk":
                harness.cluster.remove(resource)
                harness.controller.changed(key_of(resource))
        await harness.settle()
        assert {key for key in looked_at_again(harness) if key.namespace == "risk"} == set()
        assert {Key("Namespace", "other"), Key("PolicyLog", "other")} <= looked_at_again(harness)
        assert harness.acls.acls == set()
        harness.put(*whole_namespace())
        await harness.settle()
        assert harness.binding().agent == agent().metadata.name
        assert {Key("Namespace", "risk"), Key("PolicyLog", "risk")} <= looked_at_again(harness)
