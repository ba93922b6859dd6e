"""Which rules err, and how often: what an ack says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace

import pytest
from streamwarden_contract.acks import MAX_RULE_ERRORS, RuleErrors
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.reasons import VerdictReason
from streamwarden_contract.verdicts import Effect
from streamwarden_gate.judge import Judge
from streamwarden_gate.rule_errors import FORGOTTEN_AFTER_S, RuleErrorTally
from streamwarden_judging.verdicts import Finding, Verdict
from support.gate_log import AGENT, NAMESPACE, MemoryLog, decision, record
from support.gate_memory_loop import World
from support.policy_log import binding_record, epoch_record, policy_record, policy_spec

LIMITS = PolicyRef(namespace="risk", name="limits", revision=3)
WATCH = PolicyRef(namespace="risk", name="watch", revision=1)
NOW_MS = 1_772_000_000_000


def erred(
    rule: str = "limits/r", message: str = "no such key: amount", *, namespace: str = "risk", revision: int = 3
) -> Verdict:
    policy = f"{namespace}/{rule.partition('/')[0]}@{revision}"
    return Verdict(Effect.DENY, VerdictReason.RULE_ERROR, rule, message, policy=policy)


@pytest.fixture
def tally() -> RuleErrorTally:
    made = RuleErrorTally()
    made.keep((LIMITS, WATCH))
    return made


def test_a_rule_is_told_at_its_first_error_and_at_each_power_of_ten(tally: RuleErrorTally) -> None:
    told: list[tuple[RuleErrors, ...]] = [tally.told]
    for number in range(250):
        tally.note(erred(message=f"error {number}"))
        if tally.told != told[-1]:
            told.append(tally.told)
    assert told == [
        (),
        *((RuleErrors(policy=LIMITS, rule="r", at_least=most, message="error 0"),) for most in (1, 10, 100)),
    ]


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(Verdict(Effect.DENY, VerdictReason.RULE_NOT_SATISFIED, "limits/r"), id="a-rule-that-says-no"),
        pytest.param(Verdict(Effect.DENY, VerdictReason.RULE_ERROR, None, "an integer beyond"), id="no-rule-s-own"),
        pytest.param(erred("gone/r"), id="of-a-policy-that-is-not-in-force"),
    ],
)
def test_what_is_no_error_of_a_rule_in_force_is_not_counted(tally: RuleErrorTally, verdict: Verdict) -> None:
    tally.note(verdict)
    assert list(tally.told) == []


def test_an_audit_policy_s_rule_counts_beside_the_one_that_decides(tally: RuleErrorTally) -> None:
    finding = Finding(Effect.DENY, VerdictReason.RULE_ERROR, "risk/watch@1", "watch/w", "no such key: x")
    tally.note(Verdict(Effect.ALLOW, VerdictReason.RULES_HOLD, would_deny=(finding,)))
    assert tally.told == (RuleErrors(policy=WATCH, rule="w", at_least=1, message="no such key: x"),)


def test_counts_go_on_under_a_new_set_and_begin_anew_with_a_new_revision(tally: RuleErrorTally) -> None:
    for _ in range(9):
        tally.note(erred())
    tally.keep((LIMITS,))
    tally.note(erred())
    assert [found.at_least for found in tally.told] == [10]
    newer = LIMITS.model_copy(update={"revision": 4})
    tally.keep((newer,))
    tally.note(erred())
    assert list(tally.told) == []
    tally.note(erred(revision=4))
    assert [(errors.policy, errors.at_least) for errors in tally.told] == [(newer, 1)]
    tally.keep(())
    tally.note(erred(revision=4))
    assert list(tally.told) == []


def test_a_rule_that_has_not_erred_for_an_hour_is_told_no_more_and_counts_from_one_again(tally: RuleErrorTally) -> None:
    for rule in ("limits/r", "limits/s"):
        for _ in range(10):
            tally.note(erred(rule))
    tally.forget(100, NOW_MS)
    tally.forget(100 + FORGOTTEN_AFTER_S / 2, NOW_MS)
    tally.note(erred("limits/s"))
    tally.forget(99 + FORGOTTEN_AFTER_S, NOW_MS)
    assert [found.rule for found in tally.told] == ["r", "s"]
    tally.forget(100 + FORGOTTEN_AFTER_S, NOW_MS)
    assert [(found.rule, found.at_least) for found in tally.told] == [("s", 10)]
    tally.note(erred())
    assert [(found.rule, found.at_least) for found in tally.told] == [("s", 10), ("r", 1)]
    tally.forget(100 + 3 * FORGOTTEN_AFTER_S, NOW_MS)
    assert [found.rule for found in tally.told] == ["r"]
    tally.forget(100 + 4 * FORGOTTEN_AFTER_S, NOW_MS)
    assert list(tally.told) == []


def test_when_a_rule_erred_last_is_told_at_once_and_then_every_five_minutes(tally: RuleErrorTally) -> None:
    began_ms, told = 1_772_000_000_000, list[tuple[int, int | None]]()
    for second in range(0, 901, 100):
        tally.note(erred())
        tally.forget(second, began_ms + second * 1000)
        [found] = tally.told
        told.append((found.at_least, found.last_error_at_ms))
    times = [began_ms + second * 1000 for second in (0, 0, 0, 300, 300, 300, 600, 600, 600, 900)]
    assert told == [(1, at) for at in times[:-1]] + [(10, times[-1])]
    tally.forget(900 + FORGOTTEN_AFTER_S - 1, began_ms + 4_499_000)
    assert [found.last_error_at_ms for found in tally.told] == [times[-1]], "looking at it is no error"


def test_a_clock_that_is_set_back_is_followed(tally: RuleErrorTally) -> None:
    for second, now_ms in ((0, 1_772_000_000_000), (10, 1_771_000_000_000)):
        tally.note(erred())
        tally.forget(second, now_ms)
    assert [found.last_error_at_ms for found in tally.told] == [1_771_000_000_000]


def test_s09_policies_of_one_name_in_two_namespaces_are_counted_apart(tally: RuleErrorTally) -> None:
    guardrail = LIMITS.model_copy(update={"namespace": "streamwarden", "revision": 8})
    tally.keep((LIMITS, guardrail))
    for _ in range(10):
        tally.note(erred(namespace="streamwarden", revision=8))
    tally.note(erred())
    assert [(errors.policy, errors.rule, errors.at_least) for errors in tally.told] == [
        (guardrail, "r", 10),
        (LIMITS, "r", 1),
    ]
    tally.keep((LIMITS, guardrail.model_copy(update={"revision": 9})))
    assert [errors.policy for errors in tally.told] == [LIMITS]


def test_of_many_rules_the_worst_are_told(tally: RuleErrorTally) -> None:
    for number in range(300):
        tally.note(erred(f"limits/r{number:03}"))
    for _ in range(10):
        tally.note(erred("limits/r200"))
    assert [found.rule for found in tally.told] == ["r200", *(f"r{number:03}" for number in range(MAX_RULE_ERRORS - 1))]


def test_a_gate_counts_what_it_judges() -> None:
    limits = policy_record(NAMESPACE, "limits", policy_spec("dyn(decision.parameters).amount < 5"), revision=7)
    log = MemoryLog()
    log.write_guardrails()
    log.write(limits, log.schema, binding_record(NAMESPACE, AGENT, (limits,), log.targets), epoch_record())
    tally, head, now = RuleErrorTally(), ChainHead(4, "ab" * 32, 1, 1), datetime(2026, 1, 31, 12, tzinfo=UTC)
    judge = Judge(log.build(), "pod-0", tally)
    judge.judge(record(decision(type="free", parameters={"amount": 4}).encode()), head, now)
    assert list(tally.told) == []
    outcome = judge.judge(record(decision(type="free").encode()), head, now)
    said = json.loads(outcome.audit.value or b"")["message"]
    ref = PolicyRef(namespace=NAMESPACE, name="limits", revision=7)
    assert list(tally.told) == [RuleErrors(policy=ref, rule="r0", at_least=1, message=said)]


def test_a_gate_takes_out_of_its_acks_what_has_not_erred_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    times = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr("streamwarden_gate.loop.time", times)
    world = World(MemoryLog())
    world.steps(1)
    [ref, *_] = world.log.build().refs
    policy = f"{ref.namespace}/{ref.name}@{ref.revision}"
    world.loop._rule_errors.note(Verdict(Effect.DENY, VerdictReason.RULE_ERROR, f"{ref.name}/r", "why", policy=policy))
    for after_s, expected in ((0, ["r"]), (FORGOTTEN_AFTER_S - 1, ["r"]), (FORGOTTEN_AFTER_S, [])):
        times.monotonic = partial(float, 1000.0 + after_s)
        world.steps(1)
        assert [found.rule for found in world.reports.said[-1].rule_errors] == expected


def test_a_gate_tells_when_a_rule_erred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamwarden_gate.loop.time_ns", lambda: 1_772_000_000_123_456_789)
    world = World(MemoryLog())
    world.steps(1)
    [ref, *_] = world.log.build().refs
    policy = f"{ref.namespace}/{ref.name}@{ref.revision}"
    world.loop._rule_errors.note(Verdict(Effect.DENY, VerdictReason.RULE_ERROR, f"{ref.name}/r", "why", policy=policy))
    world.steps(1)
    assert [found.last_error_at_ms for found in world.reports.said[-1].rule_errors] == [1_772_000_000_123]
