"""From the two policy topics to the set that judges, or the reason why there is none. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from streamwarden_contract import canonical, policylog
from streamwarden_contract.acks import SignedEpochs
from streamwarden_contract.errors import MalformedEventError, PolicyLogError
from streamwarden_contract.events import Headers
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.policy import PolicyRef, PolicySpec
from streamwarden_contract.names import SYSTEM, AgentNames, InstallationNames
from streamwarden_contract.policylog import (
    BindingRecord,
    BoundPolicyRef,
    CommandTarget,
    IndexRecord,
    NamedBindingRecord,
    PolicyRecord,
    SchemaRecord,
    spec_digest,
)
from streamwarden_judging import rules
from streamwarden_judging.schemas import JsonSchema
from streamwarden_judging.typed.facts import Covered, decision_coercion
from streamwarden_judging.verdicts import BoundPolicy
from streamwarden_judging.words import as_words
from streamwarden_kafka.records import TopicFacts

from streamwarden_gate.active import ActiveSet, Target
from streamwarden_gate.errors import SetRefusedError
from streamwarden_gate.policy_topic import Keys, PolicyTopic, Refusal
from streamwarden_gate.reasons import RefusalReason


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this gate is: the part that is not told by the policy log."""

    namespace: str
    agent: str
    agent_uid: str
    pod: str
    operator_namespace: str = SYSTEM
    installation: str = SYSTEM

    @property
    def names(self) -> AgentNames:
        return AgentNames(self.namespace, self.agent)


