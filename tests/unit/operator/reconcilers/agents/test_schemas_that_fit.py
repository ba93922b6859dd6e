"""An agent whose events have more schemas than a ConfigMap holds is refused, and goes on as it was."""

from __future__ import annotations

import json

from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.topic_contract import TopicSchema
from support.operator_harness import agent, conditions_of, contract, running, whole_namespace


async def test_f03_an_edit_to_more_schemas_than_a_config_map_holds_is_refused_and_changes_no_pod() -> None:
    names = [f"in{number}" for number in range(11)]
    schemas = {name: json.dumps({"title": name, "description": '"' * 27_440}) for name in names}
    contracts = [contract(name, schema={"schemaType": "JSON", "schema": text}) for name, text in schemas.items()]
    made = agent().model_dump(by_alias=True, mode="json")
    made["metadata"]["generation"] = 2
    made["spec"]["inputs"] = [{"name": name, "topicRef": {"name": name}} for name in names]
    async with running(*whole_namespace(), *contracts) as harness:
        before = dict(harness.cluster.workloads)
        harness.put(AgentDeployment.model_validate(made))
        await harness.settle()
        assert conditions_of(harness.get(agent()))["Accepted"] == ("False", "InvalidSpec")
        assert harness.cluster.workloads == before


async def test_m08_earlier_schemas_and_new_ones_must_fit_together_while_contracts_roll() -> None:
    """The registry refuses the smaller schemas of eight contracts: events of three more do not fit beside the old."""
    names = [f"in{number}" for number in range(11)]
    large = {name: {"title": name, "description": '"' * 27_440} for name in names}
    contracts = {name: contract(name, schema={"schema": json.dumps(large[name])}) for name in names}
    made = agent().model_dump(by_alias=True, mode="json")
    made["spec"]["inputs"] = [{"name": name, "topicRef": {"name": name}} for name in names[:8]]
    async with running(*whole_namespace(), AgentDeployment.model_validate(made), *contracts.values()) as harness:
        assert conditions_of(harness.get(agent()))["Accepted"] == ("True", "OK")
        before = dict(harness.cluster.workloads)
        for name in names[:8]:
            incompatible = TopicSchema.model_validate({"schema": json.dumps({"title": name, "required": ["x"]})})
            found = harness.get(contracts[name])
            metadata = found.metadata.model_copy(update={"generation": found.metadata.generation + 1})
            spec = found.spec.model_copy(update={"value_schema": incompatible})
            harness.put(found.model_copy(update={"metadata": metadata, "spec": spec}))
        await harness.settle()
        assert conditions_of(harness.get(agent()))["Accepted"] == ("True", "OK")
        made["metadata"]["generation"] = 2
        made["spec"]["inputs"] = [{"name": name, "topicRef": {"name": name}} for name in names]
        harness.put(AgentDeployment.model_validate(made))
        await harness.settle()
        assert conditions_of(harness.get(agent()))["Accepted"] == ("False", "InvalidSpec")
        assert harness.cluster.workloads == before
