from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamwarden_contract import canonical, events, ids
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.decision import Cause, Failure
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.policylog import CommandTarget
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_gate.dead_letters import MAX_DEAD_LETTER_BYTES
from streamwarden_gate.judge import Judge
from support.gate_log import AGENT, NAMESPACE, MemoryLog, decision, headers, record
from support.policy_log import binding_record, epoch_record, policy_record, policy_spec

if TYPE_CHECKING:
    from streamwarden_contract.canonical import JsonValue
    from streamwarden_gate.outcome import Outcome
    from streamwarden_gate.records import Record

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HEAD = ChainHead(4, "ab" * 32, 1, 1)
GOOD = decision().encode()


def judge_of(*policies: tuple[str, tuple[str, ...], str]) -> Judge:
    """A judge under policies given by name, rules and failure action."""
    log = MemoryLog()
    log.write_guardrails()
    records = [
        policy_record(NAMESPACE, name, policy_spec(*rules, action=action), revision=number)
        for number, (name, rules, action) in enumerate(policies, start=1)
    ]
    targets = log.targets | {"naked": CommandTarget(topic="risk.naked", keyed=True)}
    log.write(*records, log.schema, binding_record(NAMESPACE, AGENT, records, targets), epoch_record())
    return Judge(log.build(), "pod-0")


JUDGE = judge_of(("confident", ("decision.confidence >= 0.8", "decision.parameters.score < 10.0"), "Enforce"))


def audit_of(outcome: Outcome) -> dict[str, JsonValue]:
    found = canonical.decode(outcome.audit.value or b"")
    assert isinstance(found, dict)
    return found


def test_an_allowed_decision_becomes_a_command() -> None:
    outcome = JUDGE.judge(record(GOOD, offset=5), HEAD, NOW)
    command, number = outcome.command, record(GOOD).partition
    assert command is not None
    assert outcome.dead_letter is None
    assert (command.topic, command.key, command.value) == ("risk.commands", b"page-1", b'{"score":0.5}')
    command_id = ids.command_id("uid-1", "topic-id", number, 5)
    assert dict(command.headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": command_id.encode(),
        "ce_source": b"/streamwarden/risk/guard",
        "ce_type": b"block",
        "ce_subject": b"page-1",
        "ce_time": b"2023-11-14T22:13:20.000Z",
        "ce_correlationid": b"c-1",
        "ce_causationid": b"i-1",
        "ce_hops": b"2",
        "ce_expirytime": b"2026-01-31T12:05:00.000Z",
        "sw-format": b"1",
        "sw-verdict": b"Allow",
        "sw-policies": b"risk/confident@1",
        "sw-gate": b"pod-0",
        "sw-lineage": b"claimed",
    }


@pytest.mark.parametrize(
    ("expires_after_ms", "expiry"),
    [
        pytest.param(None, "2026-01-31T12:05:00.000Z", id="five-minutes-where-the-binding-says-nothing"),
        pytest.param(1_000, "2026-01-31T12:00:01.000Z", id="a-second"),
        pytest.param(86_400_000, "2026-02-01T12:00:00.000Z", id="a-day"),
    ],
)
def test_a_command_expires_some_time_after_its_verdict(expires_after_ms: int | None, expiry: str) -> None:
    log = MemoryLog()
    log.write_guardrails()
    target = CommandTarget(topic="risk.commands", keyed=True, expires_after_ms=expires_after_ms)
    binding = binding_record(NAMESPACE, AGENT, [log.policy], {"block": target})
    log.write(log.policy, log.schema, binding, epoch_record())
    outcome = Judge(log.build(), "pod-0").judge(record(GOOD), HEAD, NOW)
    assert outcome.command is not None
    assert dict(outcome.command.headers)["ce_expirytime"] == expiry.encode()


