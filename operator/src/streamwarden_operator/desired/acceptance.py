"""What the API server cannot see: checks that need a namespace, another resource, or an engine.

The same checks are made before anything is applied, by ``streamwarden dev`` and ``validate`` for a whole folder, and by
the reconcilers, which turn a refusal into ``Accepted=False``.
"""

import json
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from streamwarden_contract import names
from streamwarden_contract.errors import NameNotAllowedError
from streamwarden_contract.models import AgentDeployment, Condition, Policy, TopicContract
from streamwarden_contract.models.topic_contract import KEYLESS_AND_COMPACTED
from streamwarden_contract.reasons import ConditionReason
from streamwarden_judging.schema_faults import schema_faults

from streamwarden_operator.desired.claims import NO_CLAIMS, Claims, TopicClaim
from streamwarden_operator.desired.pod_fields import pod_faults
from streamwarden_operator.desired.rule_checks import RuleChecks, check_rules
from streamwarden_operator.desired.status import condition, true

ACCEPTED = "Accepted"
MAX_EVENT_SCHEMAS_BYTES = 960 * 1024
"""Kubernetes takes 1 MiB of data in a ConfigMap; the rest is for what else is in an agent's."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One field that is refused."""

    reason: ConditionReason
    field: str
    """Path as in the YAML: ``spec.access.producers[0]``."""
    message: str
    """A sentence for people; it does not repeat the field."""


def accepted(refusals: Sequence[Refusal]) -> Condition:
    """Build the condition that says whether a resource is accepted, and all that is wrong with it."""
    if not refusals:
        return true(ACCEPTED)
    message = "; ".join(f"{refusal.field}: {refusal.message}" for refusal in refusals)
    return condition(ACCEPTED, "False", refusals[0].reason, message)


def accept_contract(
    contract: TopicContract,
    others: Collection[TopicContract],
    agents: Collection[AgentDeployment],
    installation: str = names.SYSTEM,
    claims: Claims = NO_CLAIMS,
) -> list[Refusal]:
    """Return everything that is wrong with a contract; nothing where it is accepted.

    Args:
        contract: the contract.
        others: all contracts, of any namespace; ``contract`` may be among them.
        agents: all agents of its namespace: those of others cannot command it.
        installation: whose names nobody else may have.
        claims: of resources that exist beside those, and cannot be read.
    """
    commanding = sorted({*(agent.metadata.name for agent in agents if commands(agent, contract)), *claims.commanding})
    return [
        *_contract_names(contract, installation),
        *_config(contract),
        *_schema(contract),
        *_conflict(contract, others, claims.topics),
        *_ungoverned(contract, commanding),
        *_framed_commands(contract, commanding),
    ]


def accept_policy(policy: Policy, installation: str = names.SYSTEM, checks: RuleChecks | None = None) -> list[Refusal]:
    """Return everything that is wrong with a policy; nothing where it is accepted.

    Args:
        policy: the policy.
        installation: whose names nobody else may have.
        checks: its rules as checked for all that it covers; left out where that is not known.
    """
    refusals: list[Refusal] = []
    namespace = policy.metadata.namespace
    if namespace == names.SYSTEM:
        refusals.append(
            Refusal(
                ConditionReason.NOT_SUPPORTED,
                "metadata.namespace",
                f"policies for all namespaces (in the namespace {names.SYSTEM!r}) are not supported yet:"
                " put the policy into the namespace of its agents",
            )
        )
    else:
        refusals.extend(_name_refusal("metadata.namespace", names.check_namespace, namespace, installation))
    if checks is None and policy.spec.params_from is not None:
        return refusals  # nobody knows yet what its rules read
    found = checks or check_rules(policy.spec, ())
    if found.params_fault:
        refusals.append(Refusal(ConditionReason.INVALID_SPEC, "spec.params", found.params_fault))
    refusals += [
        Refusal(ConditionReason.INVALID_EXPRESSION, f"spec.rules[{index}].require", str(fault))
        for index, faults in found.refused.items()
        for fault in faults
    ]
    return refusals


