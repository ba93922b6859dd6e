"""Resources that are paused, unmanaged, or not readable: nothing of theirs is changed, and nothing is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Acl
from support.operator_harness import Harness, agent, conditions_of, contract, policy, running, until, whole_namespace

if TYPE_CHECKING:
    from streamwarden_contract.models.base import Kind

PAUSED = {"streamwarden.io/pause-reconciliation": "true"}
UNMANAGED = {"streamwarden.io/managed": "false"}
GUARD = agent()


def with_metadata(found: Kind, **changes: Any) -> Any:
    metadata = found.metadata
    return found.model_copy(update={"metadata": metadata.model_copy(update=changes)})


def edited(found: Any, **spec: Any) -> Any:
    changed = found.spec.model_copy(update=spec)
    return with_metadata(found.model_copy(update={"spec": changed}), generation=found.metadata.generation + 1)


async def again(harness: Harness, resource: Kind) -> None:
    """Look at a resource once more."""
    harness.controller.changed(_key(resource))
    await harness.settle()


def _key(resource: Any) -> Key:
    kind: Any = type(resource).__name__
    return Key(kind, resource.metadata.namespace, resource.metadata.name)


@pytest.mark.parametrize(
    ("annotations", "condition"),
    [
        pytest.param(PAUSED, ("ReconciliationPaused", ("True", "Paused")), id="paused"),
        pytest.param(UNMANAGED, ("Unmanaged", ("True", "Unmanaged")), id="unmanaged"),
    ],
)
@pytest.mark.parametrize("kind", ["contract", "policy", "agent"])
async def test_a_held_resource_keeps_what_is_and_says_so(
    annotations: dict[str, str], condition: tuple[str, tuple[str, str]], kind: str
) -> None:
    async with running(*whole_namespace()) as harness:
        resource: Any = {"contract": contract("pages"), "policy": policy("strict"), "agent": GUARD}[kind]
        before, conditions = len(harness.effects), conditions_of(harness.get(resource))
        edits: dict[str, dict[str, Any]] = {
            "contract": {"config": {"retention.ms": 1000}},
            "policy": {"failure_action": "Audit"},
            "agent": {"image": "guard:2"},
        }
        harness.put(edited(with_metadata(harness.get(resource), annotations=annotations), **edits[kind]))
        await harness.settle()
        writes = [effect for effect in harness.effects[before:] if effect[1] != "status"]
        assert writes == []
        found = harness.get(resource)
        assert conditions_of(found) == conditions | dict([condition])
        assert found.status.observed_generation == 1  # the edit was not looked at
        written = len(harness.effects)
        await again(harness, resource)
        assert len(harness.effects) == written

        harness.put(with_metadata(found, annotations={}))
        await until(lambda: condition[0] not in conditions_of(harness.get(resource)))
        await harness.settle()
        assert harness.get(resource).status.observed_generation == 2
        assert [effect for effect in harness.effects[written:] if effect[1] != "status"]


async def test_a_paused_agent_gets_no_pods_that_it_had_not() -> None:
    pages, commands, strict, watch, guard = whole_namespace()
    async with running(pages, commands, strict, watch, with_metadata(guard, annotations=PAUSED)) as harness:
        assert harness.cluster.workloads == {}
        assert harness.cluster.secrets == {}
        assert conditions_of(harness.get(GUARD)) == {"ReconciliationPaused": ("True", "Paused")}


async def test_a_deletion_of_a_paused_agent_undoes_everything() -> None:
    async with running(*whole_namespace()) as harness:
        harness.put(with_metadata(harness.get(GUARD), annotations=PAUSED, deletion_timestamp="2026-01-01T00:00:00Z"))
        await until(lambda: harness.cluster.get(type(GUARD), "risk", "guard") is None)
        await harness.settle()
        assert harness.acls.acls == set()
        assert harness.cluster.workloads == {}


async def test_a_deletion_of_an_unmanaged_contract_leaves_its_topic() -> None:
    doomed = contract("pages", deletionPolicy="Delete", access={"producers": ["User:web"]})
    async with running(doomed) as harness:
        assert Acl("User:web", "TOPIC", "risk.pages", "WRITE") in harness.acls.acls
        acls = set(harness.acls.acls)
        found = with_metadata(harness.get(doomed), annotations=UNMANAGED, deletion_timestamp="2026-01-01T00:00:00Z")
        harness.put(found)
        await until(lambda: harness.cluster.get(type(doomed), "risk", "pages") is None)
        assert "risk.pages" in harness.topics.topics
        assert harness.acls.acls == acls


async def test_a_paused_policy_stays_in_force_across_a_restart_and_a_new_one_is_not_heard() -> None:
    async with running(*whole_namespace()) as harness:
        held = edited(with_metadata(harness.get(policy("strict")), annotations=PAUSED), failure_action="Audit")
        await harness.controller.stop()
        harness.controller = harness.new_controller()
        harness.put(held, with_metadata(policy("late", "false"), annotations=PAUSED))
        await harness.controller.start()
        harness.controller.caches_complete()
        await again(harness, GUARD)
        assert [(ref.name, ref.revision) for ref in harness.binding().policies] == [("strict", 1), ("watch", 2)]
        harness.put(with_metadata(harness.get(policy("late")), annotations={}))
        await until(lambda: {ref.name for ref in harness.binding().policies} == {"late", "strict", "watch"})


async def test_a_deleted_paused_policy_is_withdrawn() -> None:
    async with running(*whole_namespace()) as harness:
        held = with_metadata(harness.get(policy("strict")), annotations=PAUSED)
        harness.put(held)
        await harness.settle()
        harness.cluster.remove(held)
        harness.controller.changed(_key(held))
        await until(lambda: {ref.name for ref in harness.binding().policies} == {"watch"})


async def test_an_agent_that_cannot_be_read_keeps_everything() -> None:
    async with running(*whole_namespace()) as harness:
        acls, users = set(harness.acls.acls), dict(harness.users.passwords)
        found = harness.get(GUARD)
        await harness.controller.stop()
        harness.cluster.make_unreadable(found)
        harness.controller = harness.new_controller()
        harness.controller.changed(_key(found))
        harness.controller.changed(_key(policy("strict")))
        await harness.controller.start()
        harness.controller.caches_complete()
        harness.controller.add(Key("Namespace", "risk"))
        await harness.settle()
        assert (harness.acls.acls, harness.users.passwords) == (acls, users)
        assert harness.cluster.workloads
        assert harness.binding().agent_uid == "uid-guard"


async def test_without_a_policy_that_cannot_be_read_nothing_is_published() -> None:
    async with running(*whole_namespace()) as harness:
        found = harness.get(policy("strict"))
        await harness.controller.stop()
        harness.cluster.make_unreadable(found)
        harness.controller = harness.new_controller()
        await harness.controller.start()
        harness.controller.caches_complete()
        harness.put(policy("watch", "decision.confidence >= 0.99", failureAction="Audit", generation=2))
        log = Key("PolicyLog", "risk")
        await until(lambda: log in harness.controller.failing)
        records = harness.log.topics["risk.streamwarden.policies"]
        assert b"policy/strict" in records
        harness.cluster.broken.clear()
        harness.put(found)
        await until(lambda: log not in harness.controller.failing and harness.controller.idle)
        assert {ref.name for ref in harness.binding().policies} == {"strict", "watch"}
