"""All policies that an agent is judged by share one limit of time; the newest is the one that is too much."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.policylog import (
    BindingRecord,
    BoundPolicyRef,
    CommandTarget,
    PolicyRecord,
    SchemaRecord,
    spec_digest,
)
from streamwarden_operator.desired.rule_checks import (
    MAX_TOTAL_COST_NS,
    Governed,
    Pair,
    RuleChecks,
    check_rules,
    listed,
    pairs_of,
)
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.policy_costs import NEWEST, Spending
from streamwarden_operator.plans.policy_rules import broken_by, broken_rules, check_policy, not_applicable, spending_of
from support.manifests import part_of

if TYPE_CHECKING:
    from collections.abc import Iterable

TAGS = json.dumps({"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}})
FEW_TAGS = TAGS.replace('"type": "array"', '"type": "array", "maxItems": 10')
RULE = "!has(decision.parameters.tags) || decision.parameters.tags.all(t, t.matches('^[a-z]+$'))"
"""Of which four are within the limit, and five are not, where the schema bounds nothing."""


def spec(rules: int, action: str = "Enforce") -> PolicySpec:
    named = [{"name": f"r{number}", "require": RULE} for number in range(rules)]
    return PolicySpec.model_validate({"failureAction": action, "rules": named})


def record(name: str, revision: int, rules: int, action: str = "Enforce") -> PolicyRecord:
    made = spec(rules, action)
    return part_of(PolicyRecord, namespace="risk", name=name, revision=revision, spec=made, digest=spec_digest(made))


def refs(policies: Iterable[PolicyRecord]) -> tuple[BoundPolicyRef, ...]:
    return tuple(
        BoundPolicyRef(namespace="risk", name=policy.name, revision=policy.revision, digest=policy.digest)
        for policy in policies
    )


def state(*policies: PolicyRecord, schema: str = TAGS, bound: bool = True) -> LogState:
    sha256 = sha256_hex(schema.encode())
    tag = CommandTarget(topic="risk.tags", keyed=True, schema_sha256=sha256)
    binding = part_of(
        BindingRecord, agent="guard", agent_uid="u", labels={}, decisions={"tag": tag}, policies=refs(policies)
    )
    schemas = {sha256: SchemaRecord(epoch=1, sha256=sha256, definition=schema)}
    named = {policy.name: policy for policy in policies}
    return LogState(policies=named, bindings={"guard": binding} if bound else {}, schemas=schemas)


GUARD = Governed("guard", {}, {"tag": TAGS})


def checked(name: str, made: PolicySpec, in_force: LogState) -> RuleChecks:
    spending = spending_of(in_force.policies.values(), [GUARD], in_force)
    return check_policy(name, made, [GUARD], in_force, spending)


def test_a_policy_may_take_exactly_what_the_others_leave() -> None:
    pairs = pairs_of(spec(1), [GUARD])
    (own_ns,) = check_rules(spec(1), pairs).costs_ns.values()
    left_ns = MAX_TOTAL_COST_NS - own_ns
    assert check_rules(spec(1), pairs, spent=lambda _: left_ns).refused == {}
    beyond = check_rules(spec(1), pairs, spent=lambda _: left_ns + 1.0)
    (fault,) = beyond.refused[0]
    assert str(fault) == (
        "1:1: all policies of the agent together may take 0.30 s for one decision, and at most 0.3 s is allowed: this "
        "one takes 0.07 s of it"
    )


def test_the_newest_policy_is_refused_and_what_is_in_force_goes_on() -> None:
    in_force = state(record("old", 4, 2), record("b", 9, 2, action="Audit"))
    assert checked("a-new-one", spec(1), in_force).refused.keys() == {0}
    assert checked("old", spec(2), in_force).not_applicable == {}
    assert checked("b", spec(2, "Audit"), in_force).not_applicable == {}


@pytest.mark.parametrize(
    ("rules", "refused"), [pytest.param(3, {0}, id="that-takes-more"), pytest.param(1, set(), id="that-takes-less")]
)
def test_an_edit_is_held_against_all_others_and_not_against_what_it_replaces(rules: int, refused: set[int]) -> None:
    in_force = state(record("old", 4, 2), record("b", 9, 2))
    assert checked("old", spec(rules), in_force).refused.keys() == refused


def test_a_policy_that_is_deleted_takes_nothing_any_more() -> None:
    in_force = state(record("old", 4, 2), record("b", 9, 2))
    spending = spending_of([in_force.policies["b"]], [GUARD], in_force)
    assert check_policy("new", spec(2), [GUARD], in_force, spending).refused == {}


def test_a_policy_without_rules_takes_nothing() -> None:
    in_force = state(record("old", 4, 4))
    assert checked("anything-goes", spec(0), in_force).not_applicable == {}


def test_where_a_policy_is_too_much_for_one_agent_only_it_is_not_applicable_there() -> None:
    in_force = state(record("old", 4, 4))
    agents = [GUARD, Governed("other", {}, {"tag": FEW_TAGS})]
    spending = spending_of(in_force.policies.values(), [GUARD], in_force)
    found = check_policy("new", spec(1), agents, in_force, spending)
    assert found.refused == {}
    assert listed(found.not_applicable).startswith("guard/tag (all policies of the agent together may take 0.35 s")


def test_for_a_new_agent_the_newest_of_too_many_policies_denies() -> None:
    known = state(record("a", 9, 2), record("b", 4, 3), bound=False)
    tag = CommandTarget(topic="risk.tags", keyed=True, schema_sha256=sha256_hex(TAGS.encode()))
    named = refs(known.policies.values())
    draft = part_of(BindingRecord, agent="guard", agent_uid="u", labels={}, decisions={"tag": tag}, policies=named)
    assert not_applicable({"guard": draft}, known.policies, {}, known) == {"guard": {"tag": ("a",)}}


def test_a_schema_that_takes_bounds_away_breaks_the_newest_policy() -> None:
    in_force = state(record("a", 9, 2), record("b", 4, 3), schema=FEW_TAGS)
    assert broken_by("risk.tags", FEW_TAGS, in_force) == {}
    assert broken_rules(broken_by("risk.tags", TAGS, in_force)) == (
        "policy 'a' for guard/tag (all policies of the agent together may take 0.35 s for one decision, and at most "
        "0.3 s is allowed: this one takes 0.14 s of it)"
    )


def costs(of_guard_ns: float) -> RuleChecks:
    return RuleChecks(costs_ns={Pair("guard", "tag"): of_guard_ns})


@pytest.mark.parametrize(
    ("name", "revision", "expected_ns"),
    [
        pytest.param("a", 4, 0.0, id="the-oldest"),
        pytest.param("b", 9, 1.0, id="the-next"),
        pytest.param("a", NEWEST, 2.0 + 4.0 + 8.0, id="an-edit-of-the-oldest"),
        pytest.param("c", NEWEST, 1.0 + 2.0 + 8.0, id="one-that-is-not-published-is-not-held-against-itself"),
        pytest.param("new", NEWEST, 1.0 + 2.0 + 4.0 + 8.0, id="one-that-comes-after-those-that-are-not-published"),
        pytest.param("new", 9, 1.0, id="between"),
    ],
)
def test_each_policy_is_held_against_all_others_that_come_before_it(
    name: str, revision: int, expected_ns: float
) -> None:
    spending = Spending()
    for number, (added, its) in enumerate((("d", NEWEST), ("b", 9), ("c", NEWEST), ("a", 4))):
        spending.add(added, its, costs((8.0, 2.0, 4.0, 1.0)[number]))
    assert spending.before(name, revision)(("guard", "tag")) == expected_ns
    assert spending.before(name, revision)(("guard", "other")) == 0.0


def test_an_edit_takes_the_place_of_what_a_policy_took_until_now() -> None:
    spending = Spending()
    for name, revision, cost_ns in (("a", 4, 1.0), ("b", 9, 2.0), ("a", NEWEST, 16.0)):
        spending.add(name, revision, costs(cost_ns))
    assert spending.before("b", 9)(("guard", "tag")) == 0.0
    assert spending.before("new", NEWEST)(("guard", "tag")) == 18.0
    spending.add("a", 10, spending.checks["a"])  # as it is published
    assert spending.before("new", 10)(("guard", "tag")) == 2.0
    assert spending.before("new", 11)(("guard", "tag")) == 18.0
