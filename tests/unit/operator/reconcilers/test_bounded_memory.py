"""What is remembered of what is gone: nothing that grows with all that ever was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_operator.keys import Key, key_of
from support.operator_harness import agent, contract, policy, running, whole_namespace
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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


async def test_x97_of_an_agents_many_pods_that_were_nothing_stays_once_it_is_gone() -> None:
    async with running(*whole_namespace()) as harness:
        binding, guard = harness.binding(), harness.get(agent())
        harness.cluster.existing_pods["risk", "guard"] = frozenset(f"guard-{number}" for number in range(100))
        for number in range(100):
            harness.acks.say(ack_of(binding, pod=f"guard-{number}"))
        await harness.settle()
        waker, live = harness.controller._waker, harness.controller.reconcilers["AgentDeployment"]._acks  # type: ignore[attr-defined]  # the agents' own
        assert len(waker._last_acks) == 100
        harness.cluster.existing_pods["risk", "guard"] = frozenset()
        harness.cluster.remove(guard)
        harness.controller.changed(key_of(guard))
        await harness.settle()
        assert len(harness.acks.forgotten) == 100
        for namespace, name, pod in harness.acks.forgotten:  # as the reader does once it has read the tombstones
            harness.acks.on_ack(namespace, name, pod, None)
        await harness.settle()
        assert (harness.acks.acks, waker._last_acks, waker._last_refused, live._missing) == ({}, {}, {}, {})


async def test_x97_of_an_agent_that_went_without_being_brought_down_nothing_stays_once_it_is_swept() -> None:
    async with running(*whole_namespace()) as harness:
        users, guard = harness.access.users, harness.get(agent())
        assert set(users.tries.last) == {"risk.guard.agent", "risk.guard.gate"}
        users.deletions.note("risk.guard.gate")
        users.not_kept.add(("risk", "guard"))
        users.unproven["risk", "guard"] = 0.0
        harness.users.passwords.pop("risk.guard.agent")
        harness.cluster.remove(guard)
        await harness.controller.reconcilers["Namespace"]._sweep("risk")  # type: ignore[attr-defined]  # before the agent's own turn
        assert harness.users.passwords == {}
        assert (users.tries.last, users.deletions.made_again, users.not_kept, users.unproven) == ({}, {}, set(), {})


async def test_what_an_agent_has_is_taken_back_with_one_listing_of_users() -> None:
    async with running(*whole_namespace()) as harness:
        asked, observe = list[object](), harness.users.observe

        async def listed(users: Collection[str] | None = None) -> Mapping[str, frozenset[str]]:
            asked.append(users)
            return await observe(users)

        harness.users.observe = listed  # type: ignore[method-assign]  # counted
        access = harness.access
        await access.revoke("risk", "guard")
        assert (harness.users.passwords, harness.acls.acls, len(asked)) == ({}, set(), 1)


async def test_x97_a_policy_alone_wakes_a_namespace_that_had_nothing() -> None:
    strict = policy("strict")
    async with running(strict) as harness:
        harness.cluster.remove(strict)
        harness.controller.changed(key_of(strict))
        harness.controller.add(Key("Namespace", "risk"))  # as the resync does
        await harness.settle()
        assert {key for key in looked_at_again(harness) if key.namespace == "risk"} == set()
        harness.put(policy("late"))
        await harness.settle()
        assert {Key("Namespace", "risk"), Key("PolicyLog", "risk")} <= looked_at_again(harness)
