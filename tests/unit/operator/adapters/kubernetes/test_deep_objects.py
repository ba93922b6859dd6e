"""An API server takes objects nested 10,000 deep, and kopf reads them with Python's own reader."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from streamwarden_contract.models import Policy
from streamwarden_operator.adapters.kubernetes import deep_json
from streamwarden_operator.adapters.kubernetes.deep_json import read_deep_everywhere, read_json
from streamwarden_operator.adapters.kubernetes.reading import describe, read_resource

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEP = 9_997
"""With the object, its spec and its params as deep as an API server takes one."""
EVENT = '{"object": {"metadata": {"name": "p"}, "spec": {"params": DEEP}}}'.replace(
    "DEEP", '{"a":' * DEEP + "1" + "}" * DEEP
)


@pytest.fixture
def usual_depth() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "_default_decoder", None)  # put back afterwards
    read_deep_everywhere()


@pytest.mark.usefixtures("usual_depth")
def test_the_deepest_policy_that_an_api_server_takes_is_read_and_told() -> None:
    event = read_json(EVENT.encode())
    assert sys.getrecursionlimit() == 1_000
    with pytest.raises(ValidationError) as refused:
        read_resource(Policy, event["object"])
    assert describe(refused.value) == "spec.params: Value error, nested deeper than 62"


@pytest.mark.slow
@pytest.mark.usefixtures("usual_depth", "everywhere")
def test_everybody_reads_as_deep_once_the_operator_has_begun() -> None:
    assert json.loads(EVENT)["object"]["metadata"] == {"name": "p"}
    with ThreadPoolExecutor(4) as threads:
        assert [found.keys() for found in threads.map(json.loads, [EVENT] * 8)] == [{"object"}] * 8
    assert sys.getrecursionlimit() == 1_000


@pytest.mark.usefixtures("usual_depth", "everywhere")
def test_the_recursion_limit_is_left_alone_as_it_is_that_of_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is deeper than it when it is put back ends the process: "Cannot recover from stack overflow"."""

    def refuse(_limit: int) -> None:
        raise AssertionError("the recursion limit is set")

    monkeypatch.setattr(sys, "setrecursionlimit", refuse)
    assert json.loads(EVENT)["object"]["metadata"] == {"name": "p"}


def test_what_lies_below_the_pieces_that_are_read_at_once_is_null() -> None:
    found, depth = read_json(EVENT.encode())["object"]["spec"]["params"], 3
    while isinstance(found, dict):
        found, depth = found["a"], depth + 1
    assert (found, depth) == (None, 200)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('{}[]",\\é'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{}[]"\\', max_size=3), inner, max_size=3),
    max_leaves=30,
)


def pruned(value: object, depth: int = 0) -> object:
    """Give null for what begins at a depth that is a multiple of three."""
    if isinstance(value, dict | list) and depth and depth % 3 == 0:
        return None
    if isinstance(value, dict):
        return {name: pruned(each, depth + 1) for name, each in value.items()}
    return [pruned(each, depth + 1) for each in value] if isinstance(value, list) else value


@pytest.mark.slow
@given(value=st.lists(JSON), indent=st.sampled_from([None, 1]), before=st.sampled_from(["", "[] "]))
def test_pieces_say_what_the_whole_says(value: list[object], indent: int | None, before: str) -> None:
    text = before + json.dumps(value, indent=indent, ensure_ascii=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deep_json, "_PIECE", 3)
        found = deep_json._read_in_pieces(json.JSONDecoder().raw_decode, text + " rest", len(before))
    assert found == (pruned(value), len(text))


@pytest.mark.usefixtures("usual_depth", "everywhere")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(EVENT[:-1], id="that-ends-too-early"),
        pytest.param(EVENT.replace("1", "x"), id="with-a-word-that-is-none"),
        pytest.param(EVENT + "}", id="with-too-much-behind-it"),
    ],
)
def test_deep_text_that_is_no_json_fails_as_ever(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


@pytest.mark.usefixtures("everywhere")
def test_what_is_not_deep_is_read_as_ever() -> None:
    assert json.loads(b' {"a": [1, 2.5, "\\u00e9", null, true]} ') == {"a": [1, 2.5, "é", None, True]}
    with pytest.raises(json.JSONDecodeError, match=r"Expecting value: line 1 column 7"):
        json.loads('{"a": }')