def accept_agent(
    agent: AgentDeployment, contracts: Container[str], installation: str = names.SYSTEM, unread: Container[str] = ()
) -> list[Refusal]:
    """Return everything that is wrong with an agent; nothing where it is accepted.

    Args:
        agent: the agent.
        contracts: names of the contracts of the agent's namespace. A missing one may still come: ``RefNotFound``.
        installation: whose names nobody else may have.
        unread: names of the contracts there that exist and cannot be read: one that could be before is in both.
    """
    metadata = agent.metadata
    return [
        *_name_refusal("metadata.namespace", names.check_namespace, metadata.namespace, installation),
        *_name_refusal("metadata.name", names.check_agent_name, metadata.name),
        *(
            _unreadable_ref(path, name)
            if name in unread
            else Refusal(
                ConditionReason.REF_NOT_FOUND,
                path,
                f"there is no TopicContract {name!r} in the namespace {metadata.namespace!r}",
            )
            for path, name in topic_refs(agent)
            if name not in contracts
        ),
        *(Refusal(ConditionReason.INVALID_SPEC, f"spec.{field}", message) for field, message in pod_faults(agent.spec)),
    ]


def accept_event_schemas(
    agent: AgentDeployment, contracts: Collection[TopicContract], earlier: Mapping[str, str] = MappingProxyType({})
) -> list[Refusal]:
    """Refuse an agent whose events have more schemas than the ConfigMap of its pods may hold.

    Args:
        agent: the agent.
        contracts: all contracts, of any namespace.
        earlier: by topic, what events are judged by for as long as what the contract says now is not taken.
    """
    spec = agent.spec
    refs = {*(entry.topic_ref.name for entry in spec.inputs), *(outcome.topic_ref.name for outcome in spec.outcomes)}
    read = [
        contract
        for contract in contracts
        if contract.metadata.namespace == agent.metadata.namespace and contract.metadata.name in refs
    ]
    own = {each.metadata.name: each.spec.value_schema.definition for each in read if each.spec.value_schema is not None}
    in_force = {each.metadata.name: earlier[each.spec.topic_name] for each in read if each.spec.topic_name in earlier}
    texts = own | in_force
    # One that several say stands there once, as a JSON string: quotes count twice.
    sizes = {text: len(json.dumps(text, ensure_ascii=False).encode()) for text in texts.values()}
    types = sum(len(name) for entry in spec.inputs for name in entry.types)
    total = sum(sizes.values()) + types
    if total <= MAX_EVENT_SCHEMAS_BYTES:
        return []
    largest_first = sorted(texts, key=lambda name: (-sizes[texts[name]], name))
    listed = ", ".join(f"{name} ({sizes[texts[name]]})" for name in largest_first)
    message = (
        f"the schemas of what it reads take {total} bytes as JSON, and at most {MAX_EVENT_SCHEMAS_BYTES} go into the"
        f" ConfigMap of its pods: {listed}. Make schemas smaller, or let several agents read the topics"
    )
    return [Refusal(ConditionReason.INVALID_SPEC, "spec.inputs", message)]


def topic_refs(agent: AgentDeployment) -> Iterator[tuple[str, str]]:
    """Yield (field path, name of the TopicContract) for every topic that the agent refers to."""
    spec = agent.spec
    for index, entry in enumerate(spec.inputs):
        yield f"spec.inputs[{index}].topicRef.name", entry.topic_ref.name
    for index, outcome in enumerate(spec.outcomes):
        yield f"spec.outcomes[{index}].topicRef.name", outcome.topic_ref.name
    for index, decision in enumerate(spec.decisions):
        yield f"spec.decisions[{index}].commandTopicRef.name", decision.command_topic_ref.name


def commands(agent: AgentDeployment, contract: TopicContract) -> bool:
    """Tell whether allowed decisions of the agent go to the contract's topic."""
    return agent.metadata.namespace == contract.metadata.namespace and any(
        decision.command_topic_ref.name == contract.metadata.name for decision in agent.spec.decisions
    )


