"""A contract's new schema reaches no gate before it is taken: by the rules in force, and by the registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.topic_contract import TopicSchema
from streamwarden_operator.keys import key_of
from streamwarden_operator.ports import SubjectSchema
from support.operator_harness import SCHEMA, Harness, agent, conditions_of, contract, policy, running

if TYPE_CHECKING:
    from streamwarden_contract.models import AgentDeployment, TopicContract

SUBJECT = "risk.commands-value"
GUARD, COMMANDS = agent(), contract("commands", schema={"schema": SCHEMA})
STRICT = policy("strict", 'decision.parameters.page != "home"')
NAMESPACE = (contract("pages"), COMMANDS, STRICT, GUARD)
WITHOUT_PAGE = json.dumps({"type": "object", "properties": {"site": {"type": "string"}}})
WITH_BOTH = json.dumps({"type": "object", "properties": {"site": {"type": "string"}, "page": {"type": "string"}}})
DEMANDING = json.dumps({"type": "object", "properties": {"page": {"type": "string"}}, "required": ["page"]})


def edited(found: TopicContract, schema: str | None) -> TopicContract:
    metadata = found.metadata.model_copy(update={"generation": found.metadata.generation + 1})
    value_schema = None if schema is None else TopicSchema.model_validate({"schema": schema})
    spec = found.spec.model_copy(update={"value_schema": value_schema})
    return found.model_copy(update={"metadata": metadata, "spec": spec})


async def edit(harness: Harness, schema: str | None) -> None:
    harness.put(edited(harness.get(COMMANDS), schema))
    await harness.settle()


def schema_ready(harness: Harness) -> tuple[str, str]:
    return conditions_of(harness.get(COMMANDS))["SchemaReady"]


def message(found: AgentDeployment | TopicContract, kind: str) -> str:
    return next(part.message for part in found.status.conditions if part.type == kind)


def judged_by(harness: Harness) -> str | None:
    return harness.binding().decisions["block-page"].schema_sha256


def without_registry(harness: Harness) -> None:
    harness.has_registry = False


# --- rules in force (X01) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(WITHOUT_PAGE, id="X01-a-field-that-a-rule-reads-is-gone"),
        pytest.param(None, id="X01-the-whole-schema-is-gone"),
    ],
)
async def test_a_schema_that_breaks_a_rule_in_force_is_neither_registered_nor_published(schema: str | None) -> None:
    async with running(*NAMESPACE) as harness:
        assert schema_ready(harness) == ("True", "OK")
        before = harness.get(COMMANDS).status.registered_schema
        await edit(harness, schema)
        assert schema_ready(harness) == ("False", "BreaksPolicies")
        said = message(harness.get(COMMANDS), "SchemaReady")
        assert "policy 'strict' for guard/block-page (rule 'r': 1:" in said
        assert "gates go on judging by the one in force" in said
        assert [known.definition for known in harness.registry.versions[SUBJECT]] == [SCHEMA]
        assert harness.get(COMMANDS).status.registered_schema == before
        assert (judged_by(harness), harness.binding().not_applicable) == (sha256_hex(SCHEMA.encode()), {})
        assert conditions_of(harness.get(GUARD))["TopicsReady"] == ("True", "OK")
        assert conditions_of(harness.get(STRICT))["Accepted"] == ("True", "OK")


async def test_a_mended_policy_lets_the_new_schema_in() -> None:
    async with running(*NAMESPACE) as harness:
        await edit(harness, WITHOUT_PAGE)
        assert schema_ready(harness) == ("False", "BreaksPolicies")
        harness.put(policy("strict", "decision.confidence >= 0.8", generation=2))
        await harness.settle()
        assert schema_ready(harness) == ("True", "OK")
        assert judged_by(harness) == sha256_hex(WITHOUT_PAGE.encode())


async def test_a_mended_contract_is_taken() -> None:
    async with running(*NAMESPACE) as harness:
        await edit(harness, WITHOUT_PAGE)
        assert schema_ready(harness) == ("False", "BreaksPolicies")
        await edit(harness, WITH_BOTH)
        assert schema_ready(harness) == ("True", "OK")
        assert judged_by(harness) == sha256_hex(WITH_BOTH.encode())


async def test_an_audit_policy_holds_back_no_schema() -> None:
    watching = policy("watch", 'decision.parameters.page != "home"', failureAction="Audit")
    strict = policy("strict", "decision.confidence >= 0.8")
    async with running(contract("pages"), COMMANDS, strict, watching, GUARD) as harness:
        await edit(harness, WITHOUT_PAGE)
        assert schema_ready(harness) == ("True", "OK")
        assert harness.binding().not_applicable == {"block-page": ("watch",)}


async def test_without_a_registry_a_breaking_schema_reaches_no_gate_either_and_another_one_does() -> None:
    async with running(*NAMESPACE, prepare=without_registry) as harness:
        assert judged_by(harness) == sha256_hex(SCHEMA.encode())
        await edit(harness, WITHOUT_PAGE)
        assert schema_ready(harness) == ("False", "BreaksPolicies")
        assert judged_by(harness) == sha256_hex(SCHEMA.encode())
        await edit(harness, WITH_BOTH)
        assert schema_ready(harness) == ("Unknown", "RegistryUnavailable")
        assert judged_by(harness) == sha256_hex(WITH_BOTH.encode())


async def test_what_was_edited_while_no_operator_ran_waits_until_the_log_is_read() -> None:
    async with running(*NAMESPACE) as harness:
        await harness.controller.stop()
        harness.cluster.put(edited(harness.get(COMMANDS), WITHOUT_PAGE))
        harness.controller = harness.new_controller()
        harness.controller.add(key_of(COMMANDS))
        for resource in NAMESPACE:
            harness.controller.changed(key_of(resource))
        await harness.controller.start()
        harness.controller.caches_complete()
        await harness.settle()
        assert schema_ready(harness) == ("False", "BreaksPolicies")
        assert [known.definition for known in harness.registry.versions[SUBJECT]] == [SCHEMA]
        assert judged_by(harness) == sha256_hex(SCHEMA.encode())


# --- the registry (X12) ----------------------------------------------------------------------------------------------


def that_refuses(harness: Harness) -> None:
    """Let the registry hold a schema already that the contract's first one is not compatible with."""
    harness.registry.versions[SUBJECT] = [SubjectSchema(SUBJECT, 1, 1, SCHEMA, "BACKWARD")]
    harness.registry.levels[SUBJECT] = "BACKWARD"


