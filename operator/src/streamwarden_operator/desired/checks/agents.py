"""Where an agent stands: the conditions TopicsReady, GateReady and Ready."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from streamwarden_contract.acks import GateAck
from streamwarden_contract.models import TopicContract
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.models.base import ConditionStatus
from streamwarden_contract.policylog import BindingRecord, PolicyRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.agents import SCHEMA_READY, ResolvedAgent
from streamwarden_operator.desired.checks.chain import Finding, held_back, unpublished
from streamwarden_operator.desired.held_back import TooNew
from streamwarden_operator.desired.policy_log import DesiredBinding
from streamwarden_operator.desired.status import find_condition, is_true
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.ports import Topic, WorkloadState

TOPICS_READY = "TopicsReady"
ACCESS_READY = "AccessReady"
GATE_READY = "GateReady"
READY = "Ready"


def is_asleep(agent: AgentDeploymentStatus) -> bool:
    """Tell whether an agent is at zero, by its own status."""
    found = find_condition(agent.conditions, GATE_READY)
    return found is not None and found.reason == ConditionReason.SCALED_TO_ZERO


# --- Accepted --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AcceptedAgent:
    """An accepted agent's published binding, the policies that it names, and what of its spec has no effect."""

    binding: BindingRecord | None
    policies: Mapping[str, PolicyRecord]
    """As published, by name."""
    skips_refused: str = ""
    """Which requested ranges are not passed over, and why."""


def a_skip_is_refused(agent: AcceptedAgent) -> Finding | None:
    if not agent.skips_refused:
        return None
    return Finding("True", ConditionReason.SKIP_REFUSED, f"not skipped: {agent.skips_refused}")


def policies_are_not_applicable(agent: AcceptedAgent) -> Finding | None:
    apart = agent.binding.not_applicable if agent.binding is not None else {}
    if not apart:
        return None
    said = ", ".join(f"{', '.join(names)} to {decision_type}" for decision_type, names in sorted(apart.items()))
    message = f"policies are not applicable: {said}; their own conditions say why. Under an Enforce policy this denies"
    return Finding("True", ConditionReason.POLICY_NOT_APPLICABLE, message)


def nothing_lets_a_decision_through(agent: AcceptedAgent) -> Finding | None:
    if agent.binding is None:
        return None
    specs = [agent.policies[ref.name].spec for ref in agent.binding.policies if ref.name in agent.policies]
    enforced = [spec.match.decisions for spec in specs if spec.failure_action == "Enforce"]
    bare = [kind for kind in agent.binding.decisions if not any(not some or kind in some for some in enforced)]
    if not bare:
        return None
    message = f"no Enforce policy covers {', '.join(sorted(bare))}: denied (NoPolicy)"
    return Finding("True", ConditionReason.NOT_COVERED, message)


ACCEPTANCE = (a_skip_is_refused, policies_are_not_applicable, nothing_lets_a_decision_through)


# --- TopicsReady -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentTopics:
    """An agent's topics as observed."""

    agent: ResolvedAgent
    observed: Mapping[str, Topic]
    log_read: bool
    """Whether the namespace's policy log has been read."""
    binding: BindingRecord | None
    """As published."""
    awaited: tuple[TopicContract, ...] = ()
    """Contracts whose first schema may not reach a gate (yet)."""
    lost: str = ""
    """Which shared topics are lost, and how people end it; empty where none is."""
    weak: str = ""
    """Which shared topics have too few replicas."""

    @property
    def shared_ready(self) -> bool:
        """Whether everything is there that the agents of the namespace share."""
        shared = self.agent.names.shared
        needed = (shared.audit, shared.dead_letters, shared.policies, shared.gates)
        return self.log_read and all(topic in self.observed for topic in needed)


def a_contract_has_no_topic(agent: ResolvedAgent) -> Finding | None:
    for contract in agent.contracts:
        if not is_true(contract.status.conditions, "TopicReady"):
            message = f"the TopicContract {contract.metadata.name!r} has no topic yet; its own status says why"
            return Finding("False", ConditionReason.REF_NOT_READY, message)
    return None


def a_shared_topic_is_lost(topics: AgentTopics) -> Finding | None:
    return Finding("False", ConditionReason.SHARED_TOPIC_LOST, topics.lost) if topics.lost else None


def shared_topics_have_too_few_replicas(topics: AgentTopics) -> Finding | None:
    """Find that less is safe than the settings say: all works, and somebody should know."""
    if not topics.weak:
        return None
    advice = "Kafka's kafka-reassign-partitions.sh gives them more"
    return Finding("True", ConditionReason.TOO_FEW_REPLICAS, f"{topics.weak}. {advice}")


def shared_topics_are_being_made(topics: AgentTopics) -> Finding | None:
    if topics.shared_ready:
        return None
    if topics.weak:
        return Finding("False", ConditionReason.TOO_FEW_REPLICAS, topics.weak)
    message = f"the topics that the agents of {topics.agent.names.namespace!r} share are being made"
    return Finding("False", ConditionReason.PENDING, message)