@pytest.mark.parametrize(
    ("value", "verdict", "topics"),
    [
        pytest.param(GOOD, "Allow", ["risk.commands", "risk.streamwarden.audit"], id="an-allowed-one-is-a-command"),
        pytest.param(
            decision(confidence=0.1).encode(),
            "Deny",
            ["risk.streamwarden.audit"],
            id="a-denied-one-is-in-the-audit-only",
        ),
        pytest.param(
            b"broken", "DeadLetter", ["risk.streamwarden.audit", "risk.streamwarden.dlq"], id="a-broken-one-is-kept"
        ),
    ],
)
def test_a_record_counts_as_one_verdict_and_what_follows_is_written_together(
    value: bytes, verdict: str, topics: list[str]
) -> None:
    outcome = JUDGE.judge(record(value), HEAD, NOW)
    assert (outcome.verdict, [write.topic for write in outcome.writes]) == (verdict, topics)


def test_an_allowed_decision_has_an_audit_record() -> None:
    outcome = JUDGE.judge(record(GOOD, offset=5), HEAD, NOW)
    number = record(GOOD).partition
    command_id = ids.command_id("uid-1", "topic-id", number, 5)
    assert outcome.audit.key == f"guard/{number}".encode()
    assert audit_of(outcome) == {
        "format": 1,
        "id": ids.audit_id("uid-1", "topic-id", number, 5),
        "time": "2026-01-31T12:00:00.000Z",
        "namespace": "risk",
        "agent": "guard",
        "agentUid": "uid-1",
        "gate": "pod-0",
        "decision": {
            "topic": "risk.guard.decisions",
            "topicId": "topic-id",
            "partition": number,
            "offset": 5,
            "timestamp": 1_700_000_000_000,
            "id": "d-1",
            "type": "block",
            "entity": "page-1",
            "digest": sha256_hex(GOOD),
        },
        "cause": {"topic": "risk.inputs", "partition": 0, "offset": 7},
        "lineage": "claimed",
        "correlationid": "c-1",
        "causationid": "i-1",
        "hops": 2,
        "verdict": "Allow",
        "reason": "RulesHold",
        "deadLetter": None,
        "rule": None,
        "message": "",
        "policies": ["risk/confident@1"],
        "wouldDeny": [],
        "epochs": {"namespace": 1, "guardrail": 1},
        "command": {"id": command_id, "topic": "risk.commands"},
        "confidence": 0.9,
        "reasoning": "looks bad",
        "model": None,
        "latencyMs": NOW.timestamp() * 1000 - 1_700_000_000_000,
        "chain": {"length": 5, "previous": "ab" * 32},
    }


def test_a_target_without_keys_gets_a_command_without_a_key() -> None:
    outcome = JUDGE.judge(record(decision(type="free").encode()), HEAD, NOW)
    assert outcome.command is not None
    assert (outcome.command.topic, outcome.command.key) == ("risk.notes", None)


@pytest.mark.parametrize(
    ("policies", "reason", "rule"),
    [
        pytest.param((), "NoPolicy", None, id="no-policy-covers-it"),
        pytest.param((("a", ("false",), "Audit"),), "NoPolicy", None, id="an-audit-policy-allows-nothing"),
        pytest.param((("a", ("false",), "Enforce"),), "RuleNotSatisfied", "a/r0", id="a-rule-is-false"),
        pytest.param((("a", ("true", "false"), "Enforce"),), "RuleNotSatisfied", "a/r1", id="one-of-two-is-false"),
        pytest.param((("a", ("decision.nothing > 1",), "Enforce"),), "RuleError", "a/r0", id="a-field-is-missing"),
        pytest.param((("a", ("1 / 0 == 1",), "Enforce"),), "RuleError", "a/r0", id="a-division-by-zero"),
        pytest.param((("a", ("decision.entity",), "Enforce"),), "RuleError", "a/r0", id="a-value-that-is-no-boolean"),
        pytest.param(
            (("a", ("decision.entity.matches(decision.reasoning + '(((')",), "Enforce"),),
            "RuleError",
            "a/r0",
            id="a-regular-expression-that-breaks-at-run-time",
        ),
    ],
)
def test_a_decision_is_denied(policies: tuple[tuple[str, tuple[str, ...], str], ...], reason: str, rule: str) -> None:
    outcome = judge_of(*policies).judge(record(GOOD), HEAD, NOW)
    audit = audit_of(outcome)
    assert (outcome.command, outcome.dead_letter) == (None, None)
    assert (audit["verdict"], audit["reason"], audit["rule"]) == ("Deny", reason, rule)