async def test_x12_a_first_schema_that_the_registry_refuses_reaches_no_gate_and_the_agent_says_why() -> None:
    commands = contract("commands", schema={"schema": DEMANDING})
    async with running(contract("pages"), commands, STRICT, GUARD, prepare=that_refuses) as harness:
        assert schema_ready(harness) == ("False", "InvalidSchema")
        assert conditions_of(harness.get(GUARD))["TopicsReady"] == ("False", "RefNotReady")
        assert message(harness.get(GUARD), "TopicsReady") == (
            "the schema of the TopicContract 'commands' may not reach a gate: InvalidSchema: could not register the "
            "schema: a new required property was added"
        )
        assert all(b"binding/guard" not in topic for topic in harness.log.topics.values())
        assert harness.cluster.workloads == {}
        await edit(harness, SCHEMA)
        assert judged_by(harness) == sha256_hex(SCHEMA.encode())
        assert conditions_of(harness.get(GUARD))["TopicsReady"] == ("True", "OK")


NEWCOMER = agent("newcomer")


async def test_x12_an_agent_that_comes_while_a_new_schema_is_refused_is_judged_by_the_one_in_force() -> None:
    async with running(*NAMESPACE) as harness:
        await edit(harness, DEMANDING)
        assert schema_ready(harness) == ("False", "InvalidSchema")
        harness.put(NEWCOMER)
        await harness.settle()
        assert conditions_of(harness.get(NEWCOMER))["TopicsReady"] == ("True", "OK")
        assert harness.binding("newcomer").decisions == harness.binding().decisions
        assert judged_by(harness) == sha256_hex(SCHEMA.encode())
        await edit(harness, WITH_BOTH)
        assert harness.binding("newcomer").decisions["block-page"].schema_sha256 == sha256_hex(WITH_BOTH.encode())


async def test_x01_an_agent_that_comes_while_a_new_schema_breaks_policies_is_judged_by_the_one_in_force() -> None:
    async with running(*NAMESPACE) as harness:
        await edit(harness, WITHOUT_PAGE)
        harness.put(NEWCOMER)
        await harness.settle()
        assert schema_ready(harness) == ("False", "BreaksPolicies")
        assert conditions_of(harness.get(NEWCOMER))["TopicsReady"] == ("True", "OK")
        assert harness.binding("newcomer").decisions["block-page"].schema_sha256 == sha256_hex(SCHEMA.encode())


async def test_x12_a_first_agent_is_judged_by_what_the_contract_has_registered_also_by_an_operator_that_is_new() -> (
    None
):
    async with running(contract("pages"), COMMANDS, STRICT) as harness:
        assert schema_ready(harness) == ("True", "OK")
        await edit(harness, DEMANDING)
        assert schema_ready(harness) == ("False", "InvalidSchema")
        await harness.controller.stop()
        harness.cluster.put(GUARD)
        harness.controller = harness.new_controller()
        for resource in NAMESPACE:
            harness.controller.changed(key_of(resource))
        await harness.controller.start()
        harness.controller.caches_complete()
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["TopicsReady"] == ("True", "OK")
        assert judged_by(harness) == sha256_hex(SCHEMA.encode())