def an_input_topic_is_missing(topics: AgentTopics) -> Finding | None:
    missing = sorted(name for name in topics.agent.input_topics if name not in topics.observed)
    if not missing:
        return None
    return Finding("False", ConditionReason.REF_NOT_READY, f"the topics {', '.join(missing)} are not there")


def a_first_schema_is_not_taken(topics: AgentTopics) -> Finding | None:
    for contract in topics.awaited:
        seen = contract.status.observed_generation == contract.metadata.generation
        found = find_condition(contract.status.conditions, SCHEMA_READY) if seen else None
        why = f"{found.reason}: {found.message}" if found is not None else "it is not known yet"
        message = f"the schema of the TopicContract {contract.metadata.name!r} may not reach a gate: {why}"
        return Finding("False", ConditionReason.REF_NOT_READY, message)
    return None


def the_decision_topic_is_another_one(topics: AgentTopics) -> Finding | None:
    """Find a decision topic that vanished or was made anew: its undecided records are lost."""
    binding, decisions = topics.binding, topics.observed.get(topics.agent.names.decisions)
    if binding is None or (decisions is not None and decisions.topic_id == binding.decision_topic.topic_id):
        return None
    what = "was deleted and made again" if decisions is not None else "was deleted"
    message = (
        f"the decision topic {binding.decision_topic.name!r} {what}: its records and the gate's place in them are "
        "lost. To begin anew, delete this AgentDeployment and make it again"
    )
    return Finding("False", ConditionReason.OFFSETS_LOST, message)


CONTRACTS = (a_contract_has_no_topic,)
"""Asked before Kafka is."""
TOPICS = (
    a_shared_topic_is_lost,
    shared_topics_are_being_made,
    an_input_topic_is_missing,
    the_decision_topic_is_another_one,
    a_first_schema_is_not_taken,
)
TOPICS_HOLD = (shared_topics_have_too_few_replicas,)


# --- AccessReady -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentPasswords:
    """The passwords of an agent's users, and the pods that go by them."""

    beside: Mapping[str, Collection[str]]
    """By user: mechanisms by which another password than its Secret's lets it in."""
    pods: WorkloadState


def pods_go_by_earlier_passwords(found: AgentPasswords) -> Finding | None:
    """Find a rotation that has not come to its end; all works meanwhile."""
    if not found.beside or not found.pods.outdated:
        return None
    message = (
        f"the users {', '.join(sorted(found.beside))} have new passwords; those of before are valid until all pods"
    )
    return Finding("True", ConditionReason.CREDENTIALS_ROTATING, f"{message} of before have ended")


ACCESS = (pods_go_by_earlier_passwords,)


# --- GateReady -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentBinding:
    """What an agent's gates must have, and what is published of it."""

    wanted: DesiredBinding
    published: BindingRecord | None
    withheld: tuple[str, ...]
    """Policies without a good revision that keep the agent from a new binding."""
    outage: OperatorError | None
    """Why the log cannot be written."""
    too_new: TooNew | None = None
    """Why it, or a policy of it, is held back for gates that run."""

    @property
    def stands(self) -> bool:
        """Whether gates have all that the agent needs now: what they do not know yet may come later."""
        published, all_of_it = self.published, self.too_new is None
        return published is not None and self.wanted.describes(published, newer_fields=all_of_it)


def policies_are_withheld(binding: AgentBinding) -> Finding | None:
    if not binding.withheld:
        return None
    message = (
        f"the policies {', '.join(binding.withheld)} select this agent and have never been valid: until they are "
        "mended or deleted it keeps its last binding, or judges nothing"
    )
    return Finding("False", ConditionReason.INVALID_EXPRESSION, message)


def older_gates_keep_it_back(binding: AgentBinding) -> Finding | None:
    """Find a binding that says more than what older gates do not know: its pods cannot be replaced before it is there.

    Where nothing else is new the agent goes on by its last binding, and new pods are what ends the waiting.
    """
    if binding.too_new is None or binding.stands:
        return None
    found = held_back(binding.too_new)
    if found.reason != ConditionReason.GATES_TOO_OLD:
        return found
    advice = "Its other changes need the binding too, so no pod of this agent is replaced before: leave those fields "
    return replace(found, message=f"{found.message}. {advice}out until its image is a newer one")


def the_binding_is_not_published(binding: AgentBinding) -> Finding | None:
    if binding.stands:
        return None
    if binding.outage is not None:
        return unpublished(binding.outage)
    return Finding("False", ConditionReason.PENDING, "the agent's binding is about to be published")


BINDING = (policies_are_withheld, older_gates_keep_it_back, the_binding_is_not_published)


@dataclass(frozen=True, slots=True)
class GateReplacement:
    """Gates that run, and what new ones in their place could not do."""

    pods: Collection[str] | None
    """Names of the agent's pods; None where they are not known."""
    gates: Collection[GateAck]
    cannot_run: Mapping[str, Sequence[str]]
    """By Enforce policy that binds the agent: rules that gates of this version cannot compile."""