def test_audit_policies_only_say_what_they_would_deny() -> None:
    judge = judge_of(("open", (), "Enforce"), ("strict", ("decision.confidence > 0.99", "true"), "Audit"))
    outcome = judge.judge(record(GOOD), HEAD, NOW)
    assert outcome.command is not None
    assert audit_of(outcome)["wouldDeny"] == [
        {"policy": "risk/strict@2", "rule": "strict/r0", "reason": "RuleNotSatisfied"}
    ]


@pytest.mark.slow
def test_x05_no_set_of_audit_policies_makes_a_record_that_kafka_refuses() -> None:
    strict = [(f"strict-{number}-{'x' * 200}", ("false",) * 64, "Audit") for number in range(80)]
    outcome = judge_of(("open", (), "Enforce"), *strict).judge(record(GOOD), HEAD, NOW)
    audit = audit_of(outcome)
    assert len(outcome.audit.value or b"") < 64 * 1024
    found = audit["wouldDeny"]
    assert isinstance(found, list)
    assert (len(found), audit["omitted"]) == (32, {"policies": 0, "wouldDeny": 80 * 64 - 32})


@pytest.mark.slow
def test_x05_nor_does_any_number_of_policies_that_allow() -> None:
    outcome = judge_of(*((f"open-{number}-{'x' * 200}", (), "Enforce") for number in range(1_000))).judge(
        record(GOOD), HEAD, NOW
    )
    audit = audit_of(outcome)
    assert outcome.command is not None
    assert len(dict(outcome.command.headers)["sw-policies"] or b"") < 20_000
    assert len(outcome.audit.value or b"") < 128 * 1024
    named = audit["policies"]
    assert isinstance(named, list)
    assert (len(named), audit["omitted"]) == (256, {"policies": 744, "wouldDeny": 0})


def test_rules_see_the_agent_and_the_time() -> None:
    rule = "agent.labels.role == 'test' && agent.name == 'guard' && now > timestamp('2026-01-01T00:00:00Z')"
    assert judge_of(("a", (rule,), "Enforce")).judge(record(GOOD), HEAD, NOW).command is not None


NESTED = b'{"parameters":' + b"[" * 10_000 + b"]" * 10_000 + b"}"


