"""Numbers become what their schema types, or are not judged."""

import pytest
from streamwarden_contract.canonical import JsonValue
from streamwarden_judging.typed.coercion import InexactNumberError, coercion
from streamwarden_judging.typed.facts import Covered, decision_coercion, rule_types
from streamwarden_judging.typed.types import ListType, MapType, Scalar, ScalarType, Types, ValueType

INT, DOUBLE = ScalarType(Scalar.INT), ScalarType(Scalar.DOUBLE)


def coerced(kind: ValueType, value: JsonValue) -> JsonValue:
    do = coercion(kind, Types())
    assert do is not None
    return do(value)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (DOUBLE, 40, "40.0"),
        (INT, 5.0, "5"),
        (DOUBLE, 2**53, "9007199254740992.0"),
        (INT, 2**63 - 1, "9223372036854775807"),
        (INT, None, "None"),
        (DOUBLE, None, "None"),
        (ListType(DOUBLE), [1, 2.5], "[1.0, 2.5]"),
        (ListType(DOUBLE), None, "None"),
        (MapType(INT), {"a": 1.0}, "{'a': 1}"),
    ],
)
def test_a_number_gets_its_type(kind: ValueType, value: JsonValue, expected: str) -> None:
    assert repr(coerced(kind, value)) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [(DOUBLE, 2**53 + 1), (DOUBLE, 10**400), (INT, 2**63), (INT, -(2**63) - 1), (INT, 2.0**63), (INT, 1.5)],
)
def test_a_number_that_its_type_cannot_hold_is_an_error(kind: ValueType, value: JsonValue) -> None:
    with pytest.raises(InexactNumberError):
        coerced(kind, value)


@pytest.mark.parametrize("kind", [ScalarType(Scalar.STRING), ListType(ScalarType(Scalar.BOOL))])
def test_what_has_no_numbers_needs_no_coercion(kind: ValueType) -> None:
    assert coercion(kind, Types()) is None


def test_objects_that_hold_themselves_are_coerced_to_the_bottom_and_the_given_value_stays() -> None:
    node: JsonValue = {
        "type": "object",
        "properties": {"v": {"type": "number"}, "c": {"type": "array", "items": {"$ref": "#"}}},
    }
    types, variables = rule_types(Covered("a", node))
    do = coercion(variables["decision"], types)
    given: JsonValue = {"parameters": {"v": 1, "c": [{"v": 2, "c": []}]}, "other": 1}
    assert do is not None
    assert repr(do(given)) == "{'parameters': {'v': 1.0, 'c': [{'v': 2.0, 'c': []}]}, 'other': 1}"
    assert repr(given) == "{'parameters': {'v': 1, 'c': [{'v': 2, 'c': []}]}, 'other': 1}"


WIDE: JsonValue = {
    "type": "object",
    "properties": {
        "d": {"type": "number"},
        "i": {"type": "integer"},
        "ds": {"type": "array", "items": {"type": "number"}},
        "is": {"type": "array", "items": {"type": "integer"}},
        "os": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "number"}}}},
        "m": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}


@pytest.mark.parametrize(
    "parameters",
    [{}, {"d": 1.5, "i": 1, "ds": [1.0], "is": [1, 2], "os": [{"d": 1.5}, {}], "m": {"a": 1.5}}, {"d": None, "ds": []}],
)
def test_what_needs_no_change_is_not_copied(parameters: dict[str, JsonValue]) -> None:
    given: dict[str, JsonValue] = {"parameters": parameters, "confidence": 0.5}
    assert decision_coercion(Covered("a", WIDE))(given) is given


@pytest.mark.parametrize(
    "parameters",
    [{"i": 2**63}, {"is": [1, 2**63]}, {"is": [1, 2.5]}, {"ds": [1.0, 2**53 + 1]}, {"os": [{"d": 2**53 + 1}]}],
)
def test_one_number_among_many_that_its_type_cannot_hold_is_an_error(parameters: dict[str, JsonValue]) -> None:
    with pytest.raises(InexactNumberError):
        decision_coercion(Covered("a", WIDE))({"parameters": parameters})


def test_of_a_list_and_of_a_map_only_what_has_another_type_changes() -> None:
    given: dict[str, JsonValue] = {
        "parameters": {"ds": [1, 2.5], "is": [1.0, 2], "os": [{"d": 1}], "m": {"a": 1, "b": 2.5}}
    }
    expected = "{'parameters': {'ds': [1.0, 2.5], 'is': [1, 2], 'os': [{'d': 1.0}], 'm': {'a': 1.0, 'b': 2.5}}}"
    assert repr(decision_coercion(Covered("a", WIDE))(given)) == expected
