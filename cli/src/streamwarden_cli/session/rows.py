"""The live table's rows, from status, lags and figures. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_contract.reasons import ConditionReason
from streamwarden_contract.verdicts import Effect, Unjudged
from streamwarden_operator.desired.checks.agents import GATE_READY
from streamwarden_operator.desired.status import find_condition

from streamwarden_cli.session.screen import AgentRow
from streamwarden_cli.session.tally import AgentTally, Tally, percentiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_contract.models import AgentDeployment

    from streamwarden_cli.session.lag import Reading

_WINDOW_S = 2.0
"""Decisions a second are over about so long."""


@dataclass(slots=True)
class Pace:
    """Decisions a second by agent, from counts at moments."""

    _counts: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def per_second(self, agent: str, count: int, now_s: float) -> float:
        """Note a count and return the pace over the last window."""
        seen = self._counts.setdefault(agent, [])
        seen.append((now_s, count))
        while len(seen) > 2 and seen[1][0] <= now_s - _WINDOW_S:  # noqa: PLR2004  # the newest two always stay
            seen.pop(0)
        (then_s, before), elapsed_s = seen[0], now_s - seen[0][0]
        return (count - before) / elapsed_s if then_s < now_s else 0.0


def build_rows(
    agents: Sequence[AgentDeployment], readings: Sequence[Reading], tally: Tally, pace: Pace, now_s: float
) -> list[AgentRow]:
    """Return a row for every agent."""
    lags = {reading.label: reading for reading in (readings[-1] if readings else ())}
    rows = []
    for agent in agents:
        label = f"{agent.metadata.namespace}/{agent.metadata.name}"
        figures = tally.agents.get(label, AgentTally())
        ready = find_condition(agent.status.conditions, "Ready")
        lag = lags.get(label)
        recent = percentiles(list(figures.recent_ms))
        rows.append(
            AgentRow(
                agent=label,
                ready=ready is not None and ready.status == "True",
                state="Starting" if ready is None else "Ready" if ready.status == "True" else ready.reason,
                lag=None if lag is None else lag.agent.lag_records,
                gate_lag=None if lag is None else lag.gate.lag_records,
                per_second=pace.per_second(label, figures.decisions, now_s),
                decisions=figures.decisions,
                commands=figures.commands,
                allowed=figures.verdicts[Effect.ALLOW],
                denied=figures.verdicts[Effect.DENY],
                dead_letters=figures.verdicts[Unjudged.DEAD_LETTER],
                policies=" ".join(f"{ref.name}@{ref.revision}" for ref in agent.status.policies),
                p50_ms=recent["p50"],
                p99_ms=recent["p99"],
            )
        )
    return rows


_HALTED = (ConditionReason.REJECTED_BY_GATE, ConditionReason.DECISIONS_IN_OPEN_TRANSACTION)


def halted_gates(agents: Sequence[AgentDeployment]) -> dict[str, str]:
    """Return why gates judge no more, or not all, by ``namespace/agent``."""
    found = ((agent, find_condition(agent.status.conditions, GATE_READY)) for agent in agents)
    return {
        f"{agent.metadata.namespace}/{agent.metadata.name}": gate.message
        for agent, gate in found
        if gate is not None and gate.status == "False" and gate.reason in _HALTED
    }
