"""What a new schema would break of what is in force."""

from __future__ import annotations

import json

import pytest
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.policylog import BindingRecord, CommandTarget, PolicyRecord, SchemaRecord, spec_digest
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.policy_rules import broken_by, broken_rules
from support.manifests import part_of


def schema(**fields: str) -> str:
    return json.dumps({"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}})


NOW = schema(amount="integer")
SHA = sha256_hex(NOW.encode())


def record(name: str, *rules: str, action: str = "Enforce") -> PolicyRecord:
    spec = PolicySpec.model_validate(
        {"failureAction": action, "rules": [{"name": f"r{index}", "require": rule} for index, rule in enumerate(rules)]}
    )
    return part_of(PolicyRecord, namespace="risk", name=name, revision=1, spec=spec, digest=spec_digest(spec))


def state(*policies: PolicyRecord) -> LogState:
    pay = CommandTarget(topic="risk.payments", keyed=True, schema_sha256=SHA)
    note = CommandTarget(topic="risk.notes", keyed=True)
    bindings = {
        name: part_of(BindingRecord, agent=name, agent_uid=name, labels={}, decisions={"pay": pay, "note": note})
        for name in ("clerk", "guard")
    }
    known = {SHA: SchemaRecord(epoch=1, sha256=SHA, definition=NOW)}
    return LogState(policies={policy.name: policy for policy in policies}, bindings=bindings, schemas=known)


def test_policy_rule_place_and_whom_it_concerns_are_said() -> None:
    in_force = state(record("limit", "true", "decision.parameters.amount < 5"))
    assert broken_rules(broken_by("risk.payments", schema(total="integer"), in_force)) == (
        "policy 'limit' for clerk/pay (rule 'r1': 1:20: decision.parameters has no field 'amount'; it has total), "
        "guard/pay (rule 'r1': 1:20: decision.parameters has no field 'amount'; it has total)"
    )


@pytest.mark.parametrize(
    ("policy", "topic", "new"),
    [
        pytest.param(record("p", "decision.parameters.amount < 5"), "risk.payments", NOW, id="the-same-schema"),
        pytest.param(
            record("p", "decision.parameters.amount < 5"),
            "risk.payments",
            schema(amount="integer", more="string"),
            id="a-field-more",
        ),
        pytest.param(
            record("p", "decision.confidence > 0.5"), "risk.payments", schema(total="integer"), id="a-rule-without-it"
        ),
        pytest.param(
            record("p", "decision.parameters.amount < 5", action="Audit"),
            "risk.payments",
            schema(total="integer"),
            id="an-Audit-policy",
        ),
        pytest.param(
            record("p", "decision.parameters.amount < 5"), "risk.other", schema(total="integer"), id="of-another-topic"
        ),
        pytest.param(
            record("p", "decision.paramters.amount < 5"),
            "risk.payments",
            schema(total="integer"),
            id="a-rule-that-did-not-check-before-either",
        ),
    ],
)
def test_a_schema_breaks_nothing(policy: PolicyRecord, topic: str, new: str) -> None:
    assert broken_by(topic, new, state(policy)) == {}
