"""What a log file or a pipe shows of decisions that are good."""

from __future__ import annotations

import io

from rich.console import Console
from streamwarden_cli.session.progress import EVERY_S, Progress
from streamwarden_cli.session.rows import Pace, build_rows
from streamwarden_cli.session.screen import AgentRow, LineScreen, LiveScreen
from streamwarden_cli.session.tally import Tally
from streamwarden_contract.models import AgentDeployment
from support.cli_figures import COMMANDS, audited


def guard(decisions: int = 0, commands: int = 0, denied: int = 0, *, agent: str = "risk/guard") -> AgentRow:
    return AgentRow(
        agent, ready=True, state="Ready", decisions=decisions, commands=commands, allowed=commands, denied=denied
    )


def test_the_first_command_of_each_agent_is_said_once() -> None:
    progress, blocker = Progress(), guard(1, 1, agent="risk/blocker")
    assert progress.news([guard()], 0.0) == []
    assert progress.news([guard(3, 1, 2)], 1.0) == ["risk/guard: first command"]
    assert progress.news([guard(4, 2, 2), blocker], 2.0) == ["risk/blocker: first command"]
    assert progress.news([guard(5, 3, 2), blocker], 3.0) == []


def test_a_command_that_tells_an_outcome_is_a_first_command_too() -> None:
    row = AgentRow("risk/blocker", ready=True, state="Ready", decisions=1, allowed=1)
    assert Progress().news([row], 0.0) == ["risk/blocker: first command"]


def test_while_decisions_flow_their_sums_are_said_at_most_every_ten_seconds() -> None:
    progress = Progress()
    said = [
        (second, line)
        for second in range(61)
        for line in progress.news(
            [guard(100 * second, denied=50 * second), guard(second, agent="risk/blocker")], float(second)
        )
    ]
    assert EVERY_S == 10.0
    assert [second for second, _ in said] == [11, 21, 31, 41, 51]
    assert said[0][1] == "so far 1,111 decisions, 0 commands, 550 denied"


def test_nothing_is_said_while_nothing_flows_and_the_last_of_a_burst_is_said_later() -> None:
    progress = Progress()
    assert progress.news([guard(5, denied=5)], 0.0) == []
    last = "so far 9 decisions, 0 commands, 9 denied"
    assert [progress.news([guard(9, denied=9)], now_s) for now_s in (9.9, 10.0, 25.0, 60.0)] == [[], [last], [], []]


def test_a_screen_without_a_terminal_says_it() -> None:
    out, moments = io.StringIO(), iter((0.0, 10.0))
    screen = LineScreen(Console(file=out, width=100), lambda: next(moments))
    for row in (guard(2, 1, 1), guard(4, 2, 2)):
        screen.show([row])
    assert out.getvalue().splitlines() == ["risk/guard: first command", "so far 4 decisions, 2 commands, 2 denied"]


def test_on_a_terminal_the_table_is_enough() -> None:
    out = io.StringIO()
    screen = LiveScreen(Console(file=out, width=100, force_terminal=True))
    screen.show([guard(2, 1, 1)])
    screen.close()
    assert "risk/guard" in out.getvalue()
    assert "first command" not in out.getvalue()


def test_a_row_has_what_was_judged_and_the_commands_that_were_seen() -> None:
    tally = Tally()
    tally.audit(audited(), commands=COMMANDS)
    tally.audit(audited("Deny", rule="p/r"), commands=COMMANDS)
    tally.command("c1", received_ms=1_005.0, now_s=3.0)
    agent = AgentDeployment.model_validate(
        {
            "metadata": {"namespace": "risk", "name": "guard"},
            "spec": {
                "image": "i",
                "agent": {"entrypoint": "a:b"},
                "inputs": [{"name": "pages", "topicRef": {"name": "pages"}}],
                "decisions": [{"type": "block", "commandTopicRef": {"name": "blocks"}}],
            },
        }
    )
    (row,) = build_rows([agent], [], tally, Pace(), 0.0)
    assert (row.agent, row.decisions, row.commands, row.allowed, row.denied) == ("risk/guard", 2, 1, 1, 1)
