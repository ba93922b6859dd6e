"""Events of agents are judged by the schema that is registered, whatever their contract says since (X12)."""

from __future__ import annotations

import json

from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.topic_contract import TopicSchema
from streamwarden_contract.runtime_config import AgentInputs
from support.operator_harness import SCHEMA, Harness, agent, conditions_of, contract, policy, running

DEMANDING = json.dumps({"type": "object", "properties": {"page": {"type": "string"}}, "required": ["page"]})
WITH_BOTH = json.dumps({"type": "object", "properties": {"site": {"type": "string"}, "page": {"type": "string"}}})
PAGES = contract("pages", schema={"schema": SCHEMA})


async def edit(harness: Harness, schema: str) -> None:
    found = harness.get(PAGES)
    metadata = found.metadata.model_copy(update={"generation": found.metadata.generation + 1})
    spec = found.spec.model_copy(update={"value_schema": TopicSchema.model_validate({"schema": schema})})
    harness.put(found.model_copy(update={"metadata": metadata, "spec": spec}))
    await harness.settle()


def judged_by(harness: Harness) -> tuple[str | None, dict[str, str]]:
    """Return the digest that the agent's runtime is told for the topic, and all texts."""
    (workload,) = harness.cluster.workloads.values()
    inputs = AgentInputs.model_validate_json(workload.agent_inputs)
    return inputs.topics[PAGES.spec.topic_name].schema_sha256, dict(inputs.schemas)


def only(schema: str) -> tuple[str, dict[str, str]]:
    sha256 = sha256_hex(schema.encode())
    return sha256, {sha256: schema}


async def test_x12_a_schema_that_the_registry_refuses_reaches_no_runtime_and_the_next_good_one_does() -> None:
    async with running(PAGES, contract("commands"), policy("strict"), agent()) as harness:
        assert judged_by(harness) == only(SCHEMA)
        await edit(harness, DEMANDING)
        assert conditions_of(harness.get(PAGES))["SchemaReady"] == ("False", "InvalidSchema")
        assert judged_by(harness) == only(SCHEMA)
        await edit(harness, WITH_BOTH)
        assert judged_by(harness) == only(WITH_BOTH)
