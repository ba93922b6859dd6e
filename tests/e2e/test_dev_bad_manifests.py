"""Bad manifests: file, line and field, exit code 1, and nothing started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.dev_process import DevProcess


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        pytest.param("policy.yaml", "match:", "matches:", "policy.yaml:5: spec.matches: ", id="an-unknown-field"),
        pytest.param("policy.yaml", ">= 0.5", ">= ", "policy.yaml:8: spec.rules[0].require: ", id="bad-cel"),
        pytest.param(
            "manifests.yaml",
            "topicRef: {name: readings}",
            "topicRef: {name: readingz}",
            "manifests.yaml:23: spec.inputs[0].topicRef",
            id="an-unknown-topic",
        ),
        pytest.param(
            "manifests.yaml", "partitions: 2", "partitions: two", "manifests.yaml:6: spec.partitions: ", id="type"
        ),
        pytest.param(
            "manifests.yaml", "plant.readings", "plant.watcher.decisions", "spec.topicName", id="a-reserved-topic"
        ),
        pytest.param("manifests.yaml", "User:sensors", "User:*", "spec.access.producers[0]", id="everybody"),
        pytest.param(
            "manifests.yaml",
            "User:sensors",
            "User:plant.watcher.gate",
            "spec.access.producers[0]",
            id="a-gates-principal",
        ),
        pytest.param(
            "manifests.yaml",
            "User:sensors",
            "User:streamwarden.operator",
            "spec.access.producers[0]",
            id="the-operator",
        ),
    ],
)
def test_a_bad_manifest_is_named_and_nothing_starts(
    file: str, old: str, new: str, expected: str, tiny: Path, start_dev: Callable[..., DevProcess]
) -> None:
    manifest = tiny / file
    manifest.write_text(manifest.read_text().replace(old, new, 1))

    dev = start_dev(tiny)

    assert dev.wait() == 1
    assert expected in dev.output
    assert "nothing was started" in dev.output
    assert not (tiny / ".streamwarden").exists()
