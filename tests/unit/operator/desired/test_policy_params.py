"""Data beside rules, read from a ConfigMap's text."""

from __future__ import annotations

import json

import pytest
from streamwarden_operator.desired.policy_params import MAX_YAML_BYTES, effective, read_params
from support.operator_harness import policy

LARGE = '{"x":"' + "a" * 65_528 + '"}'


@pytest.mark.parametrize(
    ("text", "params"),
    [
        pytest.param('{"a": 1, "b": [1.5, null]}', {"a": 1, "b": [1.5, None]}, id="JSON"),
        pytest.param("{a: 1}", {"a": 1}, id="YAML-that-begins-like-JSON"),
        pytest.param("a: 1.0\nb: {c: yes}\n", {"a": 1, "b": {"c": True}}, id="YAML"),
        pytest.param("# none yet\n{}", {}, id="nothing"),
        pytest.param("day: 2026-01-31\nat: 12:30", {"day": "2026-01-31", "at": "12:30"}, id="dates-are-texts"),
        pytest.param("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}, id="an-alias"),
        pytest.param(LARGE, {"x": "a" * 65_528}, id="64-KiB-of-JSON"),
    ],
)
def test_a_text_is_a_mapping(text: str, params: object) -> None:
    assert read_params(text) == params


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "must be a mapping of names to values", id="empty"),
        pytest.param("[1]", "must be a mapping of names to values", id="a-list"),
        pytest.param("a: 1\na: 2", "2:1: a: is there twice", id="a-name-twice"),
        pytest.param('{"a": 1, "a": 2}', "1:10: a: is there twice", id="a-name-twice-in-JSON"),
        pytest.param("a: 9223372036854775808", "1:4: a: the integer is out of the range of 64 bits", id="an-integer"),
        pytest.param("a: .nan", "1:4: a: '.nan' is no number that JSON can carry", id="no-number"),
        pytest.param("1: a", "1:1: the key '1' is not a string: put it in quotes", id="a-name-that-is-a-number"),
        pytest.param("a: !x b", "1:4: a: the YAML tag '!x' is not understood", id="a-tag"),
        pytest.param(f"a: {'[' * 62}{']' * 62}", "Value error, nested deeper than 62", id="deep"),
        pytest.param(f"a: {'[' * 99}{']' * 99}", "not JSON or YAML: nested deeper than 64", id="very-deep"),
        pytest.param("a: b: c", "1:5: not JSON or YAML: mapping values are not allowed here", id="no-YAML"),
        pytest.param("a: 1\n--- \nb: 2", "2:1: not JSON or YAML: but found another document", id="two-documents"),
        pytest.param(f"{LARGE} ", "65537 bytes, and at most 65536 are allowed", id="too-large"),
        pytest.param(
            f"a: {'b' * MAX_YAML_BYTES}",
            "16387 bytes, and of YAML at most 16384 are read: write it as JSON",
            id="too-large-for-YAML",
        ),
        pytest.param(
            f'{{"a": {"[" * 10_000}{"]" * 10_000}}}',
            "20007 bytes, and of YAML at most 16384 are read: write it as JSON, which it is not yet: nested deeper than"
            " 64",
            id="too-deep-as-JSON-and-too-large-for-YAML",
        ),
    ],
)
def test_a_text_that_is_no_mapping_is_told_with_its_place(text: str, said: str) -> None:
    assert read_params(text) == said


@pytest.mark.slow
def test_a_bomb_of_aliases_is_told() -> None:
    lines = [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(9)]
    assert read_params("\n".join(["a: &a [1,1,1,1,1,1,1,1,1]", *lines])) == (
        "1:1: more than 100000 values, aliases counted as often as they are used"
    )


def test_a_text_has_as_many_names_as_params_may_have_and_no_more() -> None:
    names = {f"n{number}": number for number in range(256)}
    assert read_params(json.dumps(names)) == names
    assert read_params(json.dumps({**names, "one": 1})) == (
        "Dictionary should have at most 256 items after validation, not more"
    )


def test_a_key_that_is_not_there_is_told_with_those_that_are() -> None:
    found = effective(
        policy("p", paramsFrom={"configMapKeyRef": {"name": "limits", "key": "a.yaml"}}), lambda *_: {"b.yaml": ""}
    )
    assert found.fault is not None
    assert (found.fault.field, found.fault.message) == (
        "spec.paramsFrom.configMapKeyRef.key",
        "the ConfigMap 'limits' has no key 'a.yaml'; it has b.yaml",
    )


def test_a_text_that_was_too_large_to_be_kept_is_told_with_its_size() -> None:
    source = {"configMapKeyRef": {"name": "limits", "key": "a.yaml"}}
    found = effective(policy("p", paramsFrom=source), lambda *_: {"a.yaml": 65_538})
    assert found.fault is not None
    assert found.fault.message == ("'a.yaml' of the ConfigMap 'limits': 65538 bytes, and at most 65536 are allowed")


def test_only_the_policy_s_own_namespace_is_asked() -> None:
    asked: list[tuple[str, str]] = []
    source = {"configMapKeyRef": {"name": "limits", "key": "a"}}
    effective(policy("p", paramsFrom=source), lambda *place: asked.append(place))
    assert asked == [("risk", "limits")]
    assert effective(policy("p"), lambda *place: asked.append(place)).policy == policy("p")
    assert asked == [("risk", "limits")]
