"""The closing report: what a run's figures say, for people. Every number comes from the report's JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text
from streamwarden_contract.verdicts import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

Figures = dict[str, Any]
"""A report, as ``--report`` writes it."""

_SHORT = 120
"""Characters of a message in a table; the report has it whole."""


def render(report: Figures) -> Group:
    """Return the whole report, section by section; what a run had nothing of is left out."""
    sections = [*section("The loop", loop(report)), *section("Agents and their gates", agents(report))]
    if report["verdicts"]["rules"] or report["verdicts"]["wouldDeny"]:
        sections += section("What the policies said", rules(report))
    if "dead_letter_reasons" in report:
        sections += section("Why there are dead letters", dead_letters(report))
    if "refused_events" in report:
        sections += section("Events that are not what their contract promises", refused_events(report))
    if report["bypass"]["attempted"]:
        sections += section("Round the gate, with the agents' own credentials", bypass(report))
    return Group(*sections, *section("Seconds", seconds(report)))


def is_worth_showing(report: Figures) -> bool:
    """Tell whether anything has happened that there are figures of."""
    return bool(report["events"] or report["agents"])


def section(title: str, body: RenderableType) -> tuple[RenderableType, ...]:
    """Put a title above a section."""
    return Text(f"\n{title}", style="bold"), body


def table(*columns: str, of_text: int = 1) -> Table:
    """Make a table: the first ``of_text`` columns are text, the others are numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for position, column in enumerate(columns):
        # Where there is little room sentences and the heads of numbers wrap; no name and no number is cut.
        wraps = position >= of_text or 0 < position == of_text - 1
        made.add_column(column, justify="left" if position < of_text else "right", no_wrap=not wraps, overflow="fold")
    return made


def loop(report: Figures) -> Table:
    """Say what flowed."""
    verdicts = report["verdicts"]
    made = table("events", "decisions", "allowed", "denied", "dead letters", "commands", "outcomes")
    numbers = [report["events"], report["decisions"], verdicts[Effect.ALLOW], verdicts[Effect.DENY]]
    made.add_row(*texts([*numbers, report["dead_letters"], report["commands"], report["outcomes"]]))
    return made


def agents(report: Figures) -> Table:
    """Say what each agent did."""
    made = table("agent", "decisions", "allowed", "denied", "dead letters", "decision to command, ms: p50", "p99")
    for name, agent in report["agents"].items():
        numbers = [agent[column] for column in ("decisions", "allowed", "denied", "dead_letters")]
        latencies = agent["decision_to_command_ms"]
        made.add_row(name, *texts([*numbers, latencies["p50"], latencies["p99"]]))
    return made


def rules(report: Figures) -> Table:
    """Say which rules denied, and which would have."""
    made = table("policy/rule", "denied", "would deny (Audit)")
    denied, would_deny = report["verdicts"]["rules"], report["verdicts"]["wouldDeny"]
    for rule in sorted(denied.keys() | would_deny.keys(), key=lambda rule: (rule not in denied, rule)):
        made.add_row(rule, *texts([denied.get(rule), would_deny.get(rule)]))
    return made


def dead_letters(report: Figures) -> Table:
    """Say why records could not be judged."""
    made = table("agent", "reason", "the first of them", "dead letters", of_text=3)
    for kind in report["dead_letter_reasons"]:
        made.add_row(*words(kind["agent"], kind["reason"], kind["message"]), number(kind["count"]))
    return made


def refused_events(report: Figures) -> Table:
    """Say whose events agents refused."""
    found = report["refused_events"]
    made = table("source", "topic", "reason", "as in", "events", of_text=4)
    for kind in found["sources"]:
        source = kind["source"] or "(none)"
        made.add_row(*words(source, kind["topic"], kind["reason"], kind["message"]), number(kind["events"]))
    if "further" in found:
        made.add_row(*words("(all others)", "", "", ""), number(found["further"]))
    return made


def bypass(report: Figures) -> RenderableType:
    """Say how many ways round the gate were tried, and name each that was not refused."""
    found = report["bypass"]
    made = table("agent", "attempts", "refused by the broker")
    for name, attempts in found["attempts"].items():
        made.add_row(name, *texts([len(attempts), sum(attempt["refused"] for attempt in attempts)]))
    through = [
        Text(f"{name}: {attempt['attempt']}: {attempt['answer']}", style="red")
        for name, attempts in found["attempts"].items()
        for attempt in attempts
        if not attempt["refused"]
    ]
    return Group(made, *through)


def seconds(report: Figures) -> Table:
    """Say how long it took."""
    found = report["seconds"]
    made = table("", "s")
    for label, name in (
        ("download of the stack (first time only)", "download"),
        ("Kubernetes and images, built or found", "cluster"),
        ("until Kafka answered" if "cluster" not in found else "Kafka and the schema registry", "stack"),
        ("the operator, until it was ready", "operator"),
        ("until every agent was ready", "ready"),
        ("until the first command", "first_command"),
        ("this run in all, download included, installing left out", "total"),
    ):
        if name in found:
            made.add_row(label, number(found[name]))
    return made


def texts(values: Iterable[float | None]) -> list[str]:
    """Write figures."""
    return [number(value) for value in values]


def words(*values: str) -> list[Text]:
    """Write what may come from outside: never as markup, and not at length."""
    return [Text(value if len(value) <= _SHORT else f"{value[: _SHORT - 3]}...") for value in values]


def number(value: float | None) -> str:
    """Write a figure; one that is unknown is no zero."""
    return "-" if value is None else f"{value:,}"
