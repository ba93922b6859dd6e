"""An agent resolved: all names, topics and decision types that it and its contracts say, computed once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_contract.models.agent_deployment import DecisionTarget
from streamwarden_contract.models.durations import parse_duration
from streamwarden_contract.names import AgentNames
from streamwarden_contract.policylog import DEFAULT_EXPIRY, BindingRecord, CommandTarget, SchemaRecord
from streamwarden_contract.reasons import ConditionReason
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic

from streamwarden_operator.desired.acceptance import topic_refs
from streamwarden_operator.desired.status import find_condition, is_true

SCHEMA_READY = "SchemaReady"
"""The condition of a contract that says whether its schema is registered."""


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
    agent: ResolvedAgent,
    published: BindingRecord | None,
    schemas: Mapping[str, SchemaRecord],
    *,
    earlier: Mapping[str, str] | None = None,
    has_registry: bool = True,
) -> ResolvedAgent:
    """Let gates judge by the schema last in force, for as long as the contract's new one is not taken.

    Args:
        agent: the agent, with the schemas that its contracts say now.
        published: its binding as published.
        schemas: the schemas on the log, by SHA-256.
        earlier: by topic, the text of the schema that others are judged by: a type that is new begins with it.
        has_registry: whether a schema is taken only once it is registered.
    """
    targets, texts = dict(agent.targets), dict(agent.schemas)
    contracts = _by_topic(agent)
    known_texts = {sha256: record.definition for sha256, record in schemas.items()}
    known_texts |= {sha256_hex(text.encode()): text for text in (earlier or {}).values()}
    for decision_type, known in _in_force(agent, published, schemas, earlier or {}).items():
        if is_taken(contracts[known.topic], has_registry=has_registry):
            continue
        if known.schema_sha256 is not None:
            texts[known.schema_sha256] = known_texts[known.schema_sha256]
        targets[decision_type] = targets[decision_type].model_copy(update={"schema_sha256": known.schema_sha256})
    named = {target.schema_sha256 for target in targets.values()}
    return replace(agent, targets=targets, schemas={sha256: text for sha256, text in texts.items() if sha256 in named})


def awaited_schemas(
    agent: ResolvedAgent,
    published: BindingRecord | None,
    schemas: Mapping[str, SchemaRecord],
    *,
    earlier: Mapping[str, str] | None = None,
    has_registry: bool = True,
) -> tuple[TopicContract, ...]:
    """Return the contracts of commands whose first schema may not reach a gate (yet), and before which there is none.

    While the registry does not answer nobody waits for it: a schema that nobody has refused is better than none.

    Args:
        agent: the agent, with the schemas that its contracts say now.
        published: its binding as published.
        schemas: the schemas on the log, by SHA-256.
        earlier: by topic, the text of the schema that others are judged by.
        has_registry: whether a schema is taken only once it is registered.
    """
    known, contracts = _in_force(agent, published, schemas, earlier or {}), _by_topic(agent)
    first = dict.fromkeys(target.topic for decision_type, target in agent.targets.items() if decision_type not in known)
    return tuple(
        contracts[topic]
        for topic in first
        if contracts[topic].spec.value_schema is not None
        and not is_taken(contracts[topic], has_registry=has_registry)
        and not _is_unanswered(contracts[topic])
    )


def is_taken(contract: TopicContract, *, has_registry: bool) -> bool:
    """Tell whether gates may judge by the schema that the contract says now: it is accepted, and registered.

    Args:
        contract: the contract.
        has_registry: without a registry it is enough that the schema is accepted.
    """
    if not has_registry and _is_unanswered(contract):
        return True
    status = contract.status
    return status.observed_generation == contract.metadata.generation and is_true(status.conditions, SCHEMA_READY)


def is_refused(contract: TopicContract) -> bool:
    """Tell whether this very schema was looked at, and is not to be judged by."""
    found = find_condition(contract.status.conditions, SCHEMA_READY)
    seen = contract.status.observed_generation == contract.metadata.generation
    return seen and found is not None and found.status == "False" and not _is_unanswered(contract)


def _is_unanswered(contract: TopicContract) -> bool:
    """Tell whether all that this very schema lacks is a registry that answers."""
    found = find_condition(contract.status.conditions, SCHEMA_READY)
    seen = contract.status.observed_generation == contract.metadata.generation
    return seen and found is not None and found.reason == ConditionReason.REGISTRY_UNAVAILABLE


def _by_topic(agent: ResolvedAgent) -> dict[str, TopicContract]:
    return {contract.spec.topic_name: contract for contract in agent.contracts}


def _in_force(
    agent: ResolvedAgent,
    published: BindingRecord | None,
    schemas: Mapping[str, SchemaRecord],
    earlier: Mapping[str, str],
) -> dict[str, CommandTarget]:
    """Return as published the decisions that go to the same topic, and that have a schema (or none) to judge by.

    Of others, those that go to a topic with an earlier schema.
    """
    others = {
        decision_type: target.model_copy(update={"schema_sha256": sha256_hex(earlier[target.topic].encode())})
        for decision_type, target in agent.targets.items()
        if target.topic in earlier
    }
    return others | {
        decision_type: known
        for decision_type, known in (published.decisions if published is not None else {}).items()
        if decision_type in agent.targets
        and agent.targets[decision_type].topic == known.topic
        and (known.schema_sha256 is None or known.schema_sha256 in schemas)
    }


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
