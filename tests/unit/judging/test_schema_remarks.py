"""What a schema says that can be used, and hardly means."""

import json

import pytest
from streamwarden_contract.canonical import JsonValue
from streamwarden_judging.schema_remarks import schema_remarks

SLIP = "{!r} is no keyword of JSON Schema, and checks nothing; did you mean {!r}?"
NEVER = "no object can be right: {!r} is required, and additionalProperties: false forbids it{}"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param({"maxLenght": 3}, [SLIP.format("maxLenght", "maxLength")], id="N8-letters-are-swapped"),
        pytest.param({"maxlength": 3}, [SLIP.format("maxlength", "maxLength")], id="N8-a-small-letter"),
        pytest.param(
            {"properties": {"a": {"items": {"minimun": 1}}}}, [SLIP.format("minimun", "minimum")], id="N8-further-in"
        ),
        pytest.param({"properties": {"maxLenght": {"type": "string"}}}, [], id="a-property-of-such-a-name"),
        pytest.param({"x-owner": "a", "example": 1, "unit": "g"}, [], id="notes"),
        pytest.param(
            {"required": ["qty"], "properties": {"quantity": {}}, "additionalProperties": False},
            [NEVER.format("qty", "; did you mean 'quantity'?")],
            id="N4-another-name",
        ),
        pytest.param(
            {"required": ["x"], "properties": {"quantity": {}}, "additionalProperties": False},
            [NEVER.format("x", "")],
            id="N4-a-name-that-is-like-none",
        ),
        pytest.param({"required": ["a"], "properties": {"b": {}}}, [], id="others-are-allowed"),
        pytest.param(
            {"required": ["ab"], "patternProperties": {"^a": {}}, "additionalProperties": False}, [], id="a-pattern"
        ),
        pytest.param(
            {"required": ["a"], "properties": {"a": {}}, "additionalProperties": False},
            [],
            id="what-is-required-is-there",
        ),
        pytest.param(True, [], id="no-object"),
    ],
)
def test_what_is_hardly_meant_is_said(schema: JsonValue, said: list[str]) -> None:
    assert schema_remarks(json.dumps(schema)) == said


def test_of_what_is_no_json_nothing_is_said_here() -> None:
    assert schema_remarks("{") == []
