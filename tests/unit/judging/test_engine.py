"""The one engine: what it is given it judges, and what breaks inside is a denial that names its policies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.reasons import VerdictReason
from streamwarden_contract.verdicts import Effect
from streamwarden_judging import rules
from streamwarden_judging.engine import Engine
from streamwarden_judging.typed.facts import Covered, decision_coercion
from streamwarden_judging.verdicts import BoundPolicy, PolicySet

if TYPE_CHECKING:
    from streamwarden_contract.canonical import JsonValue

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
DECISION: dict[str, JsonValue] = {"type": "block", "entity": "e", "parameters": {"score": 0.9}}


def engine(*requirements: str) -> Engine:
    spec = PolicySpec.model_validate(
        {
            "match": {"agentSelector": {"matchLabels": {}}},
            "rules": [{"name": f"r{number}", "require": text} for number, text in enumerate(requirements)],
        }
    )
    bound = rules.bind_policy("risk", "p", 3, spec)
    return Engine(rules.build_policy_set([(bound, spec)], ("block",)), {"name": "guard", "labels": {"tier": "1"}})


@pytest.mark.parametrize(
    ("rule", "effect"),
    [
        pytest.param("decision.parameters.score > 0.8", Effect.ALLOW, id="the-decision-is-seen"),
        pytest.param("agent.labels.tier == '2'", Effect.DENY, id="the-agent-is-seen"),
        pytest.param("now < timestamp('2026-01-02T00:00:00Z')", Effect.DENY, id="the-time-is-the-one-given"),
        pytest.param("decision.parameters.missing", Effect.DENY, id="an-error-denies"),
    ],
)
def test_a_decision_is_judged_by_the_rules(rule: str, effect: Effect) -> None:
    assert engine(rule).judge("block", DECISION, NOW).effect is effect


def test_a_type_that_no_policy_covers_is_denied() -> None:
    covered = BoundPolicy("risk", "p", 1, frozenset({"block"}), enforce=True, rules=())
    verdict = Engine(PolicySet(enforcing=(covered,)), {}).judge("other", DECISION, NOW)
    assert (verdict.effect, verdict.reason) == (Effect.DENY, VerdictReason.NO_POLICY)


class _Broken:
    def evaluate(self, facts: object) -> bool | str:
        raise SystemError(type(facts).__name__)


def test_an_engine_that_breaks_denies_and_names_the_policies_that_cover() -> None:
    one, other = (
        BoundPolicy("risk", name, 7, frozenset({covers}), enforce=True, rules=(), all_rules=_Broken())
        for name, covers in (("one", "block"), ("other", "allow"))
    )
    broken = PolicySet(enforcing=(one, other), fused={"block": ((one,), _Broken())})
    verdict = Engine(broken, {}).judge("block", DECISION, NOW)
    assert (verdict.effect, verdict.reason, verdict.policies) == (
        Effect.DENY,
        VerdictReason.RULE_ERROR,
        ("risk/one@7",),
    )
    assert verdict.message == "the rules could not be evaluated: SystemError"


SCHEMA: JsonValue = {
    "type": "object",
    "properties": {"rate": {"type": "number"}, "count": {"type": "integer"}, "rates": {"items": {"type": "number"}}},
}


def typed(*requirements: str) -> Engine:
    given = engine(*requirements)
    return Engine(given._policies, {}, {"block": decision_coercion(Covered("block", SCHEMA))})


def decided(confidence: JsonValue = 1, **parameters: JsonValue) -> dict[str, JsonValue]:
    return {"type": "block", "entity": "e", "confidence": confidence, "parameters": parameters}


@pytest.mark.parametrize(
    ("rule", "parameters"),
    [
        pytest.param("decision.parameters.rate * 1.5 == 60.0", {"rate": 40}, id="a-number-is-a-double"),
        pytest.param("decision.parameters.count % 2 == 1", {"count": 5.0}, id="an-integer-is-an-int"),
        pytest.param("decision.confidence * 2.0 == 2.0", {}, id="the-confidence-is-a-double"),
    ],
)
def test_x02_values_have_the_types_of_the_schema(rule: str, parameters: dict[str, JsonValue]) -> None:
    given = decided(**parameters)
    before = repr(given)
    assert typed(rule).judge("block", given, NOW).effect is Effect.ALLOW
    assert repr(given) == before


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        pytest.param({"rate": 2**53 + 1}, "9007199254740993 is no double", id="an-integer-that-no-double-holds"),
        pytest.param({"count": 2.0**63}, "is no 64-bit integer", id="a-double-beyond-the-integers"),
    ],
)
def test_what_a_type_cannot_hold_exactly_denies_whatever_the_rules_read(
    parameters: dict[str, JsonValue], said: str
) -> None:
    found = typed("true").judge("block", decided(**parameters), NOW)
    assert (found.effect, found.reason, found.rule) == (Effect.DENY, VerdictReason.RULE_ERROR, None)
    assert found.policies == ("risk/p@3",)
    assert said in found.message
