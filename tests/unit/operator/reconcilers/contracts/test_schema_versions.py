"""Which versions of a schema are whose, and what is left of them."""

from __future__ import annotations

import json

from support.contract_world import ALL_WELL, World, conditions, message
from support.manifests import contract

A = {"schema": json.dumps({"type": "object"}), "compatibilityLevel": "NONE"}
B = {"schema": json.dumps({"type": "object", "title": "b"}), "compatibilityLevel": "NONE"}
C = json.dumps({"type": "object", "title": "c"})
LATEST = (
    "registered as version 1; the subject's latest is version 2, which is another schema: a registry keeps one version "
    "a schema and makes none anew. Whoever asks for 'latest' gets that one"
)


async def edited_back(world: World) -> None:
    """Edit a contract's schema A, B, A."""
    world.cluster.put(contract(schema=A))
    await world.reconcile()
    world.edit(schema=B)
    await world.reconcile()
    world.edit(schema=A)


async def test_x43_a_schema_that_is_edited_back_is_no_drift_and_says_that_latest_is_another(world: World) -> None:
    await edited_back(world)
    status = await world.reconcile()
    assert conditions(status) == ALL_WELL
    assert status.registered_schema is not None
    assert status.registered_schema.version == 1
    assert message(status, "SchemaReady") == LATEST
    writes = world.writes()
    for _ in range(2):
        assert await world.reconcile() == status
    assert (world.writes(), world.cluster.events) == (writes, [])


async def test_a_schema_that_somebody_else_registers_is_told_once(world: World) -> None:
    world.cluster.put(contract(schema=A))
    await world.reconcile()
    assert world.registry is not None
    await world.registry.register("risk.urls-value", C)
    status = await world.reconcile()
    assert conditions(status) == {**ALL_WELL, "DriftDetected": ("True", "Drifted")}
    assert message(status, "DriftDetected") == "somebody registered another schema, version 2, which cannot be put back"
    assert conditions(await world.reconcile()) == ALL_WELL
    assert [event.reason for event in world.cluster.events] == ["Drifted"]


async def test_x44_a_schema_that_was_taken_out_goes_with_a_contract_that_deletes(world: World) -> None:
    world.cluster.put(contract(schema=A, deletionPolicy="Delete"))
    await world.reconcile()
    world.edit(deletionPolicy="Delete")
    await world.reconcile()
    assert world.registry is not None
    assert set(world.registry.versions) == {"risk.urls-value"}
    world.delete()
    await world.reconcile()
    assert (world.registry.versions, world.registry.levels) == ({}, {})
    assert world.inventory.subject("risk.urls-value") is None
    assert world.inventory.topic("risk.urls") is None


async def test_a_subject_that_never_held_the_contracts_schema_stays(world: World) -> None:
    assert world.registry is not None
    await world.registry.register("risk.urls-value", C)
    world.cluster.put(contract(deletionPolicy="Delete"))
    await world.reconcile()
    world.delete()
    await world.reconcile()
    assert set(world.registry.versions) == {"risk.urls-value"}