class Snapshot:
    """Everything read from both policy topics, and the last good set."""

    def __init__(self, identity: Identity, *, cluster_id: str, keys: Keys) -> None:
        self._identity = identity
        own, guardrails = identity.names.shared.policies, InstallationNames(identity.installation).guardrails
        self._topics = {
            topic: PolicyTopic(topic, agent=identity.agent, cluster_id=cluster_id, keys=keys)
            for topic in (own, guardrails)
        }
        self._own, self._guardrails = self._topics[own], self._topics[guardrails]
        self._compiled: dict[tuple[str, str, int, str], BoundPolicy] = {}
        self._schemas: dict[str, Target] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to read."""
        return tuple(self._topics)

    @property
    def epochs(self) -> tuple[int, int]:
        """The closed epochs of the namespace's and the guardrail topic; 0 where there is none."""
        own, guardrails = self._own.epoch, self._guardrails.epoch
        return 0 if own is None else own.epoch, 0 if guardrails is None else guardrails.epoch

    @property
    def binding(self) -> BindingRecord | None:
        """The agent's binding in the closed set."""
        try:
            return self._find_binding()
        except SetRefusedError:
            return None

    def _find_binding(self) -> BindingRecord | None:
        """Return the agent's binding, with the policies as its log has them.

        Raises:
            SetRefusedError: it names policies, and the index of the closed set has not all of them, or is another one.
        """
        record = self._own.record(f"{policylog.BINDING_PREFIX}{self._identity.agent}")
        if not isinstance(record, NamedBindingRecord):
            return record if isinstance(record, BindingRecord) else None
        index, closing = self._own.record(policylog.INDEX_KEY), self._own.epoch
        if not isinstance(index, IndexRecord) or closing is None or index.revision != closing.index_revision:
            raise _refused(RefusalReason.BINDING_INCOMPLETE, f"{self._own.topic} has not the index that its epoch says")
        try:
            return record.resolved(index)
        except PolicyLogError as error:
            raise _refused(RefusalReason.BINDING_INCOMPLETE, str(error)) from error

    def feed(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None) -> Refusal | None:
        """Take one record of a policy topic, in the order of offsets, and return why it was refused, if it was."""
        return self._topics[topic].feed(key, value, headers)

    def refusal(self, binding: BindingRecord | None) -> Refusal | None:
        """Return a refused record that concerns this agent: the set in force may be good, the log is not."""
        keys = [policylog.EPOCH_KEY, policylog.INDEX_KEY, f"{policylog.BINDING_PREFIX}{self._identity.agent}"]
        if binding is not None:
            keys += [f"{policylog.POLICY_PREFIX}{ref.name}" for ref in binding.policies]
            keys += [f"{policylog.SCHEMA_PREFIX}{target.schema_sha256}" for target in binding.decisions.values()]
        for topic in (self._own, self._guardrails):
            for key in keys:
                if key in topic.refused:
                    return topic.refused[key]
        return None

    def build(self, facts: Mapping[str, TopicFacts], last_good: ActiveSet | None) -> ActiveSet:
        """Build the set that the closed records demand.

        Args:
            facts: the binding's topics as the broker has them, by name.
            last_good: the set in force, which a new one may not fall behind.

        Raises:
            SetRefusedError: anything missing, older, or not as the binding says. What does not compile denies the
                decision types that it is for, and refuses nothing.
        """
        if self._own.epoch is None or self._guardrails.epoch is None:
            missing = self._own if self._own.epoch is None else self._guardrails
            raise _refused(RefusalReason.LOG_MISSING, f"{missing.topic} has no signed epoch record")
        binding = self._find_binding()
        if binding is None:
            raise _refused(
                RefusalReason.BINDING_MISSING, f"{self._own.topic} has no binding for {self._identity.agent}"
            )
        self._check_identity(binding)
        _check_topics(binding, facts)
        pairs = [*(self._policy(ref, binding) for ref in binding.policies), *_strays(binding)]
        targets = {name: self._target(target) for name, target in binding.decisions.items()}
        active = ActiveSet(
            namespace_epoch=self._own.epoch.epoch,
            guardrail_epoch=self._guardrails.epoch.epoch,
            binding=binding,
            policies=rules.build_policy_set(pairs, tuple(binding.decisions)),
            refs=tuple(PolicyRef(namespace=r.namespace, name=r.name, revision=r.revision) for r in binding.policies),
            targets=targets,
            epochs=SignedEpochs(namespace=self._own.signed_epoch, guardrail=self._guardrails.signed_epoch),
            faults=(*_policy_faults(policy for policy, _ in pairs), *_schema_faults(targets)),
        )
        if last_good is not None:
            _check_not_older(active, last_good)
        self._forget_unused(binding)
        return active

    def _forget_unused(self, binding: BindingRecord) -> None:
        """Keep compiled only what this binding names: policies change for as long as a gate lives."""
        used = {(ref.namespace, ref.name, ref.revision, ref.digest) for ref in binding.policies}
        schemas = {target.schema_sha256 for target in binding.decisions.values()}
        self._compiled = {key: policy for key, policy in self._compiled.items() if key in used}
        self._schemas = {key: schema for key, schema in self._schemas.items() if key in schemas}

    def _check_identity(self, binding: BindingRecord) -> None:
        identity, shared = self._identity, self._identity.names.shared
        pairs = (
            ("agent UID", binding.agent_uid, identity.agent_uid),
            ("namespace", binding.namespace, identity.namespace),
            ("agent", binding.agent, identity.agent),
            ("decision topic", binding.decision_topic.name, identity.names.decisions),
            ("audit topic", binding.audit_topic, shared.audit),
            ("dead-letter topic", binding.dead_letter_topic, shared.dead_letters),
        )
        for what, said, expected in pairs:
            if said != expected:
                raise _refused(RefusalReason.AGENT_MISMATCH, f"the binding's {what} is {said!r}, not {expected!r}")

    def _policy(self, ref: BoundPolicyRef, binding: BindingRecord) -> tuple[BoundPolicy, PolicySpec]:
        label = f"policy {ref.namespace}/{ref.name}@{ref.revision}"
        record = self._topic_of(ref).record(f"{policylog.POLICY_PREFIX}{ref.name}")
        if not isinstance(record, PolicyRecord) or record.namespace != ref.namespace:
            raise _refused(RefusalReason.BINDING_INCOMPLETE, f"{label} is not on the log")
        if record.revision != ref.revision:
            raise _refused(RefusalReason.BINDING_INCOMPLETE, f"{label}: the log has revision {record.revision}")
        if record.digest != ref.digest or spec_digest(record.spec) != ref.digest:
            raise _refused(RefusalReason.DIGEST_MISMATCH, f"{label} is not what the binding says")
        cached = (ref.namespace, ref.name, ref.revision, ref.digest)
        if cached not in self._compiled:
            self._compiled[cached] = rules.bind_policy(ref.namespace, ref.name, ref.revision, record.spec)
        lame = frozenset(kind for kind, names in binding.not_applicable.items() if ref.name in names)
        return replace(self._compiled[cached], not_applicable=lame), record.spec

    def _topic_of(self, ref: BoundPolicyRef) -> PolicyTopic:
        if ref.namespace == self._identity.namespace:
            return self._own
        if ref.namespace == self._identity.operator_namespace:
            return self._guardrails
        raise _refused(
            RefusalReason.BINDING_INCOMPLETE,
            f"policy {ref.namespace}/{ref.name} is of a namespace this gate never reads",
        )

    def _target(self, target: CommandTarget) -> Target:
        if target.schema_sha256 is None:
            return Target(target.topic, target.keyed, typed=_UNTYPED, expires_after=_expiry(target))
        record = self._own.record(f"{policylog.SCHEMA_PREFIX}{target.schema_sha256}")
        if not isinstance(record, SchemaRecord):
            raise _refused(
                RefusalReason.BINDING_INCOMPLETE, f"schema {target.schema_sha256} of {target.topic} is not on the log"
            )
        if sha256_hex(record.definition.encode()) != target.schema_sha256:
            raise _refused(RefusalReason.DIGEST_MISMATCH, f"schema {target.schema_sha256} has another digest")
        if target.schema_sha256 not in self._schemas:
            self._schemas[target.schema_sha256] = _compiled(record.definition)
        return replace(
            self._schemas[target.schema_sha256], topic=target.topic, keyed=target.keyed, expires_after=_expiry(target)
        )


