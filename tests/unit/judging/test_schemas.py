"""The schema of a command topic: what does not fit is said in bounded words, and nothing is fetched."""

from __future__ import annotations

from typing import Any

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

    def iter_errors(self, _instance: object) -> list[Any]:
        return []


def test_what_the_engine_refuses_without_a_word_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jsonschema_rs.validator_for", lambda *_, **__: _SaysNoAndNotWhy())
    assert JsonSchema("{}").mismatch({}) == "the parameters do not fit the schema"


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
