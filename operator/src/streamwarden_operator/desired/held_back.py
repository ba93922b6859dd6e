"""What is not published yet, as gates that run could not read it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from typing_extensions import override

_MAX_SHOWN = 4
_WORDS = {"expires_after_ms": "expiresAfter", "not_applicable": "a policy that is not applicable to a decision type"}
"""Of fields that nobody writes by this name."""


@dataclass(frozen=True, slots=True)
class TooNew:
    """Why one thing is held back."""

    fields: tuple[str, ...]
    """The fields of the policy log that the gates do not know."""
    gates: tuple[str, ...]
    """``<agent>/<pod>`` of each; none where it is not known yet which gates run."""

    @override
    def __str__(self) -> str:
        if not self.gates:
            return "waits until it is known which formats of the policy log the running gates read"
        shown = ", ".join(self.gates[:_MAX_SHOWN])
        more = f" and {len(self.gates) - _MAX_SHOWN} more" if len(self.gates) > _MAX_SHOWN else ""
        what = ", ".join(_WORDS.get(name, name) for name in self.fields)
        return (
            f"held back: gates of an earlier version would refuse all their policies for {what}: {shown}{more}. It is "
            "published once none of them runs: give their agents a newer image"
        )

    def __or__(self, other: "TooNew") -> "TooNew":
        """Return both in one."""
        return TooNew(_sorted(self.fields, other.fields), _sorted(self.gates, other.gates))


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Everything of one policy log that is held back."""

    policies: Mapping[str, TooNew] = field(default_factory=dict)
    """By policy: its last revision stays, where it has one."""
    bindings: Mapping[str, TooNew] = field(default_factory=dict)
    """By agent: its last binding stays, where it has one."""
    agents: Mapping[str, TooNew] = field(default_factory=dict)
    """By agent: what its own gates hold back."""

    def __bool__(self) -> bool:
        return bool(self.policies or self.bindings)

    def __or__(self, other: "HeldBack") -> "HeldBack":
        """Return both in one."""
        return HeldBack(
            _merged(self.policies, other.policies),
            _merged(self.bindings, other.bindings),
            _merged(self.agents, other.agents),
        )

    def of_agent(self, agent: str, policies: Iterable[str]) -> TooNew | None:
        """Return why an agent has not what it should: by its own gates, else as one of these policies is held back."""
        found = (self.policies[name] for name in policies if name in self.policies)
        return self.agents.get(agent) or next(found, None)


def _merged(one: Mapping[str, TooNew], other: Mapping[str, TooNew]) -> dict[str, TooNew]:
    return {**one, **{name: one[name] | found if name in one else found for name, found in other.items()}}


def _sorted(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))
