"""By which schema an agent's runtime judges its events while that of their contract is refused."""

from collections.abc import Mapping
from dataclasses import replace

from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.runtime_config import AgentInputs, InputTopic

from streamwarden_operator.desired.agents import ResolvedAgent, is_refused, is_taken


def keep_event_schemas(agent: ResolvedAgent, earlier: Mapping[str, str], *, has_registry: bool = True) -> ResolvedAgent:
    """Let events be judged by the schema last in force, for as long as the contract's new one is not taken.

    Where there is none, one that is refused judges nobody; before anybody has answered, the contract's own does.

    Args:
        agent: the agent, with the schemas that its contracts say now.
        earlier: by topic, the text of the schema that is registered, or that others are judged by.
        has_registry: whether a schema is taken only once it is registered.
    """
    topics, texts = dict(agent.inputs.topics), dict(agent.inputs.schemas)
    for contract in agent.contracts:
        topic, text = contract.spec.topic_name, earlier.get(contract.spec.topic_name)
        if topic not in agent.input_topics or is_taken(contract, has_registry=has_registry):
            continue
        if text is None and not is_refused(contract):
            continue
        sha256 = None if text is None else sha256_hex(text.encode())
        if text is not None and sha256 is not None:
            texts[sha256] = text
        topics[topic] = topics.get(topic, InputTopic()).model_copy(update={"schema_sha256": sha256})
    named = {shape.schema_sha256 for shape in topics.values()}
    return replace(
        agent,
        inputs=AgentInputs(
            topics={topic: shape for topic, shape in sorted(topics.items()) if shape != InputTopic()},
            schemas={sha256: text for sha256, text in texts.items() if sha256 in named},
        ),
    )
