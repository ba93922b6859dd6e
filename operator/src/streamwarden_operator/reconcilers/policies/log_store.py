"""What the reconcilers share about policy logs. In memory: a restart reads the logs again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamwarden_contract.acks import GateAck
from streamwarden_contract.names import SYSTEM, InstallationNames, NamespaceNames
from streamwarden_contract.policylog import BY_NAME, BindingRecord, PolicyRecord
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.held_back import HeldBack, TooNew
from streamwarden_operator.desired.policy_log import DesiredBinding
from streamwarden_operator.desired.rule_checks import Governed
from streamwarden_operator.errors import NotReadyError, OperatorError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.log_state import LogState, believed
from streamwarden_operator.plans.policy_costs import Spending
from streamwarden_operator.plans.policy_rules import governed_by
from streamwarden_operator.reconcilers.policies.params import KnownParams


def note_cause(causes: dict[str, OperatorError], namespace: str, error: OperatorError) -> bool:
    """Note what keeps a namespace waiting, and tell whether its reason is another one than before."""
    before, causes[namespace] = causes.get(namespace), error
    return before is None or before.reason is not error.reason


@dataclass(slots=True)
class Publication:
    """A policy's revision that this process published."""

    revision: int
    at_s: float
    """Monotonic seconds."""
    measured: bool
    """Whether bound gates were running then: only these can converge in a time worth reporting."""
    acked_s: float | None = None
    """Likewise: when a gate last said that it has it."""
    reported: bool = False
    """Whether its convergence has been reported."""

    def took_ms(self, now_s: float) -> float:
        """Return milliseconds until the last gate said that it has it; until now where none has spoken."""
        return ((now_s if self.acked_s is None else self.acked_s) - self.at_s) * 1000


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """A namespace's log as last read or written."""

    state: LogState
    withheld: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By agent: policies without a good revision that keep it from a new binding."""
    held_back: HeldBack = field(default_factory=HeldBack)
    """What is not written as gates that run could not read it."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By policy that is not accepted: why. It depends on agents and contracts, and its status is to say what is."""
    spending: Spending = field(default_factory=Spending)
    """What the published policies take of the agents' decisions."""
    key_id: str = ""
    """Of the key that signs all of it."""
    outage: OperatorError | None = None
    """Why the last attempt to write failed."""