def _expiry(target: CommandTarget) -> timedelta:
    if target.expires_after_ms is None:
        return policylog.DEFAULT_EXPIRY
    return timedelta(milliseconds=target.expires_after_ms)


_UNTYPED = decision_coercion(Covered(""))
"""For parameters without a schema: the rest of a decision has types all the same."""


def _compiled(definition: str) -> Target:
    """Compile a schema, for any topic."""
    try:
        schema, plain = JsonSchema(definition), canonical.decode(definition.encode("utf-8", errors="surrogatepass"))
        return Target("", keyed=False, schema=schema, typed=decision_coercion(Covered("", plain)))
    except (ValueError, MalformedEventError, RecursionError) as error:
        return Target("", keyed=False, fault=as_words(" ".join(str(error).split()) or type(error).__name__))


def _strays(binding: BindingRecord) -> Iterator[tuple[BoundPolicy, PolicySpec]]:
    """Yield what the binding calls not applicable and does not bind: it denies all the same."""
    bound = {ref.name for ref in binding.policies}
    for kind, names in binding.not_applicable.items():
        for name in names:
            if name not in bound:
                empty, kinds = PolicySpec(), frozenset({kind})
                policy = rules.bind_policy(binding.namespace, name, 0, empty)
                yield replace(policy, decisions=kinds, not_applicable=kinds), empty


def _policy_faults(policies: Iterable[BoundPolicy]) -> Iterator[Refusal]:
    for policy in policies:
        for fault in rules.compile_faults(policy):
            yield Refusal(RefusalReason.INVALID_EXPRESSION, f"policy {policy.at_revision}: {fault}")


def _schema_faults(targets: Mapping[str, Target]) -> Iterator[Refusal]:
    for name, target in targets.items():
        if target.fault:
            message = f"decisions of type {name}: schema of {target.topic}: {target.fault}"
            yield Refusal(RefusalReason.INVALID_SCHEMA, message)


def _check_topics(binding: BindingRecord, facts: Mapping[str, TopicFacts]) -> None:
    decisions, audit = facts.get(binding.decision_topic.name), facts.get(binding.audit_topic)
    demanded = ((binding.decision_topic.name, binding.decision_topic.topic_id, decisions),)
    for name, topic_id, found in (*demanded, (binding.audit_topic, binding.audit_topic_id, audit)):
        if found is None:
            raise _refused(RefusalReason.TOPIC_MISMATCH, f"topic {name} does not exist, or this gate may not see it")
        if found.topic_id != topic_id:
            raise _refused(
                RefusalReason.TOPIC_MISMATCH,
                f"topic {name} has the id {found.topic_id}; the binding was made for {topic_id}",
            )
    if decisions is not None and decisions.partitions != binding.decision_topic.partitions:
        raise _refused(
            RefusalReason.TOPIC_MISMATCH,
            f"topic {binding.decision_topic.name} has {decisions.partitions} partitions; "
            f"the binding was made for {binding.decision_topic.partitions}",
        )


def _check_not_older(new: ActiveSet, old: ActiveSet) -> None:
    before = {(ref.namespace, ref.name): ref.revision for ref in old.refs}
    pairs = [
        ("namespace epoch", new.namespace_epoch, old.namespace_epoch),
        ("guardrail epoch", new.guardrail_epoch, old.guardrail_epoch),
        ("binding", new.binding.revision, old.binding.revision),
        *(
            (f"policy {ref.namespace}/{ref.name}", ref.revision, before.get((ref.namespace, ref.name), 0))
            for ref in new.refs
        ),
    ]
    for what, now, then in pairs:
        if now < then:
            raise _refused(RefusalReason.ROLLED_BACK, f"{what} fell from {then} to {now}")


def _refused(reason: RefusalReason, message: str) -> SetRefusedError:
    return SetRefusedError(reason, message)
