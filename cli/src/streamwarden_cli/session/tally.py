"""Counts what happened in a run, record by record. No I/O and no clock: times are passed in."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_contract.verdicts import Unjudged

from streamwarden_cli.session.dead_letters import DeadLetters
from streamwarden_cli.session.failures import Failures
from streamwarden_cli.session.refused_events import RefusedEvents
from streamwarden_cli.session.rule_failures import RuleFailures
from streamwarden_cli.session.skips import Skips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_contract.audit import AuditRecord
    from streamwarden_contract.decision import Failure

    from streamwarden_cli.session.roles import AgentTopics

RECENT = 2_000
"""So many of the newest latencies make the live figures."""


class DecisionLine(TypedDict):
    """One judged decision, as a line of the run's file."""

    agent: str
    type: str | None
    entity: str | None
    confidence: float | None
    verdict: str
    reason: str
    deadLetter: str | None
    """A ``DeadLetterReason``, where it could not be judged."""
    rule: str | None
    message: str
    """The reason in words: those of the rule that decided, or what is wrong with the decision."""
    commandId: str | None
    timestamp: int
    """The broker's append time of the decision, milliseconds since 1970."""


class Percentiles(TypedDict):
    """Milliseconds; None where nothing was measured."""

    p50: float | None
    p99: float | None


def percentiles(values: Sequence[float]) -> Percentiles:
    """Return nearest-rank percentiles, rounded to 0.1."""
    ordered = sorted(values)

    def rank(share: float) -> float | None:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1) if ordered else None

    return {"p50": rank(0.5), "p99": rank(0.99)}


@dataclass(slots=True)
class AgentTally:
    """What one agent did."""

    decisions: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    """Inputs that it gave up on."""
    commands: int = 0
    """Its allowed decisions that were seen on a command topic."""
    latencies_ms: list[float] = field(default_factory=list)
    recent_ms: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))


class Tally:
    """The figures of a run so far."""

    def __init__(self) -> None:
        self.events = 0
        self.commands = 0
        self.outcomes = 0
        self.agents: dict[str, AgentTally] = {}
        self.rules: Counter[str] = Counter()
        self.would_deny: Counter[str] = Counter()
        self.failures = Failures()
        self.rule_failures = RuleFailures()
        self.skips = Skips()
        self.dead_letters = DeadLetters()
        self.refused_events = RefusedEvents()
        self.first_command_s: float | None = None
        """Receipt of the first command, on the caller's clock."""
        self._decided: dict[str, tuple[str, int]] = {}
        """By command id: the agent and the decision's time, until the command is seen."""
        self._received: dict[str, float] = {}
        """By command id: its receipt, until the audit record is seen."""

    def event(self) -> None:
        """Count a record that agents react to."""
        self.events += 1

    def outcome(self) -> None:
        """Count a record that tells what came of a command."""
        self.outcomes += 1

    def failure(self, agent: AgentTopics, failure: Failure) -> None:
        """Count a failure record, where it is of an event that is not what its contract promises."""
        if failure.fault is not None and failure.cause.topic in agent.reads:
            self.refused_events.add(agent.label, failure)

    def command(self, command_id: str, *, received_ms: float, now_s: float) -> None:
        """Count a command; ``received_ms`` is on the broker's clock (milliseconds since 1970)."""
        self.commands += 1
        if self.first_command_s is None:
            self.first_command_s = now_s
        if (decided := self._decided.pop(command_id, None)) is not None:
            self._join(*decided, received_ms)
        else:
            self._received[command_id] = received_ms

    def audit(self, record: AuditRecord, *, commands: frozenset[str]) -> DecisionLine | None:
        """Count a verdict; ``commands`` are the topics whose records are commands.

        A run of dead letters counts as many as it has records: it is one audit record when an agent floods.

        Returns the run's line, None for what is no decision: an input that was given up, a range that was skipped.
        """
        label = f"{record['namespace']}/{record['agent']}"
        agent = self.agents.setdefault(label, AgentTally())
        records = record["decision"].get("records", 1)
        agent.verdicts[record["verdict"]] += records
        if record["verdict"] == Unjudged.SKIPPED:
            self.skips.add(label, record)
            return None
        self.dead_letters.add(label, record)
        if record["deadLetter"] == DeadLetterReason.AGENT_FAILURE:
            agent.failures += records
            self.failures.add(label, record)
            return None
        agent.decisions += records
        if record["rule"] is not None:
            self.rules[record["rule"]] += 1
        self.would_deny.update({f"{found['rule']}" for found in record["wouldDeny"]})
        self.rule_failures.add(record)
        command, decision = record["command"], record["decision"]
        if command is not None and command["topic"] in commands:
            if (received_ms := self._received.pop(command["id"], None)) is not None:
                self._join(label, decision["timestamp"], received_ms)
            else:
                self._decided[command["id"]] = label, decision["timestamp"]
        return {
            "agent": label,
            "type": decision["type"],
            "entity": decision["entity"],
            "confidence": record["confidence"],
            "verdict": record["verdict"],
            "reason": record["reason"],
            "deadLetter": record["deadLetter"],
            "rule": record["rule"],
            "message": record["message"],
            "commandId": None if command is None else command["id"],
            "timestamp": decision["timestamp"],
        }

    def _join(self, label: str, decided_ms: int, received_ms: float) -> None:
        agent = self.agents[label]
        latency_ms = max(0.0, received_ms - decided_ms)
        agent.commands += 1
        agent.latencies_ms.append(latency_ms)
        agent.recent_ms.append(latency_ms)
