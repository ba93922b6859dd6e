"""The demo's closing report: that of every loop, and what the scores say. Every number comes from the JSON."""

from rich.console import Group, RenderableType
from rich.text import Text
from streamwarden_cli.session.closing import (
    Figures,
    agents,
    bypass,
    loop,
    number,
    rules,
    seconds,
    section,
    table,
    texts,
)


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


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
