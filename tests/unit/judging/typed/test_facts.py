"""Types of the variables: united over the decision types that a policy covers, and those of the data beside it."""

import pytest
from streamwarden_contract.canonical import JsonValue
from streamwarden_judging.typed.checking import CheckedRule, checker_for
from streamwarden_judging.typed.data_types import MAX_DATA_BYTES, ParamsError
from streamwarden_judging.typed.facts import Covered, envelope_types, rule_types
from streamwarden_judging.typed.types import UNTYPED, ListType, ObjectRef, Scalar, ScalarType, ValueType, as_nullable

INT, DOUBLE = ScalarType(Scalar.INT), ScalarType(Scalar.DOUBLE)
NODE: JsonValue = {
    "type": "object",
    "properties": {"v": {"type": "number"}, "c": {"type": "array", "items": {"$ref": "#"}}},
}
BLOCK = Covered("block", {"type": "object", "properties": {"kind": {"enum": ["url"]}, "n": {"type": "integer"}}})
REFUND = Covered(
    "refund",
    {
        "type": "object",
        "properties": {"kind": {"enum": ["shop"]}, "n": {"type": "string"}, "amount": {"type": "number"}},
    },
)


def outcome(rule: str, own: Covered, *others: Covered) -> str:
    checked = checker_for(*rule_types(own, others, ["role"])).check(rule)
    return "taken" if isinstance(checked, CheckedRule) else str(checked[0])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("decision.parameters.amount < 5", "taken"),
        ("decision.parameters.n < 5", "taken"),
        ("decision.parameters.kind != 'shop'", "taken"),
        ("decision.parameters.kind != 'sop'", "1:29: the schema never allows 'sop' here, only url, shop"),
        ("decision.type != 'refund'", "taken"),
        ("decision.type != 'refnd'", "1:18: the schema never allows 'refnd' here, only block, refund"),
        ("decision.parameters.amont < 5", "1:20: decision.parameters has no field 'amont'; did you mean 'amount'?"),
        ("agent.labels.role == 'a'", "taken"),
        ("agent.labels.tier == 'a'", "1:13: agent.labels has no field 'tier'; it has role"),
    ],
)
def test_a_name_is_a_mistake_only_where_no_covered_type_has_it(rule: str, expected: str) -> None:
    assert outcome(rule, BLOCK, REFUND) == expected


def test_types_that_hold_themselves_are_united() -> None:
    items: JsonValue = {"type": "array", "items": {"$ref": "#"}}
    other: JsonValue = {"type": "object", "properties": {"c": items, "w": {"type": "string"}}}
    both = Covered("a", NODE), Covered("b", other)
    rule = "decision.parameters.c.all(x, x.c.all(y, y.w == 'a')) && decision.parameters.w == 'a'"
    assert outcome(rule, *both) == "taken"
    assert outcome("decision.parameters.c.all(x, x.ww == 'a')", *both).startswith("1:31: decision.parameters")


def test_without_a_schema_parameters_are_untyped() -> None:
    assert outcome("decision.parameters.x == 1", Covered("a")).endswith(
        "write dyn(...) around what stands before the dot"
    )
    assert outcome("dyn(decision.parameters).x == 1", Covered("a")) == "taken"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, INT),
        (1.5, DOUBLE),
        (True, ScalarType(Scalar.BOOL)),
        ("abc", ScalarType(Scalar.STRING, max_length=3)),
        (None, UNTYPED),
        ([1, 2.5], ListType(DOUBLE, 2)),
        (["a", "bc"], ListType(ScalarType(Scalar.STRING, False, 2, ("a", "bc")), 2)),
        ([1, None], ListType(as_nullable(INT, nullable=True), 2)),
        ([], ListType(UNTYPED, 0)),
        ([1, "a"], ListType(UNTYPED, 2)),
        ([[1]], ListType(UNTYPED, 1)),
        ([{"a": 1}, 1], ListType(UNTYPED, 2)),
    ],
)
def test_data_beside_the_rules_has_the_type_that_it_shows(value: JsonValue, expected: ValueType) -> None:
    types, variables = rule_types(Covered("a"), params={"x": value})
    assert types.fields(variables["params"])["x"] == expected


def test_objects_in_a_list_have_the_fields_of_all() -> None:
    rows: JsonValue = [{"a": 1, "o": {"p": 1}}, {"a": 2.5, "b": "x", "o": {"q": True}}, {"b": {"c": 1}}]
    types, variables = rule_types(Covered("a"), params={"rows": rows})
    found = types.fields(variables["params"])["rows"]
    assert isinstance(found, ListType)
    assert isinstance(found.items, ObjectRef)
    fields = types.fields(found.items)
    assert (fields["a"], fields["b"], isinstance(fields["o"], ObjectRef)) == (DOUBLE, UNTYPED, True)


def test_data_of_one_type_is_indexed_by_a_key_from_the_decision() -> None:
    params: dict[str, JsonValue] = {"limits": {"EUR": 100, "USD": 1.5}, "owners": {"a": ["x"]}, "deep": {"a": {"b": 1}}}
    checker = checker_for(*rule_types(BLOCK, params=params))
    good = (
        "params.limits[decision.parameters.kind] > 3 && decision.entity in params.limits "
        "&& 'x' in params.owners[decision.entity]"
    )
    assert isinstance(checker.check(good), CheckedRule)
    for rule, message in {
        "params.limits['GBP'] > 1": "1:15: params.limits has no field 'GBP'",
        "params.limits.GBP > 1": "1:14: params.limits has no field 'GBP'; it has EUR, USD",
        "params.deep[decision.entity].b > 1": "1:12: a field of params.deep is read with a dot, as in params.deep.name",
    }.items():
        checked = checker.check(rule)
        assert isinstance(checked, list)
        assert str(checked[0]) == message


def test_larger_data_is_refused() -> None:
    rule_types(Covered("a"), params={"x": "a" * (MAX_DATA_BYTES - 8)})
    with pytest.raises(ParamsError, match="params has 65537 bytes, and at most 65536 are allowed"):
        rule_types(Covered("a"), params={"x": "a" * (MAX_DATA_BYTES - 7)})


@pytest.mark.parametrize(
    "rule",
    [
        "decision.parameters.tags.map(t, t).size() < 5",
        "decision.parameters.tags.filter(t, t != 'a').size() < 5",
        "[decision.parameters.a, 'b', 1].exists(x, x == 1)",
        "{'a': decision.parameters.a}.a == 1",
    ],
)
def test_before_there_is_a_schema_lists_of_what_has_no_type_yet_are_no_mistake(rule: str) -> None:
    assert isinstance(checker_for(*envelope_types()).check(rule, bounded=False), CheckedRule)


@pytest.mark.parametrize(
    "rule", ["[1, 'a'].exists(x, x == 1)", "{'a': 1, 'b': 'x'}.a == 1", "{1: 'a', 'b': 'x'}[1] == 'a'"]
)
def test_a_list_of_several_types_is_one_all_the_same(rule: str) -> None:
    checked = checker_for(*envelope_types()).check(rule, bounded=False)
    assert isinstance(checked, list)
    assert "must be of one type" in str(checked[0])
