"""The closing report: what a run's figures say, for people. Every number comes from the JSON; nothing is known here."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Figures = dict[str, Any]


def render(report: Figures) -> Group:
    """Return the whole report, section by section."""
    return Group(
        *section("The loop", loop(report)),
        *section("Agents and their gates", agents(report)),
        *section("What the policies said", rules(report)),
        *section("Did the agent get better?", accuracy(report)),
        *section("Round the gate, with the agents' own credentials", bypass(report)),
        *section("Seconds", seconds(report)),
        *section("What the gate kept from happening", prevented(report)),
    )


def section(title: str, body: RenderableType) -> tuple[RenderableType, ...]:
    return Text(f"\n{title}", style="bold"), body


def table(*columns: str) -> Table:
    """Make a table: the first column is text, the others are numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    return made


def loop(report: Figures) -> Table:
    verdicts = report["verdicts"]
    made = table("events", "decisions", "allowed", "denied", "dead letters", "commands", "outcomes")
    numbers = [report["events"], report["decisions"], verdicts["Allow"], verdicts["Deny"], report["dead_letters"]]
    made.add_row(*texts([*numbers, report["commands"], report["outcomes"]]))
    return made


def agents(report: Figures) -> Table:
    made = table("agent", "decisions", "allowed", "denied", "dead letters", "decision to command, ms: p50", "p99")
    for name, agent in report["agents"].items():
        numbers = [agent[column] for column in ("decisions", "allowed", "denied", "dead_letters")]
        latencies = agent["decision_to_command_ms"]
        made.add_row(name, *texts([*numbers, latencies["p50"], latencies["p99"]]))
    return made


def rules(report: Figures) -> Table:
    made = table("policy/rule", "denied", "would deny (Audit)")
    denied, would_deny = report["verdicts"]["rules"], report["verdicts"]["wouldDeny"]
    for rule in sorted(denied.keys() | would_deny.keys(), key=lambda rule: (rule not in denied, rule)):
        made.add_row(rule, *texts([denied.get(rule), would_deny.get(rule)]))
    return made


def accuracy(report: Figures) -> RenderableType:
    found = report["accuracy"]
    if not found:
        return Text("unknown: the run was not scored")
    made = table("pages", "plain loop", "proposed by the agent", "commanded through the gate")
    who = ("plain", "proposed", "commanded")
    for window in found["windows"]:
        made.add_row(f"{window['from']} to {window['to']}", *(percent(window[name]) for name in who))
    made.add_row("all", *(percent(found["overall"][name]) for name in who), style="bold")
    made.add_row("legitimate pages called phishing", *texts(found["false_alarms"][name] for name in who))
    made.add_row("phishing pages missed", *texts(found["missed"][name] for name in who))
    return Group(
        made,
        Text(
            "Plain loop: the same model over the same pages in one process, without Kafka. The agent reads pages,\n"
            "labels and outcomes of three partitions each side by side: on a busy machine a label may come later, or\n"
            "earlier, than it does in the plain loop. It also learns false alarms twice. A gate that denies unsure\n"
            "decisions trades missed phishing for fewer legitimate pages blocked.",
            style="dim",
        ),
    )


def bypass(report: Figures) -> RenderableType:
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


def prevented(report: Figures) -> RenderableType:
    """Say what would have happened without the gate, what that saved, and its price."""
    found, bypassed = report["accuracy"], report["bypass"]
    lines = []
    if found:
        wrong, missed, right = found["false_alarms"], found["missed"], found.get("right_blocks") or {}
        kept = wrong["proposed"] - wrong["commanded"]
        passed = missed["commanded"] - missed["proposed"]
        lines += [
            f"Without its gate the agent would have blocked {number(wrong['proposed'])} legitimate pages;",
            f"{number(wrong['commanded'])} were blocked.",
            f"Saved: {number(kept)} pages that people may need stayed in reach.",
            f"Of what was blocked, {percent(right.get('commanded'))} was phishing;",
            f"of what the agent proposed, {percent(right.get('proposed'))}.",
            f"The price: {number(passed)} phishing pages passed,",
            "of which the agent was less sure than the policies ask.",
        ]
    lines.append(
        f"Round the gate: {number(bypassed['attempted'])} ways were tried with the agents' own credentials, "
        f"and {number(bypassed['attempted'] - bypassed['refused'])} got through."
    )
    return Text("\n".join(lines))


def seconds(report: Figures) -> Table:
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


def problems(report: Figures) -> list[str]:
    """Name what this run does not show though the example promises it; nothing of it depends on how fast it ran."""
    found = []
    bypassed, commands, outcomes = report["bypass"], report["commands"], report["outcomes"]
    if not bypassed["attempted"]:
        found.append("no bypass was attempted")
    if bypassed["refused"] != bypassed["attempted"]:
        found.append(f"{bypassed['attempted'] - bypassed['refused']} bypass attempts were not refused by the broker")
    if not commands:
        found.append("no command flowed")
    if outcomes != commands:
        found.append(f"{commands} commands had {outcomes} outcomes")
    if not report["accuracy"]:
        found.append("the run was not scored")
    return found


def texts(values: Iterable[float | None]) -> list[str]:
    return [number(value) for value in values]


def number(value: float | None) -> str:
    """Write a figure; one that is unknown is no zero."""
    return "-" if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