def gates_in_place_can_do_more(found: GateReplacement) -> Finding | None:
    """Find rules that running gates judge by, and that would deny everything at new ones: pods stay as they are."""
    new = {ack.pod for ack in found.gates if ack.reason == ConditionReason.INVALID_EXPRESSION}
    if not found.cannot_run or (found.pods is not None and new.issuperset(found.pods)):
        return None
    said = "; ".join(f"policy {name!r} ({rules[0]})" for name, rules in sorted(found.cannot_run.items()))
    message = f"pods are not replaced: new gates could not run what is in force, and would deny: {said}. Mend it first"
    return Finding("False", ConditionReason.UNTYPED_RULES, message)


REPLACEMENT = (gates_in_place_can_do_more,)


@dataclass(frozen=True, slots=True)
class AgentGates:
    """An agent's running gates, by what they said last."""

    gates: Collection[GateAck]
    asleep: bool = False
    """Whether no pod is wanted; then no gate is missing."""
    too_new: TooNew | None = None
    """Why something is held back for gates that run."""


def no_gate_is_wanted(found: AgentGates) -> Finding | None:
    if not found.asleep:
        return None
    return Finding("True", ConditionReason.SCALED_TO_ZERO, "no pod is wanted as long as there is no lag")


HALTED = frozenset({"TooManySkips", "TargetRefused"})
"""What a gate says where it halts a partition on purpose, and people may let it go on."""


def a_gate_refuses_its_policies(found: AgentGates) -> Finding | None:
    gate = next((ack for ack in found.gates if ack.state == "Rejected"), None)
    if gate is None:
        return None
    if gate.reason in HALTED:
        message = (
            f"gate {gate.pod} is halted: {gate.message or gate.reason}. To pass over it, unjudged: "
            f"streamwarden gate skip {gate.namespace}/{gate.agent} --partition P --to OFFSET --reason TEXT"
        )
        return Finding("False", ConditionReason.REJECTED_BY_GATE, message)
    message = f"gate {gate.pod} refuses its policies: {gate.message or gate.reason}"
    return Finding("False", ConditionReason.REJECTED_BY_GATE, message)


_NOT_COMPILED = (ConditionReason.INVALID_SCHEMA, ConditionReason.INVALID_EXPRESSION)


def gates_are_too_old(found: AgentGates) -> Finding | None:
    return None if found.too_new is None else held_back(found.too_new)


def a_gate_denies_what_does_not_compile(found: AgentGates) -> Finding | None:
    """Find a gate whose set is in force, but for decision types that it cannot judge and denies."""
    gate = next((ack for ack in found.gates if ack.state == "InForce" and ack.reason in _NOT_COMPILED), None)
    if gate is None:
        return None
    message = f"gate {gate.pod} denies some decisions: {gate.message or gate.reason}"
    return Finding("False", ConditionReason.REJECTED_BY_GATE, message)


def a_gate_may_be_outdated(found: AgentGates) -> Finding | None:
    gate = next((ack for ack in found.gates if ack.state == "Stale"), None)
    if gate is None:
        return None
    if gate.reason == ConditionReason.COMMITS_FAILING:
        return Finding("False", ConditionReason.COMMITS_FAILING, f"gate {gate.pod} commits nothing: {gate.message}")
    return Finding("False", ConditionReason.GATE_STALE, f"gate {gate.pod} judges nothing: {gate.message}")


def no_gate_judges(found: AgentGates) -> Finding | None:
    """Find that none has policies in force. The revision before the newest is enough: it judges by that."""
    if any(ack.state == "InForce" for ack in found.gates):
        return None
    detail = "; ".join(f"{ack.pod}: {ack.message or ack.reason or ack.state}" for ack in found.gates)
    return Finding("False", ConditionReason.GATE_NOT_READY, detail or "no gate of this agent has reported yet")


def decisions_wait_for_a_transaction(found: AgentGates) -> Finding | None:
    """Find a transaction that stays open: what is written behind it becomes no command before it ends."""
    return _said_by_a_gate(found, "False", ConditionReason.DECISIONS_IN_OPEN_TRANSACTION)


def a_gate_has_skipped(found: AgentGates) -> Finding | None:
    """Find that records were passed over: all is well again, and somebody should know."""
    return _said_by_a_gate(found, "True", ConditionReason.RECORDS_SKIPPED)


def _said_by_a_gate(found: AgentGates, status: ConditionStatus, reason: ConditionReason) -> Finding | None:
    gate = next((ack for ack in found.gates if ack.state == "InForce" and ack.reason == reason), None)
    return None if gate is None else Finding(status, reason, f"gate {gate.pod}: {gate.message}")


GATES = (
    no_gate_is_wanted,
    a_gate_refuses_its_policies,
    a_gate_may_be_outdated,
    gates_are_too_old,
    a_gate_denies_what_does_not_compile,
    no_gate_judges,
    decisions_wait_for_a_transaction,
    a_gate_has_skipped,
)