@pytest.mark.parametrize(
    ("given_record", "reason"),
    [
        pytest.param(record(b"x" * 70_000), DeadLetterReason.TOO_LARGE, id="more-than-64-KiB"),
        pytest.param(record(GOOD, headers_=[("a", b"x" * 70_000)]), DeadLetterReason.TOO_LARGE, id="large-headers"),
        pytest.param(record(GOOD, key=b"k" * 70_000), DeadLetterReason.TOO_LARGE, id="large-key"),
        pytest.param(record(GOOD, headers_=[]), DeadLetterReason.MALFORMED_HEADERS, id="no-headers"),
        pytest.param(
            record(GOOD, headers_=[*headers(), ("ce_id", b"2")]), DeadLetterReason.MALFORMED_HEADERS, id="two-ids"
        ),
        pytest.param(
            record(GOOD, headers_=[*headers(), ("ce_admin", b"1")]), DeadLetterReason.MALFORMED_HEADERS, id="unknown-ce"
        ),
        pytest.param(
            record(GOOD, headers_=headers(type_="streamwarden.release")),
            DeadLetterReason.MALFORMED_HEADERS,
            id="a-forged-release-record",
        ),
        pytest.param(
            record(GOOD, headers_=[*headers(), ("sw-verdict", b"Allow")]), DeadLetterReason.RESERVED_HEADER, id="sw"
        ),
        pytest.param(
            record(GOOD, headers_=[*headers(), ("SW-Signature", b"1")]), DeadLetterReason.RESERVED_HEADER, id="SW"
        ),
        pytest.param(record(GOOD, key=None), DeadLetterReason.MISSING_KEY, id="no-key"),
        pytest.param(record(None), DeadLetterReason.MALFORMED_VALUE, id="a-tombstone"),
        pytest.param(record(b""), DeadLetterReason.MALFORMED_VALUE, id="an-empty-value"),
        pytest.param(record(b'{"type":"\xff"}'), DeadLetterReason.MALFORMED_VALUE, id="broken-UTF-8"),
        pytest.param(record(b'{"type":"\\ud800"}'), DeadLetterReason.MALFORMED_VALUE, id="a-lone-surrogate"),
        pytest.param(record(GOOD.replace(b"0.5", b"NaN")), DeadLetterReason.MALFORMED_VALUE, id="NaN"),
        pytest.param(record(GOOD.replace(b"0.5", b"-Infinity")), DeadLetterReason.MALFORMED_VALUE, id="infinity"),
        pytest.param(record(GOOD.replace(b"0.5", b"1e999")), DeadLetterReason.MALFORMED_VALUE, id="beyond-doubles"),
        pytest.param(record(GOOD.replace(b"0.5", b"1" * 30)), DeadLetterReason.MALFORMED_VALUE, id="beyond-int64"),
        pytest.param(
            record(GOOD.replace(b'"entity"', b'"entity":"page-2","entity"')),
            DeadLetterReason.MALFORMED_VALUE,
            id="a-repeated-key",
        ),
        pytest.param(record(NESTED), DeadLetterReason.MALFORMED_VALUE, id="depth-10000"),
        pytest.param(record(b"[]"), DeadLetterReason.MALFORMED_DECISION, id="no-object"),
        pytest.param(record(b"{}"), DeadLetterReason.MALFORMED_DECISION, id="no-fields"),
        pytest.param(
            record(GOOD.replace(b'{"', b'{"admin":true,"', 1)), DeadLetterReason.MALFORMED_DECISION, id="unknown-field"
        ),
        pytest.param(
            record(GOOD.replace(b"0.9", b'"0.9"')), DeadLetterReason.MALFORMED_DECISION, id="a-number-as-a-string"
        ),
        pytest.param(record(GOOD, key=b"page-2"), DeadLetterReason.ENTITY_MISMATCH, id="anothers-entity"),
        pytest.param(record(GOOD, headers_=headers("page-2")), DeadLetterReason.ENTITY_MISMATCH, id="another-subject"),
        pytest.param(record(GOOD, headers_=headers(None)), DeadLetterReason.ENTITY_MISMATCH, id="no-subject"),
        pytest.param(
            record(GOOD, partition=(record(GOOD).partition + 1) % 3),
            DeadLetterReason.WRONG_PARTITION,
            id="the-wrong-partition",
        ),
        pytest.param(record(decision(type="delete").encode()), DeadLetterReason.UNDECLARED_TYPE, id="undeclared-type"),
        pytest.param(
            record(decision(parameters={"score": "high"}).encode()), DeadLetterReason.SCHEMA_MISMATCH, id="schema"
        ),
    ],
)
def test_a_record_that_cannot_be_judged_is_a_dead_letter(given_record: Record, reason: DeadLetterReason) -> None:
    outcome = JUDGE.judge(given_record, HEAD, NOW)
    assert outcome.command is None
    assert outcome.dead_letter is not None
    envelope, audit = canonical.decode(outcome.dead_letter.value or b""), audit_of(outcome)
    assert isinstance(envelope, dict)
    assert (envelope["reason"], audit["deadLetter"], audit["verdict"]) == (reason, reason, "DeadLetter")
    kept = envelope["value"]
    assert (None if kept is None else base64.b64decode(str(kept))) == given_record.value
    assert audit["chain"] == {"length": 5, "previous": "ab" * 32}


