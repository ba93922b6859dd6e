"""The schema of a command topic: what does not fit is said in bounded words, and nothing is fetched."""

from __future__ import annotations

import json
import resource

import pytest
from streamwarden_judging.schemas import JsonSchema

BLOCK = '{"type":"object","required":["minutes"],"properties":{"tags":{"items":{"maxLength":3}}}}'


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({"minutes": 5, "tags": ["abc"]}, None, id="what-fits"),
        pytest.param({}, 'parameters/: "minutes" is a required property', id="at-the-top"),
        pytest.param({"minutes": 5, "tags": ["abc", "abcd"]}, "parameters/tags/1: ", id="deeper-with-the-path-to-it"),
        pytest.param([], "parameters/: ", id="no-object"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(parameters: object, expected: str | None) -> None:
    found = JsonSchema(BLOCK).mismatch(parameters)
    assert (found and found[: len(expected or "")]) == expected


def test_five_hundred_characters_are_told_of_what_does_not_fit() -> None:
    found = JsonSchema('{"maxLength":3}').mismatch("x" * 10_000)
    assert found is not None
    assert len(found) == 500


class _SaysNoAndNotWhy:
    def is_valid(self, _instance: object) -> bool:
        return False

    def validate(self, _instance: object) -> None:
        pass


def test_what_the_engine_refuses_without_a_word_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jsonschema_rs.validator_for", lambda *_, **__: _SaysNoAndNotWhy())
    assert JsonSchema("{}").mismatch({}) == "parameters/: does not fit"


@pytest.mark.parametrize("start", ["http://example.com/", "https://example.com/", "file:///etc/"])
def test_F41_a_reference_that_leads_outside_is_not_followed(start: str) -> None:  # noqa: N802  # the catalogue's number
    target = start + "x" * 300
    with pytest.raises(ValueError, match="a schema may refer only to itself") as refused:
        JsonSchema(f'{{"$ref":"{target}"}}')
    told = str(refused.value).partition("not to ")[2].split("\n", 1)[0]
    assert told == target[:200]


@pytest.mark.parametrize("definition", ["{", '{"type":"objekt"}', '{"pattern":"("}'], ids=repr)
def test_what_is_no_schema_is_refused(definition: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        JsonSchema(definition)


def test_F53_a_pattern_takes_linear_time() -> None:  # noqa: N802  # the catalogue's number
    assert JsonSchema('{"pattern":"^(a+)+$"}').mismatch("a" * 50_000 + "b") is not None


NAMES = {"propertyNames": {"pattern": "^[a-z]+$"}}
LACKING = {"items": {"required": list("abcde"), "additionalProperties": False}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param(NAMES, {str(number): 1 for number in range(8_000)}, id="names"),
        pytest.param(LACKING, [{}] * 60_000, id="items"),
        pytest.param({"items": {"allOf": [LACKING["items"]] * 30}}, [{}] * 60_000, id="items-with-many-demands"),
        pytest.param(
            {"anyOf": [NAMES, {"type": "integer"}]}, {str(n): 1 for n in range(8_000)}, id="names-in-a-branch"
        ),
        pytest.param({"oneOf": [LACKING, {"type": "integer"}]}, [{}] * 60_000, id="items-in-a-branch"),
    ],
)
def test_x09_what_does_not_fit_costs_no_more_for_being_large(schema: object, value: object) -> None:
    checked = JsonSchema(json.dumps(schema))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = checked.mismatch(value)
    assert found is not None
    assert found.startswith("parameters/")
    # KiB. By all errors it was gigabytes, and minutes.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_of_a_schema_with_branches_a_small_document_is_told_where_it_does_not_fit() -> None:
    found = JsonSchema('{"properties":{"a":{"anyOf":[{"type":"integer"}]}}}').mismatch({"a": "x"})
    assert found == "parameters/a: \"x\" is not valid under any of the schemas listed in the 'anyOf' keyword"
    large = {"a": "x", "b": [0] * 500}
    assert JsonSchema('{"properties":{"a":{"anyOf":[{"type":"integer"}]}}}').mismatch(large) == (
        "parameters/: does not fit, and is too large to say where"
    )
