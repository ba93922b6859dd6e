"""The set that judges: one agent's binding, its policies and schemas, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from streamwarden_contract.acks import SignedEpochs
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import DEFAULT_EXPIRY, BindingRecord
from streamwarden_judging.schemas import Schema
from streamwarden_judging.verdicts import PolicySet


@dataclass(frozen=True, slots=True)
class Target:
    """Where allowed decisions of a type go."""

    topic: str
    keyed: bool
    schema: Schema | None = None
    expires_after: timedelta = DEFAULT_EXPIRY
    """For how long after the verdict a command may be carried out."""


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

    def is_of_another_topic(self, before: "ActiveSet | None") -> bool:
        """Tell whether the decision topic was made again since: what was known of its partitions is gone with it."""
        return before is not None and self.binding.decision_topic.topic_id != before.binding.decision_topic.topic_id