def test_a_failure_record_is_a_dead_letter_that_names_its_input() -> None:
    failure = Failure(cause=Cause(topic="risk.inputs", partition=1, offset=9), error="ValueError: no", attempts=5)
    outcome = JUDGE.judge(record(failure.encode(), headers_=headers(type_=events.FAILURE_TYPE)), HEAD, NOW)
    assert outcome.dead_letter is not None
    envelope = canonical.decode(outcome.dead_letter.value or b"")
    assert isinstance(envelope, dict)
    cause = {"topic": "risk.inputs", "partition": 1, "offset": 9}
    assert (envelope["reason"], envelope["cause"]) == ("AgentFailure", cause)
    audit = canonical.decode(outcome.audit.value or b"")
    assert isinstance(audit, dict)
    position = audit["decision"]
    assert isinstance(position, dict)
    assert (position["type"], position["entity"]) == (None, "page-1"), "X22: what it was about is told"
    assert envelope["message"] == "Handle failed 5 times: ValueError: no"
    assert audit_of(outcome)["cause"] == cause


@pytest.mark.parametrize(
    "given_record",
    [
        pytest.param(record(b"\x00" * 1_000_000), id="a-record-of-1-MiB-is-kept"),
        pytest.param(record(b"\x00" * 8_000_000), id="a-record-that-compression-hid"),
        pytest.param(record(b"", headers_=[("\x01" * 1_000_000, b"")]), id="names-that-grow-when-escaped"),
        pytest.param(record(b"", key=b"k" * 1_000_000), id="a-key-of-1-MiB"),
    ],
)
def test_a_dead_letter_fits_its_topic(given_record: Record) -> None:
    dead_letter = JUDGE.judge(given_record, HEAD, NOW).dead_letter
    assert dead_letter is not None
    assert len(dead_letter.value or b"") + len(dead_letter.key or b"") <= MAX_DEAD_LETTER_BYTES


def test_a_chain_goes_on_from_record_to_record() -> None:
    head, previous = ChainHead(), ChainHead().sha256
    for offset, value in enumerate([GOOD, b"broken", decision(confidence=0.1).encode()]):
        outcome = JUDGE.judge(record(value, offset=offset), head, NOW)
        assert audit_of(outcome)["chain"] == {"length": offset + 1, "previous": previous}
        head, previous = outcome.head, sha256_hex(outcome.audit.value or b"")
    assert (head.length, head.sha256) == (3, previous)


def test_judging_again_gives_the_same_bytes() -> None:
    assert JUDGE.judge(record(GOOD), HEAD, NOW) == JUDGE.judge(record(GOOD), HEAD, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["type", "entity", "parameters", "cause", "confidence", "model"]), JSON).map(
        lambda fields: json.dumps(decision().model_dump(exclude_none=True) | fields).encode()
    ),
    st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=3)).map(
        lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] :]
    ),
)
HEADERS = st.one_of(
    st.just(headers()),
    st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_type", "ce_source", "ce_specversion", "ce_hops", "sw-x", "ce_time"])
            | st.text(max_size=6),
            st.none() | st.binary(max_size=12) | st.text(max_size=6),
        ),
        max_size=6,
    ),
)


@pytest.mark.slow
@given(value=VALUES, key=st.none() | st.just(b"page-1") | st.binary(max_size=8), given_headers=HEADERS)
@settings(max_examples=4 * settings().max_examples)
def test_any_record_gives_exactly_one_audit_record(
    value: bytes | None, key: bytes | None, given_headers: list[tuple[str, bytes]]
) -> None:
    outcome = JUDGE.judge(record(value, key=key, headers_=given_headers), HEAD, NOW)
    audit = audit_of(outcome)
    assert outcome.verdict == audit["verdict"]
    assert outcome.head.length == HEAD.length + 1
    assert (outcome.command is not None) is (audit["verdict"] == "Allow")
    assert (outcome.dead_letter is not None) is (audit["verdict"] == "DeadLetter")