@dataclass(slots=True)
class LogStore:
    """What agents want on one side, what is published on the other."""

    installation: InstallationNames
    wanted: dict[tuple[str, str], DesiredBinding] = field(default_factory=dict)
    """By namespace and agent."""
    released: dict[tuple[str, str], str] = field(default_factory=dict)
    """By namespace and agent: the uid of one that is being deleted and needs its binding no more."""
    claimed: set[str] = field(default_factory=set)
    """Namespaces that are this installation's: nothing is made or taken back in any other."""
    taken: dict[str, str] = field(default_factory=dict)
    """By namespace that is not: why."""
    unclaimed: dict[str, OperatorError] = field(default_factory=dict)
    """By namespace of which it is not known whose it is: why the last attempt to claim it failed."""
    lost_topics: dict[str, str] = field(default_factory=dict)
    """By namespace of which a shared topic is lost: which, and how people end it; ``streamwarden`` concerns all."""
    weak_topics: dict[str, str] = field(default_factory=dict)
    """Likewise, of those with too few replicas."""
    topics_ready: set[str] = field(default_factory=set)
    """Namespaces whose shared topics exist."""
    empty: set[str] = field(default_factory=set)
    """Namespaces with no resource in them: they are not resynced, and the first one that comes wakes them."""
    published: dict[str, PublishedLog] = field(default_factory=dict)
    """By namespace; none before the log was read."""
    unread: dict[str, OperatorError] = field(default_factory=dict)
    """By namespace whose log was never read: why the last attempt failed."""
    seen: dict[str, int] = field(default_factory=dict)
    """By namespace: the highest epoch beside the offsets that gates have committed."""
    publications: dict[tuple[str, str], Publication] = field(default_factory=dict)
    """By namespace and policy."""
    registered: dict[tuple[str, str], str] = field(default_factory=dict)
    """By namespace and topic: what a contract had registered before it said what is not taken."""
    params: KnownParams = field(default_factory=KnownParams)
    """What policies have in ConfigMaps, as last read."""
    went_back: dict[str, float] = field(default_factory=dict)
    """By namespace: when its log was last written for a gate that does not read the newest format (monotonic seconds).

    Whoever has a gate's password may say in turns that one reads it and that one does not, and each time all bindings
    are written: once in a while, then.
    """
    complete: bool = False
    """Whether all resources are known. Before that an agent that is not known may exist: nothing is taken back."""

    def let_go(self, namespace: str) -> None:
        """Forget a namespace that is this installation's no more; what comes into it begins with a claim."""
        for known in (self.claimed, self.topics_ready, self.empty):
            known.discard(namespace)
        self.published.pop(namespace, None)
        self.went_back.pop(namespace, None)

    def outage(self, namespace: str) -> OperatorError | None:
        """Return why the namespace's log cannot be written, or was never read."""
        log = self.published.get(namespace)
        return self.unread.get(namespace) if log is None else log.outage

    def why_not_begun(self, namespace: str) -> OperatorError | None:
        """Return why a namespace has no log that is known: it is another's, or what fails on the way to it."""
        return self.taken_error(namespace) or self.unclaimed.get(namespace) or self.unread.get(namespace)

    def see(self, namespace: str, epoch: int) -> bool:
        """Note an epoch that gates have judged under, and tell whether the log is behind it: it was lost.

        A namespace's offsets may say anything of the guardrails: what nobody believes hides nothing that others say.
        """
        self.seen[namespace] = max(believed(epoch), self.seen.get(namespace, 0))
        log = self.published.get(namespace)
        return log is not None and log.state.epoch < self.seen[namespace]

    def demand_claim(self, namespace: str) -> None:
        """Go no further in a namespace that is not this installation's, or not known to be.

        Raises:
            NotReadyError: ``NamespaceTaken``, ``Pending``, or why it could not be claimed; whoever waits is
                woken once it is.
        """
        if (error := self.taken_error(namespace)) is not None:
            raise error
        if namespace not in self.claimed and namespace in self.weak_topics:
            raise NotReadyError(self.weak_topics[namespace], reason=ConditionReason.TOO_FEW_REPLICAS)
        if namespace not in self.claimed:
            if (failure := self.unclaimed.get(namespace)) is not None:
                raise NotReadyError(str(failure), reason=failure.reason)
            raise NotReadyError(f"the namespace {namespace!r} is being claimed", reason=ConditionReason.PENDING)

    def taken_error(self, namespace: str) -> NotReadyError | None:
        """Return why nothing is published in a namespace that another installation has."""
        why = self.taken.get(namespace)
        return None if why is None else NotReadyError(why, reason=ConditionReason.NAMESPACE_TAKEN)

    def topic_of(self, namespace: str) -> str:
        """Return the policy topic of a namespace; that of ``streamwarden`` is the guardrail topic."""
        return self.installation.guardrails if namespace == SYSTEM else NamespaceNames(namespace).policies

    def bindings_of(self, namespace: str) -> dict[str, DesiredBinding]:
        """Return what the namespace's agents want, by agent."""
        return {agent: wanted for (where, agent), wanted in self.wanted.items() if where == namespace}

    def released_in(self, namespace: str) -> set[str]:
        """Return the uids of the namespace's agents that are being deleted and need their binding no more."""
        return {uid for (where, _), uid in self.released.items() if where == namespace}

    def governed(self, namespace: str, state: LogState) -> tuple[Governed, ...]:
        """Return the namespace's agents as policies go by them: as they want to be bound, or else are.

        Args:
            namespace: the namespace.
            state: what is published in it.
        """
        return governed_by(self.bindings_of(namespace), state)

    def binding(self, namespace: str, agent: str) -> BindingRecord | None:
        """Return an agent's published binding."""
        log = self.published.get(namespace)
        return log.state.bindings.get(agent) if log else None

    def earlier_schema(self, namespace: str, topic: str) -> str | None:
        """Return the schema of a topic's commands that agents are judged by, or that is registered; None: neither."""
        log = self.published.get(namespace)
        known = log.state.schemas if log else {}
        for binding in log.state.bindings.values() if log else ():
            for target in binding.decisions.values():
                sha256 = target.schema_sha256
                if target.topic == topic and sha256 is not None and sha256 in known:
                    return known[sha256].definition
        return self.registered.get((namespace, topic))

    def is_written_for_others(self, namespace: str, agent: str, ack: GateAck) -> bool:
        """Tell whether a log may have to be written otherwise, as a running gate of an agent says what it reads."""
        log = self.published.get(namespace)
        if log is None or ack.state == "Stopped" or agent not in log.state.bindings:
            return False
        return (ack.reads.policy_log >= BY_NAME) != (log.state.index is not None)

    def held_back(self, namespace: str) -> HeldBack:
        """Return what is not published as gates that run could not read it."""
        log = self.published.get(namespace)
        return log.held_back if log is not None else HeldBack()

    def too_new_for(self, namespace: str, agent: str) -> TooNew | None:
        """Return why an agent has not all that it should have, where that is for the gates that run."""
        log = self.published.get(namespace)
        return log.held_back.of_agent(agent, log.withheld.get(agent, ())) if log is not None else None

    def note_ack(self, ack: GateAck, now_s: float) -> None:
        """Note when a gate said what it has in force (monotonic seconds): whoever counts them may come later."""
        for ref in ack.policies:
            publication = self.publications.get((ref.namespace, ref.name))
            if publication is not None and publication.revision == ref.revision and not publication.reported:
                publication.acked_s = now_s

    def number_bound(self, policy: Key) -> int:
        """Return how many agents' published bindings name a policy."""
        log = self.published.get(policy.namespace)
        return len(log.state.bound.get((policy.namespace, policy.name), ())) if log is not None else 0

    def policies_of(self, namespace: str, agent: str) -> tuple[Key, ...]:
        """Return the keys of the policies that an agent's published binding names."""
        binding = self.binding(namespace, agent)
        return tuple(Key("Policy", ref.namespace, ref.name) for ref in binding.policies) if binding else ()

    def policy(self, namespace: str, name: str) -> PolicyRecord | None:
        """Return a policy's published record."""
        log = self.published.get(namespace)
        return log.state.policies.get(name) if log else None
