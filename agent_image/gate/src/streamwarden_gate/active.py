"""The set that judges: one agent's binding, its policies and schemas, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from streamwarden_contract.acks import SignedEpochs
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import DEFAULT_EXPIRY, BindingRecord, SkipRange
from streamwarden_judging.schemas import Schema
from streamwarden_judging.typed.facts import CoerceDecision
from streamwarden_judging.verdicts import PolicySet

from streamwarden_gate.policy_topic import Refusal


@dataclass(frozen=True, slots=True)
class Target:
    """Where allowed decisions of a type go."""

    topic: str
    keyed: bool
    schema: Schema | None = None
    expires_after: timedelta = DEFAULT_EXPIRY
    """For how long after the verdict a command may be carried out."""
    typed: CoerceDecision | None = None
    """What gives a decision the types that the schema says, before rules see it."""
    fault: str = ""
    """Why the schema cannot be used: then every decision of the type is denied."""


@dataclass(frozen=True, slots=True)
class ActiveSet:
    """Everything that judging one agent's decisions needs; never changed, only replaced."""

    namespace_epoch: int
    guardrail_epoch: int
    binding: BindingRecord
    policies: PolicySet
    refs: tuple[PolicyRef, ...]
    targets: Mapping[str, Target]
    """By decision type."""
    epochs: SignedEpochs
    """The signed records that closed it."""
    faults: tuple[Refusal, ...] = ()
    """What does not compile, and denies the decision types that it is for; all others are judged."""

    @property
    def agent_facts(self) -> dict[str, object]:
        """What rules see as ``agent``."""
        binding = self.binding
        return {
            "namespace": binding.namespace,
            "name": binding.agent,
            "uid": binding.agent_uid,
            "labels": dict(binding.labels),
        }

    def may_skip(self, partition: int) -> bool:
        """Tell whether people have asked to pass over something of this partition: it may go on where it was halted."""
        return any(asked.partition == partition for asked in self.requests)

    @property
    def requests(self) -> tuple[SkipRange, ...]:
        """What people have asked to pass over of this very topic."""
        topic_id = self.binding.decision_topic.topic_id
        return tuple(asked for asked in self.binding.skips if asked.topic_id == topic_id)

    def is_of_another_topic(self, before: "ActiveSet | None") -> bool:
        """Tell whether the decision topic was made again since: what was known of its partitions is gone with it."""
        return before is not None and self.binding.decision_topic.topic_id != before.binding.decision_topic.topic_id
