"""Types from JSON Schemas: as sure as the schema, and no surer."""

import pytest
from streamwarden_contract.canonical import JsonValue
from streamwarden_judging.typed.schema_types import SchemaTypes
from streamwarden_judging.typed.types import (
    UNTYPED,
    ListType,
    MapType,
    ObjectRef,
    Scalar,
    ScalarType,
    Types,
    ValueType,
    as_nullable,
    join,
)

TEXT, INT, DOUBLE, BOOL = (ScalarType(Scalar(name)) for name in ("string", "int", "double", "bool"))
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_6 = "http://json-schema.org/draft-06/schema#"


def type_of(schema: JsonValue, **root: JsonValue) -> ValueType:
    """Return the type of a field that has this schema."""
    types = Types()
    ref = SchemaTypes({"type": "object", "properties": {"x": schema}, **root}, types, "p").read()
    assert isinstance(ref, ObjectRef)
    return types.fields(ref)["x"]


def fields_of(schema: JsonValue) -> dict[str, ValueType]:
    types = Types()
    ref = SchemaTypes(schema, types, "p").read()
    assert isinstance(ref, ObjectRef)
    return dict(types.fields(ref))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"type": "string", "maxLength": 5}, ScalarType(Scalar.STRING, max_length=5), id="a-bounded-text"),
        pytest.param({"type": "integer"}, INT, id="an-integer"),
        pytest.param({"type": "number"}, DOUBLE, id="a-number"),
        pytest.param({"type": ["integer", "number"]}, DOUBLE, id="either-number-is-a-double"),
        pytest.param({"type": ["string", "null"]}, ScalarType(Scalar.STRING, nullable=True), id="a-text-or-null"),
        pytest.param({"type": ["string", "integer"]}, UNTYPED, id="several-types"),
        pytest.param({"enum": ["a", "b"]}, ScalarType(Scalar.STRING, False, 1, ("a", "b")), id="listed-texts"),
        pytest.param({"const": 5}, INT, id="one-integer"),
        pytest.param({"enum": [1, 2.5]}, DOUBLE, id="listed-numbers"),
        pytest.param({"enum": ["a", 1]}, UNTYPED, id="listed-values-of-several-types"),
        pytest.param({"enum": ["a", None]}, ScalarType(Scalar.STRING, True, 1, ("a",)), id="listed-texts-and-null"),
        pytest.param({"enum": [True]}, BOOL, id="a-boolean-is-no-number"),
        pytest.param(True, UNTYPED, id="a-schema-that-allows-all"),
        pytest.param(False, UNTYPED, id="a-schema-that-allows-nothing"),
        pytest.param({"properties": {"a": {}}}, UNTYPED, id="fields-without-a-type-may-be-a-text"),
        pytest.param({"type": "object"}, UNTYPED, id="an-object-of-anything"),
        pytest.param({"type": "array", "items": {"type": "string"}}, ListType(TEXT), id="a-list"),
        pytest.param({"type": "array", "maxItems": 3}, ListType(UNTYPED, 3), id="a-list-of-anything"),
        pytest.param({"type": ["array", "null"]}, ListType(UNTYPED, nullable=True), id="a-list-or-null"),
        pytest.param(
            {"type": "array", "prefixItems": [{}], "items": {"type": "string"}}, ListType(UNTYPED), id="uneven"
        ),
        pytest.param(
            {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            ListType(UNTYPED),
            id="a-list-of-lists",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "number"}, "maxProperties": 9},
            MapType(DOUBLE, 9),
            id="any-keys",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "number"}, "patternProperties": {"^a": {}}},
            UNTYPED,
            id="some-keys-have-another-type",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": False, "patternProperties": {"^a": {}}},
            UNTYPED,
            id="closed-but-for-some-keys",
        ),
        pytest.param({"type": "object", "additionalProperties": True}, UNTYPED, id="open-on-purpose"),
        pytest.param({"allOf": [{"type": "number"}, {"type": "integer"}]}, INT, id="all-of"),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "null"}]}, as_nullable(TEXT, nullable=True), id="or-null"),
        pytest.param(
            {"oneOf": [{"const": "a"}, {"const": "b"}]}, ScalarType(Scalar.STRING, False, 1, ("a", "b")), id="one"
        ),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "integer"}]}, UNTYPED, id="either-of-two-types"),
        pytest.param({"type": "string", "not": {"const": "a"}}, TEXT, id="not-is-left-to-the-validator"),
        pytest.param({"type": "integer", "if": {"const": "a"}}, INT, id="an-if-that-decides-nothing"),
        pytest.param({"$dynamicRef": "#a"}, UNTYPED, id="a-dynamic-reference"),
        pytest.param({"$ref": "#name"}, UNTYPED, id="a-reference-by-anchor"),
        pytest.param({"$ref": "#/$defs/a~1b~0c%20d"}, INT, id="a-reference-with-escapes"),
        pytest.param({"$ref": "#/$defs/list/0"}, BOOL, id="a-reference-into-a-list"),
        pytest.param({"$ref": "#/$defs/loop"}, UNTYPED, id="a-reference-to-itself"),
    ],
)
def test_a_schema_says_of_its_values(schema: JsonValue, expected: ValueType) -> None:
    definitions: JsonValue = {
        "a/b~c d": {"type": "integer"},
        "list": [{"type": "boolean"}],
        "loop": {"$ref": "#/$defs/loop"},
    }
    assert type_of(schema, **{"$defs": definitions}) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param("https://a.b/order#/$defs/n", INT, id="whole"),
        pytest.param("order#/$defs/n", INT, id="relative"),
        pytest.param("https://a.b/other#/$defs/n", UNTYPED, id="of-another-schema"),
    ],
)
def test_x47_a_reference_by_the_schemas_own_id_is_followed(reference: str, expected: ValueType) -> None:
    definitions: JsonValue = {"n": {"type": "integer"}}
    assert type_of({"$ref": reference}, **{"$id": "https://a.b/order", "$defs": definitions}) == expected