def _unreadable_ref(path: str, name: str) -> Refusal:
    message = f"this version of the operator cannot read the TopicContract {name!r}; an Event of it says why"
    return Refusal(ConditionReason.REF_NOT_READY, path, message)


def _name_refusal(field: str, check: Callable[..., None], *checked: str) -> Iterator[Refusal]:
    try:
        check(*checked)
    except NameNotAllowedError as error:
        yield Refusal(ConditionReason.NAME_NOT_ALLOWED, field, str(error))


def _contract_names(contract: TopicContract, installation: str) -> Iterator[Refusal]:
    namespace, spec = contract.metadata.namespace, contract.spec
    yield from _name_refusal("metadata.namespace", names.check_namespace, namespace, installation)
    yield from _name_refusal("spec.topicName", names.check_topic_name, namespace, spec.topic_name, installation)
    for field, principals in (("producers", spec.access.producers), ("consumers", spec.access.consumers)):
        for index, principal in enumerate(principals):
            path = f"spec.access.{field}[{index}]"
            yield from _name_refusal(path, names.check_external_principal, principal, installation)


def _config(contract: TopicContract) -> Iterator[Refusal]:
    """Refuse what Kafka takes and nobody could then write to."""
    spec = contract.spec
    cleanup = str(spec.config.get("cleanup.policy", ""))
    if spec.key == "None" and "compact" in [part.strip() for part in cleanup.split(",")]:
        # The API server refuses it too, but not what was stored before it did.
        yield Refusal(ConditionReason.INVALID_SPEC, "spec.key", KEYLESS_AND_COMPACTED)
    demanded = str(spec.config.get("min.insync.replicas", ""))
    if spec.replicas is not None and demanded.isdecimal() and int(demanded) > spec.replicas:
        yield Refusal(
            ConditionReason.INVALID_SPEC,
            "spec.replicas",
            f"{spec.replicas} can never be the {demanded} replicas in sync that min.insync.replicas demands:"
            " no record would be taken",
        )


def _schema(contract: TopicContract) -> Iterator[Refusal]:
    if contract.spec.value_schema is None:
        return
    for message in schema_faults(contract.spec.value_schema.definition):
        yield Refusal(ConditionReason.INVALID_SCHEMA, "spec.schema.schema", message)


def _conflict(
    contract: TopicContract, others: Collection[TopicContract], unread: Collection[TopicClaim]
) -> Iterator[Refusal]:
    """Refuse all claims on a topic but the oldest; resources of one age are distinguished by name.

    Only claims of the own namespace count: another namespace's would be refused by its name, and must not win here.
    """
    metadata = contract.metadata
    age = (metadata.creation_timestamp, metadata.name)
    claims = [*unread, *(TopicClaim(other.metadata, other.spec.topic_name) for other in others)]
    older = [
        claim.metadata.name
        for claim in claims
        if claim.metadata.namespace == metadata.namespace
        and claim.topic == contract.spec.topic_name
        and (claim.metadata.creation_timestamp, claim.metadata.name) < age
    ]
    if older:
        yield Refusal(
            ConditionReason.RESOURCE_CONFLICT,
            "spec.topicName",
            f"the TopicContract {min(older)!r} already claims the topic {contract.spec.topic_name!r}",
        )


def _framed_commands(contract: TopicContract, commanding: Sequence[str]) -> Iterator[Refusal]:
    if contract.spec.framing != "None" and commanding:
        yield Refusal(
            ConditionReason.INVALID_SPEC,
            "spec.framing",
            f"the topic holds the commands of {', '.join(commanding)}, and gates write plain JSON: leave it out",
        )


def _ungoverned(contract: TopicContract, commanding: Sequence[str]) -> Iterator[Refusal]:
    if contract.spec.access.producers and commanding:
        yield Refusal(
            ConditionReason.UNGOVERNED_PRODUCER,
            "spec.access.producers",
            f"the topic holds the commands of {', '.join(commanding)}, and only gates may write those:"
            " remove the producers, or use another topic",
        )
