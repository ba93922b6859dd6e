"""What a run comes to, as people see it at its end."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from streamwarden_cli.session.closing import is_worth_showing, render
from streamwarden_cli.session.dead_letters import DeadLetters
from streamwarden_cli.session.refused_events import MOST_KEPT, MOST_TOLD, RefusedEvents
from streamwarden_cli.session.report import Extras, build_report
from streamwarden_cli.session.roles import AgentTopics
from streamwarden_cli.session.screen import AgentRow, LineScreen, LiveScreen
from streamwarden_cli.session.tally import Tally
from streamwarden_contract.decision import Cause, Failure
from streamwarden_contract.names import AgentNames
from support.cli_figures import COMMANDS, audited

if TYPE_CHECKING:
    from collections.abc import Iterable

GUARD = AgentTopics(AgentNames("risk", "guard"), inputs=frozenset({"risk.pages"}))
WATCHER = AgentTopics(AgentNames("risk", "watcher"), inputs=frozenset({"risk.pages"}))


def refusal(source: str | None = "/web", topic: str = "risk.pages", **fields: object) -> Failure:
    given = {
        "format": 2,
        "cause": Cause(topic=topic, partition=0, offset=7),
        "error": 'MalformedEventError: $.score: type: "number"',
        "attempts": 1,
        "stage": "Decode",
        "fault": "SchemaMismatch",
        "source": source,
    }
    return Failure.model_validate(given | fields)


def refused(*failures: Failure, agents: Iterable[AgentTopics] = (GUARD,)) -> Tally:
    tally = Tally()
    for agent in agents:
        for failure in failures:
            tally.failure(agent, failure)
    return tally


def reported(tally: Tally) -> dict[str, Any]:
    return build_report(tally, Extras())


def source(name: str, events: int, message: str = '$.score: type: "number"', **fields: str) -> dict[str, object]:
    said = {"topic": "risk.pages", "source": name, "reason": "SchemaMismatch", "events": events, "message": message}
    return said | fields


# --- events that are refused ------------------------------------------------------------------------------------------


def test_refused_events_are_counted_by_source_and_reason_those_with_the_most_first() -> None:
    odd = refusal("/web", fault="MalformedValue", error="MalformedEventError: not JSON")
    found = reported(refused(*[refusal("/old")] * 3, odd, *[refusal("/web")] * 2))["refused_events"]
    assert found == {
        "events": 6,
        "sources": [source("/old", 3), source("/web", 2), source("/web", 1, "not JSON", reason="MalformedValue")],
    }


def test_two_agents_that_refuse_the_same_events_count_them_once() -> None:
    found = reported(refused(*[refusal()] * 4, agents=(GUARD, WATCHER)))["refused_events"]
    assert found == {"events": 4, "sources": [source("/web", 4)]}


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(refusal(fault=None, source=None, stage="Handle"), id="that-a-handler-gave-up"),
        pytest.param(refusal(topic="risk.others"), id="of-a-topic-that-the-agent-does-not-read"),
    ],
)
def test_an_event_is_not_counted_as_refused(failure: Failure) -> None:
    assert "refused_events" not in reported(refused(failure))


def test_an_event_without_a_source_is_nobodys_and_what_is_hidden_is_written_out() -> None:
    found = refused(refusal(None), refusal("/a\u202eb", error="E: \u202e"))
    assert reported(found)["refused_events"]["sources"] == [source("", 1), source("/a\\u202eb", 1, "\\u202e")]
    assert "(none)" in printed(found)


def test_of_many_sources_the_worst_are_named_and_all_others_counted_together() -> None:
    others = [refusal(f"/{number}") for number in range(MOST_KEPT + 50)]
    found = reported(refused(*others, refusal("/0"), refusal("/299")))["refused_events"]
    assert found["events"] == MOST_KEPT + 52
    assert found["sources"][0] == source("/0", 2)
    assert (len(found["sources"]), found["further"]) == (MOST_TOLD, MOST_KEPT + 52 - MOST_TOLD - 1)
    counter = RefusedEvents()
    for number in range(10 * MOST_KEPT):
        counter.add("risk/guard", refusal(f"/{number}"))
    assert len(vars(counter)["_kinds"]) == MOST_KEPT


# --- dead letters -----------------------------------------------------------------------------------------------------


def test_the_first_dead_letter_of_each_reason_is_told_at_once() -> None:
    letters = DeadLetters()
    mismatch = audited("DeadLetter", dead_letter="SchemaMismatch", message='$.setpoint: type: "number"\u202e')
    for _ in range(3):
        letters.add("risk/guard", mismatch)
    letters.add("risk/guard", audited("DeadLetter", dead_letter="UndeclaredType", message="it may not propose x"))
    letters.add("risk/guard", audited("Deny"))
    letters.add("risk/guard", audited("DeadLetter", dead_letter="AgentFailure"))
    about = "risk/guard: a decision about e1 is a dead letter, the first with"
    assert letters.news() == [
        f'{about} SchemaMismatch: $.setpoint: type: "number"\\u202e',
        f"{about} UndeclaredType: it may not propose x",
    ]
    assert letters.news() == []


def test_the_report_says_why_there_are_dead_letters_and_counts_runs_by_their_records() -> None:
    tally = Tally()
    run = audited("DeadLetter", dead_letter="MalformedValue", message="too many dead letters")
    run["decision"]["records"] = 1_000
    given_up = audited("DeadLetter", dead_letter="AgentFailure", message="Handle failed 5 times: E")
    for record in (given_up, run, given_up, audited()):
        tally.audit(record, commands=COMMANDS)
    agent = "risk/guard"
    assert reported(tally)["dead_letter_reasons"] == [
        {"agent": agent, "reason": "MalformedValue", "count": 1_000, "message": "too many dead letters"},
        {"agent": agent, "reason": "AgentFailure", "count": 2, "message": "Handle failed 5 times: E"},
    ]
    assert "dead_letter_reasons" not in reported(Tally())


# --- on the screen ----------------------------------------------------------------------------------------------------


def printed(tally: Tally, width: int = 140) -> str:
    out = io.StringIO()
    LineScreen(Console(file=out, width=width)).end_with(render(reported(tally)))
    return out.getvalue()


def test_the_closing_report_has_a_section_for_what_there_was() -> None:
    tally = refused(*[refusal("[red]/web")] * 1_200)
    tally.event()
    tally.audit(audited("Deny", rule="careful/sure"), commands=COMMANDS)
    tally.audit(audited("DeadLetter", dead_letter="SchemaMismatch", message="$.a: minimum: 1"), commands=COMMANDS)
    lines = [" ".join(line.split()) for line in printed(tally).splitlines()]
    assert lines[1:] == [
        "The loop",
        "events decisions allowed denied dead letters commands outcomes",
        "1 2 0 1 1 0 0",
        "",
        "Agents and their gates",
        "agent decisions allowed denied dead letters decision to command, ms: p50 p99",
        "risk/guard 2 0 1 1 - -",
        "",
        "What the policies said",
        "policy/rule denied would deny (Audit)",
        "careful/sure 1 -",
        "",
        "Why there are dead letters",
        "agent reason the first of them dead letters",
        "risk/guard SchemaMismatch $.a: minimum: 1 1",
        "",
        "Events that are not what their contract promises",
        "source topic reason as in events",
        '[red]/web risk.pages SchemaMismatch $.score: type: "number" 1,200',
        "",
        "Seconds",
        "s",
        "download of the stack (first time only) 0.0",
        "until Kafka answered -",
        "until every agent was ready -",
        "until the first command -",
        "this run in all, download included, installing left out 0.0",
    ]


def test_a_long_message_is_cut_on_the_screen_and_whole_in_the_report() -> None:
    tally = refused(refusal(error=f"E: {'x' * 300}"))
    assert reported(tally)["refused_events"]["sources"][0]["message"] == "x" * 300
    assert "x" * 117 + "..." in printed(tally, width=400)


def test_where_there_is_little_room_sentences_wrap_and_names_are_whole() -> None:
    shown = printed(refused(refusal("/plant/old-sensors", error=f"E: {'too much ' * 10}")), width=80)
    assert max(map(len, shown.splitlines())) <= 80
    assert all(name in shown for name in ("/plant/old-sensors", "risk.pages", "SchemaMismatch"))


def test_where_there_is_little_room_numbers_are_whole() -> None:
    report = reported(refused(refusal()))
    of_guard = dict.fromkeys(("decisions", "allowed", "denied", "dead_letters"), 1_234)
    report["agents"] = {"cold-chain/thaw": of_guard | {"decision_to_command_ms": {"p50": 264.5, "p99": 1_345.6}}}
    out = io.StringIO()
    LineScreen(Console(file=out, width=80)).end_with(render(report))
    [row] = [line for line in out.getvalue().splitlines() if line.startswith("cold")]
    assert row.split() == ["cold-chain/thaw", "1,234", "1,234", "1,234", "1,234", "264.5", "1,345.6"]


def test_a_run_in_which_nothing_has_happened_has_nothing_to_show() -> None:
    tally = Tally()
    assert not is_worth_showing(reported(tally))
    tally.event()
    assert is_worth_showing(reported(tally))


def test_the_closing_report_takes_the_place_of_the_table() -> None:
    out = io.StringIO()
    screen = LiveScreen(Console(file=out, width=100, force_terminal=True))
    screen.show([AgentRow("risk/guard", ready=True, state="Ready")])
    screen.end_with("the end")
    screen.say("stopping")
    shown = out.getvalue()
    assert shown.index("risk/guard") < shown.index("the end") < shown.index("stopping")
    assert "risk/guard" not in shown[shown.index("the end") :]