@pytest.mark.parametrize(("draft", "expected"), [(None, UNTYPED), (DRAFT_7, INT)])
def test_what_stands_beside_a_reference_counts_from_draft_2019_on(draft: str | None, expected: ValueType) -> None:
    root: dict[str, JsonValue] = {"definitions": {"n": {"type": "integer"}}, **({"$schema": draft} if draft else {})}
    assert type_of({"$ref": "#/definitions/n", "type": "string"}, **root) == expected


@pytest.mark.parametrize(("draft", "expected"), [(DRAFT_7, INT), (DRAFT_6, UNTYPED)])
def test_conditions_count_from_draft_7_on(draft: str, expected: ValueType) -> None:
    schema: JsonValue = {"if": {"minimum": 1}, "then": {"type": "integer"}, "else": {"type": "integer"}}
    assert type_of(schema, **{"$schema": draft}) == expected


def test_a_part_with_an_id_of_its_own_makes_every_type_unsure() -> None:
    schema: JsonValue = {"type": "object", "properties": {"x": {"$id": "urn:a", "type": "string"}}}
    assert SchemaTypes(schema, Types(), "p").read() == UNTYPED


def test_an_object_that_holds_itself_is_one_type() -> None:
    node: JsonValue = {
        "type": "object",
        "properties": {"v": {"type": "number"}, "c": {"type": "array", "items": {"$ref": "#"}}},
    }
    found = fields_of(node)
    assert found["v"] == DOUBLE
    assert isinstance(found["c"], ListType)


def test_a_field_that_only_a_condition_names_is_there_and_untyped() -> None:
    found = fields_of({"if": {"properties": {"a": {"const": "x"}}}, "then": {"properties": {"b": {"type": "string"}}}})
    assert found == {"a": UNTYPED, "b": UNTYPED}


def test_a_field_of_a_choice_is_typed_where_the_other_choices_are_closed() -> None:
    choices: list[JsonValue] = [
        {"properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "additionalProperties": False},
        {"properties": {"kind": {"const": "b"}}, "additionalProperties": False},
    ]
    kind = ScalarType(Scalar.STRING, False, 1, ("a", "b"))
    assert fields_of({"oneOf": choices}) == {"kind": kind, "n": INT}


def test_a_field_of_a_choice_is_untyped_where_another_choice_is_open() -> None:
    choices: list[JsonValue] = [{"properties": {"n": {"type": "integer"}}}, {"properties": {"m": {"type": "integer"}}}]
    assert fields_of({"anyOf": choices}) == {"n": UNTYPED, "m": UNTYPED}


def test_a_field_that_depends_on_another_is_known() -> None:
    given: JsonValue = {"properties": {"a": {"type": "string"}}, "dependentSchemas": {"a": {"properties": {"b": {}}}}}
    assert fields_of(given) == {"a": TEXT, "b": UNTYPED}


def test_more_choices_than_are_looked_into_leave_the_value_untyped() -> None:
    choices: JsonValue = [{"properties": {str(number): {"type": "string"}}} for number in range(65)]
    assert SchemaTypes({"anyOf": choices}, Types(), "p").read() == UNTYPED


def test_what_is_left_once_too_much_was_looked_at_is_untyped() -> None:
    """Each field has 64 ways of 150 parts: 1,400 such held the operator for 8 s with each look at a policy."""
    parts: list[JsonValue] = [{"title": str(number)} for number in range(150)]
    choices: list[JsonValue] = [{"anyOf": [{"maxLength": one}, {"maxLength": one + 1}]} for one in range(6)]
    found = fields_of(
        {
            "properties": {f"p{number}": {"$ref": "#/$defs/h"} for number in range(100)},
            "$defs": {"h": {"type": "string", "allOf": [*parts, *choices]}},
        }
    )
    assert (found["p0"], found["p99"]) == (ScalarType(Scalar.STRING, False, 1), UNTYPED)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (INT, DOUBLE, DOUBLE),
        (INT, TEXT, UNTYPED),
        (ListType(INT, 3), ListType(DOUBLE, 5, nullable=True), ListType(DOUBLE, 5, nullable=True)),
        (MapType(INT, 3), MapType(INT), MapType(INT)),
        (ObjectRef("a"), ObjectRef("a", nullable=True), ObjectRef("a", nullable=True)),
        (ObjectRef("a"), ObjectRef("b"), UNTYPED),
    ],
)
def test_types_join_to_one_that_holds_for_both(one: ValueType, other: ValueType, expected: ValueType) -> None:
    assert join((one, other)) == expected
    assert join((other, one)) == expected


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "object", "additionalProperties": False}, id="and-no-properties"),
        pytest.param({"allOf": [{"type": "object"}, {"additionalProperties": False}]}, id="in-another-part"),
        pytest.param({"$ref": "#/$defs/x", "$defs": {"x": {"additionalProperties": False}}}, id="elsewhere"),
        pytest.param(
            {"$schema": "http://json-schema.org/draft-04/schema#", "additionalProperties": False}, id="in-draft-4"
        ),
    ],
)
def test_a_closed_object_without_properties_has_no_fields(schema: JsonValue) -> None:
    assert fields_of(schema) == {}
    assert fields_of({"properties": {"o": {"additionalProperties": False, "type": "object"}}}) == {
        "o": ObjectRef("p_o")
    }
