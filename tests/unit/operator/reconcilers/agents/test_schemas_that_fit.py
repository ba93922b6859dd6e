"""An agent whose events have more schemas than a ConfigMap holds is refused, and goes on as it was."""

from __future__ import annotations

import json

from streamwarden_contract.models import AgentDeployment
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
