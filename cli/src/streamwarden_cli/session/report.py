"""The report of a run: plain JSON from the figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from streamwarden_contract.verdicts import Effect, Unjudged

from streamwarden_cli.session.tally import AgentTally, Tally, percentiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamwarden_cli.bypass.attempts import Answer

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long things took, on one clock, from the command's start."""

    stack: float | None = None
    """Until Kafka answered, downloads left out."""
    download: float = 0.0
    ready: float | None = None
    """Until every agent was ready, downloads left out."""
    first_command: float | None = None
    """Until the first command could be read, downloads left out."""
    total: float = 0.0
    """With downloads."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What does not come from the records of the run."""

    seconds: Seconds = field(default_factory=Seconds)
    bypass: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    """By ``namespace/agent``."""
    policies: Mapping[str, int] = field(default_factory=dict)
    """Revision by ``namespace/policy``."""
    at_end: Mapping[str, Any] = field(default_factory=dict)
    """What ``--at-end`` printed: merged in at the top."""
    halted: Mapping[str, str] = field(default_factory=dict)
    """By ``namespace/agent``: why its gate judges no more, or not all."""


def build_report(tally: Tally, extras: Extras) -> dict[str, Any]:
    """Return the report; what ``--at-end`` printed wins where names collide with ``accuracy`` only."""
    agents = tally.agents.values()
    words = (*Effect, Unjudged.DEAD_LETTER)
    verdicts = {word.value: sum(agent.verdicts[word] for agent in agents) for word in words}
    answers = [answer for found in extras.bypass.values() for answer in found]
    figures: dict[str, Any] = {
        "format": FORMAT,
        "events": tally.events,
        "decisions": sum(agent.decisions for agent in agents),
        "verdicts": {
            **verdicts,
            "rules": dict(sorted(tally.rules.items())),
            "wouldDeny": dict(sorted(tally.would_deny.items())),
        },
        "commands": tally.commands,
        "outcomes": tally.outcomes,
        "dead_letters": verdicts[Unjudged.DEAD_LETTER],
        "accuracy": None,
        "decision_to_command_ms": percentiles([ms for agent in agents for ms in agent.latencies_ms]),
        "bypass": {
            "attempted": len(answers),
            "refused": sum(answer.refused for answer in answers),
            "attempts": {
                label: [{"attempt": a.attempt, "answer": a.code, "refused": a.refused} for a in found]
                for label, found in sorted(extras.bypass.items())
            },
        },
        "seconds": {name: _rounded(getattr(extras.seconds, name)) for name in Seconds.__slots__},
        "given_up": [asdict(found) for found in tally.failures.first],
        "policies": dict(sorted(extras.policies.items())),
        "agents": {label: _agent(agent) for label, agent in sorted(tally.agents.items())},
    }
    if tally.skips.count:
        first = [asdict(found) for found in tally.skips.first]
        figures["skipped"] = {"ranges": tally.skips.count, "offsets": tally.skips.offsets, "first": first}
    if extras.halted:
        figures["halted"] = dict(sorted(extras.halted.items()))
    if kinds := tally.dead_letters.report():
        figures["dead_letter_reasons"] = kinds
    if refused := tally.refused_events.report():
        figures["refused_events"] = refused
    if tally.rule_failures.by_rule:
        figures["rule_failures"] = dict(sorted(tally.rule_failures.by_rule.items()))
    # The figures above were counted by dev itself: a program of the user cannot replace them.
    return {**extras.at_end, **figures, "accuracy": extras.at_end.get("accuracy")}


def _agent(agent: AgentTally) -> dict[str, Any]:
    return {
        "decisions": agent.decisions,
        "allowed": agent.verdicts[Effect.ALLOW],
        "denied": agent.verdicts[Effect.DENY],
        "dead_letters": agent.verdicts[Unjudged.DEAD_LETTER],
        "failures": agent.failures,
        "commands": agent.commands,
        "decision_to_command_ms": percentiles(agent.latencies_ms),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
