"""The schema registry, in memory and for real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.schema_registry import ConfluentRegistry
from streamwarden_operator.desired.schemas import DesiredSchema
from streamwarden_operator.errors import InvalidSpecError, RegistryUnavailableError
from streamwarden_operator.plans.schemas import plan_schema, same_json
from support.fakes import FakeSchemaRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_operator.ports import SchemaRegistry
    from support.stack_fixture import RunningStack

URL = json.dumps({"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]})
URL_SPACED = json.dumps(json.loads(URL), indent=2)
STRICTER = json.dumps(
    {
        "type": "object",
        "properties": {"url": {"type": "string"}, "score": {"type": "number"}},
        "required": ["url", "score"],
    }
)

NO_LEVEL = {None, "NONE"}
"""Apicurio has no answer of its own for a subject without a level: it answers NONE."""


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.broker)])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[SchemaRegistry]:
    if request.param == "fake":
        yield FakeSchemaRegistry()
        return
    stack = cast("RunningStack", request.getfixturevalue("stack_with_registry"))
    async with ConfluentRegistry(stack.registry_url) as real:
        yield real


async def test_an_absent_subject_is_none(registry: SchemaRegistry, unique: str) -> None:
    assert await registry.observe(f"{unique}-value") is None


async def test_a_registered_schema_is_observed_with_its_level(registry: SchemaRegistry, unique: str) -> None:
    await registry.set_compatibility(unique, "BACKWARD")
    made = await registry.register(unique, URL)
    found = await registry.observe(unique)
    assert found == made
    assert (found.subject, found.version, found.compatibility_level) == (unique, 1, "BACKWARD")
    assert found.schema_id > 0
    assert same_json(found.definition, URL)
    assert not plan_schema(DesiredSchema(unique, URL_SPACED, "BACKWARD"), found)


async def test_a_subject_without_a_level_of_its_own_has_none(registry: SchemaRegistry, unique: str) -> None:
    assert (await registry.register(unique, URL)).compatibility_level in NO_LEVEL


async def test_the_same_schema_again_gives_the_same_version(registry: SchemaRegistry, unique: str) -> None:
    assert await registry.register(unique, URL) == await registry.register(unique, URL)


async def test_x43_an_older_version_is_found_by_its_schema(registry: SchemaRegistry, unique: str) -> None:
    assert await registry.find(unique, URL) is None
    first = await registry.register(unique, URL)
    await registry.set_compatibility(unique, "NONE")
    second = await registry.register(unique, STRICTER)
    found = await registry.find(unique, URL)
    assert found is not None
    assert (found.version, found.schema_id) == (first.version, first.schema_id)
    assert await registry.observe(unique) == second
    assert await registry.find(unique, json.dumps({"type": "array"})) is None


async def test_f40_an_incompatible_schema_is_refused_with_the_difference(registry: SchemaRegistry, unique: str) -> None:
    await registry.set_compatibility(unique, "BACKWARD")
    first = await registry.register(unique, URL)
    with pytest.raises(InvalidSpecError, match="new required property was added") as caught:
        await registry.register(unique, STRICTER)
    assert caught.value.reason is ConditionReason.INVALID_SCHEMA
    assert len(str(caught.value)) < 1000
    assert await registry.observe(unique) == first


async def test_with_level_none_every_schema_is_taken(registry: SchemaRegistry, unique: str) -> None:
    await registry.set_compatibility(unique, "NONE")
    await registry.register(unique, URL)
    assert (await registry.register(unique, STRICTER)).version == 2


async def test_a_text_that_is_no_schema_is_the_users_to_change(registry: SchemaRegistry, unique: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        await registry.register(unique, "{no json")
    assert caught.value.reason is ConditionReason.INVALID_SCHEMA


async def test_a_deleted_subject_is_gone_and_can_begin_anew(registry: SchemaRegistry, unique: str) -> None:
    await registry.set_compatibility(unique, "FULL")
    await registry.register(unique, URL)
    await registry.delete(unique)
    await registry.delete(unique)
    assert await registry.observe(unique) is None
    assert (await registry.register(unique, STRICTER)).compatibility_level in NO_LEVEL


async def test_f39_a_registry_that_does_not_answer_is_an_outage() -> None:
    async with ConfluentRegistry("http://127.0.0.1:9", timeout_s=0.5) as nobody:
        with pytest.raises(RegistryUnavailableError, match=r"at 127\.0\.0\.1 does not answer"):
            await nobody.observe("orders-value")
