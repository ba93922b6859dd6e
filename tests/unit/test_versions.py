"""The page of supported versions says what is built, downloaded and decided."""

from __future__ import annotations

import re
from pathlib import Path

from streamwarden_devstack.cluster.tools import KUBERNETES
from streamwarden_devstack.stack.versions import DEFAULT, KAFKAS
from streamwarden_operator.adapters.kubernetes.order import COMPARABLE_SINCE, OLDEST

PAGE = (Path(__file__).parents[2] / "docs" / "versions.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


def minor(release: str) -> str:
    return ".".join(release.removeprefix("v").split(".")[:2])


def test_the_kubernetes_that_tests_run_against_is_the_newest_that_is_supported() -> None:
    kubernetes = ROWS[2]
    oldest = ".".join(map(str, COMPARABLE_SINCE))
    assert kubernetes[:3] == ["Kubernetes", f"{oldest} to {minor(KUBERNETES)}", KUBERNETES.removeprefix("v")]


def test_versions_without_comparable_resource_versions_are_said_to_be_degraded() -> None:
    major, oldest = OLDEST
    degraded = [f"{major}.{number}" for number in range(oldest, COMPARABLE_SINCE[1])]
    assert ROWS[3][1] == ", ".join(degraded)
    assert f"## Kubernetes {' and '.join(degraded)}" in PAGE


def test_every_kafka_of_the_stack_is_in_the_table() -> None:
    (kafka,) = [row for row in ROWS if row[0] == "Kafka"]
    assert kafka[1:3] == [f"{min(KAFKAS)} to {max(KAFKAS)}", KAFKAS[DEFAULT]]
    named = {release for row in ROWS for release in re.findall(r"\d\.\d\.\d", row[2]) if release in KAFKAS.values()}
    assert named == set(KAFKAS.values())
