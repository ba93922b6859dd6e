"""An agent resolved: all names, topics and decision types that it and its contracts say, computed once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_contract.models.agent_deployment import DecisionTarget
from streamwarden_contract.models.durations import parse_duration
from streamwarden_contract.names import AgentNames
from streamwarden_contract.policylog import DEFAULT_EXPIRY, BindingRecord, CommandTarget, SchemaRecord
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic

from streamwarden_operator.desired.acceptance import topic_refs
from streamwarden_operator.desired.status import is_true


@dataclass(frozen=True, slots=True)
class ResolvedAgent:
    """An accepted agent with everything that it refers to: no lookups happen below."""

    resource: AgentDeployment
    names: AgentNames
    """Its topics, principals and groups."""
    contracts: tuple[TopicContract, ...]
    """Those that it refers to, each once, in the order of its spec."""
    sources: tuple[SourceTopic, ...]
    """What it reads, inputs before outcomes, as its runtime gets it."""
    input_topics: tuple[str, ...]
    """Topics of its inputs and outcomes, sorted, each once."""
    targets: Mapping[str, CommandTarget]
    """Where its decisions go, by decision type, in the order of its spec."""
    command_topics: tuple[str, ...]
    """Topics of its commands, sorted, each once."""
    schemas: Mapping[str, str]
    """Text by SHA-256, of each schema that ``targets`` names."""
    inputs: AgentInputs
    """What the contracts of ``sources`` say of their events, as far as they say anything."""


def resolve_agent(agent: AgentDeployment, contracts: Mapping[str, TopicContract]) -> ResolvedAgent:
    """Resolve an agent whose contracts all exist.

    Args:
        agent: the agent.
        contracts: the contracts of its namespace, by name.
    """
    sources = _sources(agent, contracts)
    schemas: dict[str, str] = {}
    targets: dict[str, CommandTarget] = {}
    for decision in agent.spec.decisions:
        spec, sha256 = contracts[decision.command_topic_ref.name].spec, None
        if spec.value_schema is not None:
            sha256 = sha256_hex(spec.value_schema.definition.encode())
            schemas[sha256] = spec.value_schema.definition
        targets[decision.type] = CommandTarget(
            topic=spec.topic_name,
            keyed=spec.key == "Entity",
            schema_sha256=sha256,
            expires_after_ms=_expiry_ms(decision),
        )
    return ResolvedAgent(
        resource=agent,
        names=AgentNames(agent.metadata.namespace, agent.metadata.name),
        contracts=tuple(contracts[name] for name in dict.fromkeys(name for _, name in topic_refs(agent))),
        sources=sources,
        input_topics=tuple(sorted({source.topic for source in sources})),
        targets=targets,
        command_topics=tuple(sorted({target.topic for target in targets.values()})),
        schemas=schemas,
        inputs=_inputs(sources, contracts),
    )


def _expiry_ms(decision: DecisionTarget) -> int | None:
    """Return what the binding says, and nothing where it is what gates do by themselves: older ones do not know it."""
    expiry = parse_duration(decision.expires_after)
    return None if expiry == DEFAULT_EXPIRY else int(expiry.total_seconds() * 1000)


def keep_schemas(
    agent: ResolvedAgent, published: BindingRecord | None, schemas: Mapping[str, SchemaRecord]
) -> ResolvedAgent:
    """Let gates judge by the schema last in force, for as long as the registry has not taken the contract's new one.

    Args:
        agent: the agent, with the schemas that its contracts say now.
        published: its binding as published.
        schemas: the schemas on the log, by SHA-256.
    """
    targets, texts = dict(agent.targets), dict(agent.schemas)
    contracts = {contract.spec.topic_name: contract for contract in agent.contracts}
    for decision_type, known in (published.decisions if published is not None else {}).items():
        target = targets.get(decision_type)
        if target is None or target.topic != known.topic or _is_registered(contracts[target.topic]):
            continue
        if known.schema_sha256 is not None:
            if known.schema_sha256 not in schemas:
                continue  # nowhere to be had: nothing could judge by it
            texts[known.schema_sha256] = schemas[known.schema_sha256].definition
        targets[decision_type] = target.model_copy(update={"schema_sha256": known.schema_sha256})
    named = {target.schema_sha256 for target in targets.values()}
    return replace(agent, targets=targets, schemas={sha256: text for sha256, text in texts.items() if sha256 in named})


def _is_registered(contract: TopicContract) -> bool:
    """Tell whether the schema that the contract says now is the registry's."""
    status = contract.status
    return status.observed_generation == contract.metadata.generation and is_true(status.conditions, "SchemaReady")


def _sources(agent: AgentDeployment, contracts: Mapping[str, TopicContract]) -> tuple[SourceTopic, ...]:
    inputs = (
        SourceTopic(name=entry.name, topic=contracts[entry.topic_ref.name].spec.topic_name, types=entry.types)
        for entry in agent.spec.inputs
    )
    outcomes = (
        SourceTopic(name=entry.name, topic=contracts[entry.topic_ref.name].spec.topic_name, outcome=True)
        for entry in agent.spec.outcomes
    )
    return (*inputs, *outcomes)


def _inputs(sources: Iterable[SourceTopic], contracts: Mapping[str, TopicContract]) -> AgentInputs:
    topics: dict[str, InputTopic] = {}
    schemas: dict[str, str] = {}
    by_topic = {contract.spec.topic_name: contract.spec for contract in contracts.values()}
    for topic in sorted({source.topic for source in sources}):
        spec, sha256 = by_topic[topic], None
        if spec.value_schema is not None:
            sha256 = sha256_hex(spec.value_schema.definition.encode())
            schemas[sha256] = spec.value_schema.definition
        shape = InputTopic(event_type=spec.event_type, framing=spec.framing, schema_sha256=sha256)
        if shape != InputTopic():
            topics[topic] = shape
    return AgentInputs(topics=topics, schemas=schemas)
