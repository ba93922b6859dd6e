"""What does not compile, or does not fit a decision type, denies that type and takes nothing from the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.policylog import CommandTarget
from streamwarden_gate.judge import Judge
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.reporting import report_of
from support.gate_log import AGENT, NAMESPACE, MemoryLog, decision, record
from support.policy_log import binding_record, epoch_record, policy_record, policy_spec, schema_record

if TYPE_CHECKING:
    from streamwarden_contract.policylog import PolicyRecord
    from streamwarden_gate.active import ActiveSet

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HEAD = ChainHead(4, "ab" * 32, 1, 1)
OPEN = policy_record(NAMESPACE, "open", policy_spec())


def active_of(
    *policies: PolicyRecord, schema: str | None = None, not_applicable: dict[str, tuple[str, ...]] | None = None
) -> ActiveSet:
    """A set whose type ``block`` has this schema, and whose type ``free`` has none."""
    log = MemoryLog()
    log.write_guardrails()
    targets = dict(log.targets)
    schemas = [log.schema]
    if schema is not None:
        schemas = [schema_record(schema)]
        targets["block"] = CommandTarget(topic="risk.commands", keyed=True, schema_sha256=schemas[0].sha256)
    binding = binding_record(NAMESPACE, AGENT, policies, targets)
    binding = binding.model_copy(update={"not_applicable": not_applicable or {}})
    log.write(*policies, *schemas, binding, epoch_record())
    return log.build()


def audited(active: ActiveSet, kind: str) -> dict[str, Any]:
    """Judge a decision of a type; the command is there exactly where it is allowed."""
    outcome = Judge(active, "pod-0").judge(record(decision(type=kind).encode()), HEAD, NOW)
    audit: dict[str, Any] = json.loads(outcome.audit.value or b"")
    assert (outcome.command is not None) == (audit["verdict"] == "Allow")
    return audit


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param('{"properties":{"name":{"type":"string","pattern":"^(?!admin)[a-z]+$"}}}', id="a-look-ahead"),
        pytest.param('{"$ref":"file:///etc/hostname"}', id="a-file"),
        pytest.param('{"$ref":"https://example.com/s.json"}', id="the-network"),
        pytest.param('{"type":5}', id="no-schema"),
        pytest.param('{"type":', id="no-json"),
        pytest.param('{"maximum":1,"maximum":2}', id="a-repeated-key"),
    ],
)
def test_x13_a_bad_schema_denies_its_own_type_only(schema: str) -> None:
    active = active_of(OPEN, schema=schema)
    denied = audited(active, "block")
    assert (denied["verdict"], denied["reason"], denied["policies"]) == ("Deny", "InvalidSchema", ["risk/open@1"])
    assert denied["message"].startswith("the schema of risk.commands cannot be used: ")
    assert audited(active, "free")["verdict"] == "Allow"


def test_x13_a_rule_that_does_not_compile_denies_the_types_of_its_policy_only() -> None:
    bad = policy_record(NAMESPACE, "bad", policy_spec("true", "decision.confidence >=", decisions=["free"]))
    active = active_of(OPEN, bad)
    denied = audited(active, "free")
    assert (denied["verdict"], denied["reason"], denied["rule"]) == ("Deny", "RuleError", "bad/r1")
    assert denied["message"].startswith("1:23: Syntax error")
    assert audited(active, "block")["verdict"] == "Allow"


def test_x13_nor_does_one_half_of_a_rule_become_whole_beside_another() -> None:
    halves = policy_record(NAMESPACE, "halves", policy_spec("true) || (true", "false"))
    assert audited(active_of(halves), "free")["reason"] == "RuleError"


def test_x13_an_audit_policy_that_does_not_compile_only_says_so() -> None:
    bad = policy_record(NAMESPACE, "bad", policy_spec("nothing", action="Audit"))
    allowed = audited(active_of(OPEN, bad), "free")
    assert allowed["verdict"] == "Allow"
    (found,) = allowed["wouldDeny"]
    assert found.pop("message").startswith("1:1: undeclared reference to 'nothing'")
    assert found == {"policy": "risk/bad@1", "rule": "bad/r0", "reason": "RuleError"}


def test_the_ack_says_what_does_not_compile_and_the_gate_goes_on() -> None:
    bad = policy_record(NAMESPACE, "bad", policy_spec("nothing", decisions=["free"]))
    active = active_of(OPEN, bad, schema='{"type":5}')
    assert [fault.reason for fault in active.faults] == [
        RefusalReason.INVALID_EXPRESSION,
        RefusalReason.INVALID_SCHEMA,
    ]
    report = report_of(active, None, ())
    assert (report.state, report.reason, report.namespace_epoch) == ("InForce", "InvalidExpression", 1)
    assert report.message.startswith(
        "denied, as something does not compile: policy risk/bad@1: rule 'r0': 1:1: undeclared reference to 'nothing'"
    )
    assert report.message.endswith(" (and 1 more)")
    stale = Refusal(RefusalReason.ROLLED_BACK, "older")
    assert report_of(active, stale, ()).state == "Rejected"
    assert report_of(active_of(OPEN), None, ()).message == ""


def test_x01_a_policy_that_the_binding_calls_not_applicable_denies_that_type() -> None:
    active = active_of(OPEN, not_applicable={"free": ("open",)})
    denied = audited(active, "free")
    assert (denied["verdict"], denied["reason"], denied["rule"]) == ("Deny", "PolicyNotApplicable", None)
    assert "risk/open@1" in denied["message"]
    assert denied["policies"] == ["risk/open@1"]
    assert audited(active, "block")["verdict"] == "Allow"


def test_an_audit_policy_that_is_not_applicable_would_deny() -> None:
    trial = policy_record(NAMESPACE, "trial", policy_spec("true", action="Audit"), revision=2)
    allowed = audited(active_of(OPEN, trial, not_applicable={"free": ("trial",)}), "free")
    assert allowed["verdict"] == "Allow"
    (found,) = allowed["wouldDeny"]
    assert "risk/trial@2" in found.pop("message")
    assert found == {"policy": "risk/trial@2", "rule": "", "reason": "PolicyNotApplicable"}


def test_one_that_is_not_bound_denies_all_the_same() -> None:
    active = active_of(OPEN, not_applicable={"free": ("gone",)})
    assert audited(active, "free")["reason"] == "PolicyNotApplicable"
    assert audited(active, "block")["verdict"] == "Allow"


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        pytest.param("decision.parameters.score * 1.5 == 60.0", "Allow", id="X02-an-integer-in-a-number-is-a-double"),
        pytest.param("decision.confidence * 2.0 == 2.0", "Allow", id="the-confidence-is-a-double"),
    ],
)
def test_rules_see_the_schemas_types_and_the_command_keeps_what_the_agent_wrote(rule: str, verdict: str) -> None:
    active = active_of(policy_record(NAMESPACE, "typed", policy_spec(rule)))
    given = decision(parameters={"score": 40}, confidence=1.0)
    value = given.encode().replace(b'"confidence":1.0', b'"confidence":1')
    outcome = Judge(active, "pod-0").judge(record(value), HEAD, NOW)
    assert outcome.verdict == verdict
    assert outcome.command is not None
    assert outcome.command.value == b'{"score":40}'


def test_x02_the_audit_has_the_engines_words() -> None:
    active = active_of(policy_record(NAMESPACE, "typo", policy_spec("decision.confidense >= 0.8")))
    denied = audited(active, "free")
    assert (denied["reason"], denied["rule"]) == ("RuleError", "typo/r0")
    assert denied["message"] == 'Key not found in map : "confidense"'
