"""What a run's records add up to."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_cli.bypass.attempts import Answer, Target, all_refused, build_attempts
from streamwarden_cli.session.failures import Failures
from streamwarden_cli.session.report import Extras, Seconds, build_report
from streamwarden_cli.session.roles import find_roles
from streamwarden_cli.session.rows import halted_gates
from streamwarden_cli.session.tally import Tally, percentiles
from streamwarden_contract.audit import AuditRecord, DecisionPosition
from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_contract.models.agent_deployment import AgentDeploymentStatus
from streamwarden_contract.names import AgentNames
from support.cli_figures import COMMANDS, audited

if TYPE_CHECKING:
    from collections.abc import Callable


def report(tally: Tally, extras: Extras | None = None) -> dict[str, object]:
    return build_report(tally, extras or Extras())


def test_verdicts_are_counted_by_kind_and_by_rule() -> None:
    tally = Tally()
    tally.audit(audited(would_deny=("strict/sure",)), commands=COMMANDS)
    tally.audit(audited("Deny", rule="careful/sure"), commands=COMMANDS)
    tally.audit(audited("Deny", rule="careful/sure", would_deny=("strict/sure",)), commands=COMMANDS)
    tally.audit(audited("DeadLetter", dead_letter="MalformedValue"), commands=COMMANDS)

    figures = report(tally)

    assert figures["decisions"] == 4
    assert figures["dead_letters"] == 1
    assert figures["verdicts"] == {
        "Allow": 1,
        "Deny": 2,
        "DeadLetter": 1,
        "rules": {"careful/sure": 2},
        "wouldDeny": {"strict/sure": 2},
    }


@pytest.mark.parametrize(
    ("record", "said"),
    [
        pytest.param(
            audited("Deny", rule="careful/sure", message="too unsure"),
            {"verdict": "Deny", "deadLetter": None, "rule": "careful/sure", "message": "too unsure", "commandId": None},
            id="denied-in-the-rule-s-words",
        ),
        pytest.param(
            audited("DeadLetter", dead_letter="SchemaMismatch", message="$.a: minimum: 1"),
            {"verdict": "DeadLetter", "deadLetter": "SchemaMismatch", "rule": None, "message": "$.a: minimum: 1"},
            id="a-dead-letter-with-what-is-wrong",
        ),
    ],
)
def test_a_decisions_line_says_why(record: AuditRecord, said: dict[str, object]) -> None:
    line = Tally().audit(record, commands=COMMANDS)
    assert line is not None
    assert said.items() <= line.items()


def failed(rule: str | None, message: str, reason: str = "RuleError", trial: str = "") -> AuditRecord:
    found = audited("Deny", rule=rule)
    audit = {"policy": "risk/trial@1", "rule": "trial/r", "reason": "RuleError", "message": trial}
    return cast("AuditRecord", {**found, "reason": reason, "message": message, "wouldDeny": [audit] * bool(trial)})


def test_x02_rules_that_err_are_counted_and_told_once_in_the_engines_words() -> None:
    tally = Tally()
    tally.audit(failed("p/r", "divide by zero"), commands=COMMANDS)
    tally.audit(failed("p/r", "no such key", trial="no such overload"), commands=COMMANDS)
    tally.audit(failed(None, "too large", reason="InvalidSchema"), commands=COMMANDS)
    tally.audit(failed("p/plain", "not satisfied", reason="RuleNotSatisfied"), commands=COMMANDS)
    assert tally.rule_failures.news() == [
        "p/r could not be evaluated, which denies: divide by zero",
        "trial/r could not be evaluated, which denies: no such overload",
        "InvalidSchema could not be evaluated, which denies: too large",
    ]
    assert tally.rule_failures.news() == []
    assert report(tally)["rule_failures"] == {
        "InvalidSchema": {"count": 1, "message": "too large"},
        "p/r": {"count": 2, "message": "no such key"},
        "trial/r": {"count": 1, "message": "no such overload"},
    }
    assert tally.rule_failures.lines()[1] == "p/r could not be evaluated 2 times, the last time: no such key"
    assert "rule_failures" not in report(Tally())


def test_an_input_that_the_agent_gave_up_on_is_a_dead_letter_and_no_decision() -> None:
    tally = Tally()

    assert tally.audit(audited("DeadLetter", dead_letter="AgentFailure"), commands=COMMANDS) is None
    assert (report(tally)["decisions"], report(tally)["dead_letters"]) == (0, 1)


def test_x22_what_was_given_up_is_told_once_and_reported_with_entity_place_and_the_authors_line() -> None:
    tally = Tally()
    tally.audit(audited("DeadLetter", dead_letter="AgentFailure"), commands=COMMANDS)
    assert tally.failures.news() == [
        (
            "risk/guard has given up risk.pages/2/7 (e1): "
            "Handle failed 3 times: ValueError: my own bug (pages.py:12 in judge)"
        )
    ]
    assert tally.failures.news() == []
    assert report(tally)["given_up"] == [
        {
            "agent": "risk/guard",
            "entity": "e1",
            "place": "risk.pages/2/7",
            "why": "Handle failed 3 times: ValueError: my own bug (pages.py:12 in judge)",
        }
    ]


def test_x22_many_failures_are_told_in_few_lines_and_reported_up_to_a_hundred() -> None:
    tally = Tally()
    for _ in range(120):
        tally.audit(audited("DeadLetter", dead_letter="AgentFailure"), commands=COMMANDS)
    news = tally.failures.news()
    assert (news[0], len(news)) == ("115 more inputs were given up", 6)
    found: dict[str, Any] = report(tally)
    assert len(found["given_up"]) == 100
    assert found["agents"]["risk/guard"]["failures"] == 120


def run_of_dead_letters(reason: str, records: int) -> AuditRecord:
    record = audited("DeadLetter", dead_letter=reason)
    record["decision"]["records"] = records
    return record


def test_a_run_of_dead_letters_counts_its_records() -> None:
    tally = Tally()
    tally.audit(run_of_dead_letters("InvalidJson", 1_000), commands=COMMANDS)
    tally.audit(run_of_dead_letters("AgentFailure", 50), commands=COMMANDS)
    tally.audit(audited("DeadLetter", dead_letter="InvalidJson"), commands=COMMANDS)
    found: dict[str, Any] = report(tally)
    assert (found["decisions"], found["dead_letters"], found["verdicts"]["DeadLetter"]) == (1_001, 1_051, 1_051)
    assert found["agents"]["risk/guard"]["failures"] == 50
    assert tally.failures.news()[0] == "49 more inputs were given up"


def test_the_report_says_how_many_offsets_were_skipped() -> None:
    tally = Tally()
    tally.audit(skipped(3, 3), commands=COMMANDS)
    tally.audit(skipped(5, 1_004), commands=COMMANDS)
    found: dict[str, Any] = report(tally)
    assert (found["skipped"]["ranges"], found["skipped"]["offsets"]) == (2, 1_001)


def skipped(first: int, last: int) -> AuditRecord:
    record = audited("Skipped")
    record["decision"] = cast("DecisionPosition", {"partition": 1, "offset": first, "lastOffset": last})
    record["message"] = "requested by ada\u202e (a claim): broken"
    return record


def test_x07_skipped_ranges_are_no_decisions_told_once_and_reported() -> None:
    tally = Tally()
    assert tally.audit(skipped(3, 3), commands=COMMANDS) is None
    assert tally.audit(skipped(5, 9), commands=COMMANDS) is None
    why = "skipped, unjudged: requested by ada\\u202e (a claim): broken"
    assert tally.skips.news() == [
        f"risk/guard: offset 3 of decision partition 1 {why}",
        f"risk/guard: offsets 5 to 9 of decision partition 1 {why}",
    ]
    assert tally.skips.news() == []
    assert tally.skips.lines() == ["2 ranges of decisions were skipped, unjudged: the audit has each (verdict Skipped)"]
    found = cast("dict[str, Any]", report(tally, Extras(halted={"risk/guard": "gate guard-0 is halted"})))
    assert (found["decisions"], found["skipped"]["ranges"]) == (0, 2)
    assert found["skipped"]["first"][1]["last"] == 9
    assert found["halted"] == {"risk/guard": "gate guard-0 is halted"}
    assert not {"skipped", "halted"} & report(Tally()).keys()


@pytest.mark.parametrize(
    ("status", "reason", "halted"),
    [
        pytest.param("False", "RejectedByGate", {"risk/guard": "why"}, id="halted"),
        pytest.param("False", "GateNotReady", {}, id="not-there-yet"),
        pytest.param("False", "DecisionsInOpenTransaction", {"risk/guard": "why"}, id="kept-from-reading"),
        pytest.param("True", "RecordsSkipped", {}, id="goes-on"),
    ],
)
def test_a_gate_that_judges_no_more_is_halted(status: str, reason: str, halted: dict[str, str]) -> None:
    agent = _agent("guard", reads="risk.pages", outcomes=(), commands="blocks")
    said = {"type": "GateReady", "status": status, "reason": reason, "message": "why"}
    known = AgentDeploymentStatus.model_validate({"conditions": [said]})
    assert halted_gates([agent.model_copy(update={"status": known})]) == halted


def test_text_of_an_agent_is_shown_escaped_and_cut() -> None:
    failures = Failures()
    failures.add("guard", audited(message="a\x1b[2J\u202eb\nc"))
    failures.add("guard", audited(message="x" * 500))
    assert [one.why for one in failures.first] == ["a\\u001b[2J\\u202eb\\u000ac", "x" * 397 + "..."]


@pytest.mark.parametrize("command_first", [True, False], ids=["the-command-is-seen-first", "the-audit-is-seen-first"])
def test_latency_joins_command_and_audit_by_the_commands_id(*, command_first: bool) -> None:
    tally = Tally()
    steps: list[Callable[[], object]] = [
        lambda: tally.command("c1", received_ms=1_007.5, now_s=3.0),
        lambda: tally.audit(audited(at_ms=1_000), commands=COMMANDS),
    ]
    for step in steps if command_first else reversed(steps):
        step()

    assert report(tally)["decision_to_command_ms"] == {"p50": 7.5, "p99": 7.5}
    assert tally.first_command_s == 3.0
    assert tally.agents["risk/guard"].commands == 1


def test_an_allowed_decision_to_an_outcome_topic_is_no_command() -> None:
    tally = Tally()
    tally.audit(audited(topic="risk.blocked"), commands=COMMANDS)
    tally.outcome()

    assert (report(tally)["commands"], report(tally)["outcomes"]) == (0, 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {"p50": None, "p99": None}),
        ([4.0], {"p50": 4.0, "p99": 4.0}),
        ([float(n) for n in range(1, 101)], {"p50": 50.0, "p99": 99.0}),
    ],
)
def test_percentiles_are_values_that_were_measured(values: list[float], expected: dict[str, float | None]) -> None:
    assert percentiles(values) == expected


def test_the_report_takes_accuracy_from_the_program_at_the_end_and_no_other_figure() -> None:
    figures = report(Tally(), Extras(at_end={"accuracy": {"final": 0.93}, "events": 7, "plain_river": 0.92}))

    assert (figures["accuracy"], figures["events"], figures["plain_river"]) == ({"final": 0.93}, 0, 0.92)


def test_the_report_says_what_the_broker_answered() -> None:
    answers = [Answer("write", "TOPIC_AUTHORIZATION_FAILED", refused=True), Answer("read", "SUCCEEDED", refused=False)]

    figures = report(Tally(), Extras(bypass={"risk/guard": answers}, seconds=Seconds(stack=1.234, total=9)))

    assert figures["bypass"] == {
        "attempted": 2,
        "refused": 1,
        "attempts": {
            "risk/guard": [
                {"attempt": "write", "answer": "TOPIC_AUTHORIZATION_FAILED", "refused": True},
                {"attempt": "read", "answer": "SUCCEEDED", "refused": False},
            ]
        },
    }
    assert figures["seconds"] == {"stack": 1.23, "download": 0.0, "ready": None, "first_command": None, "total": 9}
    assert not all_refused(answers)
    assert not all_refused([])


def _agent(name: str, *, reads: str, outcomes: tuple[str, ...], commands: str) -> AgentDeployment:
    return AgentDeployment.model_validate(
        {
            "metadata": {"name": name, "namespace": "risk"},
            "spec": {
                "image": "x",
                "agent": {"entrypoint": "a:agent"},
                "inputs": [{"name": "in", "topicRef": {"name": reads}}],
                "outcomes": [{"name": f"o{n}", "topicRef": {"name": topic}} for n, topic in enumerate(outcomes)],
                "decisions": [{"type": "x", "commandTopicRef": {"name": commands}}],
            },
        }
    )


def test_a_topic_has_one_role_in_the_loop() -> None:
    contracts = [
        TopicContract.model_validate(
            {"metadata": {"name": name, "namespace": "risk"}, "spec": {"topicName": f"risk.{name}"}}
        )
        for name in ("pages", "blocks", "blocked")
    ]
    agents = [
        _agent("guard", reads="pages", outcomes=("blocked",), commands="blocks"),
        _agent("blocker", reads="blocks", outcomes=(), commands="blocked"),
    ]

    roles = find_roles(agents, contracts)

    assert roles.events == {"risk.pages"}
    assert roles.commands == {"risk.blocks"}
    assert roles.outcomes == {"risk.blocked"}
    assert roles.audits == {"risk.streamwarden.audit"}
    assert roles.agents[0].reads == {"risk.pages", "risk.blocked"}


def test_no_two_attempts_have_one_name() -> None:
    target = Target(AgentNames("risk", "guard"), ("risk.blocks",), (AgentNames("risk", "blocker"),))

    names = [attempt.name for attempt in build_attempts(target)]

    assert len(set(names)) == len(names)
    assert "use an id that begins like its own but for the dot, risk.guard.agentx" in names
    assert "write to another agent's decision topic, risk.blocker.decisions" in names


def test_the_fixed_names_that_are_tried_are_the_installation_s() -> None:
    target = Target(AgentNames("risk", "guard"), (), installation="other")

    names = [attempt.name for attempt in build_attempts(target)]

    assert "write to the guardrail policy topic, other.policies" in names
    assert "use the policy publisher's transactional id, other.operator.policy-log" in names
