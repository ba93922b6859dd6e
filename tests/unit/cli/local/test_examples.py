"""A message about a pattern says how to write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.generated.crd_yaml import structural_schema
from streamwarden_cli.local.admission import admit
from streamwarden_cli.local.examples import EXAMPLES
from streamwarden_contract.models import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamwarden_operator.desired.yaml_nodes import JsonValue


def patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from patterns(value)


def test_x64_every_pattern_of_the_crds_has_an_example() -> None:
    assert {found for kind in KINDS for found in patterns(structural_schema(kind))} == set(EXAMPLES)


@pytest.mark.parametrize(("pattern", "text"), EXAMPLES.items())
def test_x64_an_example_matches_its_pattern(pattern: str, text: str) -> None:
    words = re.sub(r" \(.*\)$", "", text).replace(": and 64 of 0-9 and a-f", ":" + "0a" * 32)
    assert [word for word in words.split(" or ") if not re.search(pattern, word)] == []


@pytest.mark.parametrize(
    ("agent", "path", "start"),
    [
        pytest.param(
            {"entrypoint": "guard.py"},
            ("spec", "agent", "entrypoint"),
            "'guard.py': write it as in url_guard:agent (module:object); it must match ^",
            id="an-entrypoint",
        ),
        pytest.param(
            {"entrypoint": "a:b", "model": {"name": "m", "version": "1", "digest": "md5"}},
            ("spec", "agent", "model", "digest"),
            "'md5': write it as in sha256: and 64 of 0-9 and a-f; it must match ^",
            id="a-digest",
        ),
    ],
)
def test_x64_a_value_that_does_not_match_is_told_how_to_write_it(
    agent: dict[str, JsonValue], path: tuple[str, ...], start: str
) -> None:
    manifest: dict[str, JsonValue] = {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "guard"},
        "spec": {"agent": agent},
    }

    found = admit(manifest, None)

    assert isinstance(found, list)
    said = [problem.message for problem in found if problem.path == path]
    assert [text[: len(start)] for text in said] == [start]
