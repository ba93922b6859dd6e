"""The set that judges: one agent's binding, its policies and schemas, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

import jsonschema_rs
from streamwarden_contract.judging import PolicySet
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import BindingRecord

_MAX_MESSAGE_LENGTH = 500


class Schema(Protocol):
    """What the parameters of a decision must fit."""

    def mismatch(self, parameters: object) -> str | None:
        """Say what does not fit, in at most 500 characters, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where allowed decisions of a type go."""

    topic: str
    keyed: bool
    schema: Schema | None = None


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


class JsonSchema:
    """A compiled JSON Schema. It fetches nothing, and its regular expressions take linear time."""

    __slots__ = ("_validator",)

    def __init__(self, definition: str) -> None:
        """Compile ``definition``.

        Raises:
            ValueError: not JSON, not a valid schema, or a reference that leads outside it.
        """
        self._validator = jsonschema_rs.validator_for(
            definition, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
        )

    def mismatch(self, parameters: object) -> str | None:
        """Say what does not fit, in at most 500 characters, or None."""
        if self._validator.is_valid(parameters):
            return None
        for error in self._validator.iter_errors(parameters):
            where = "/".join(str(part) for part in error.instance_path)
            return f"parameters/{where}: {error.message}"[:_MAX_MESSAGE_LENGTH]
        return "the parameters do not fit the schema"


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema may refer only to itself, not to {uri[:200]}")
