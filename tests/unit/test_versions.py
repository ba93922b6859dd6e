"""The page of supported versions says what is built, downloaded and decided, and by which command it is tested."""

from __future__ import annotations

import re
from pathlib import Path

from streamwarden_devstack.cluster import tools
from streamwarden_devstack.stack.versions import DEFAULT, KAFKAS
from streamwarden_operator.adapters.kubernetes.order import COMPARABLE_SINCE, OLDEST
from streamwarden_operator.plans.kafka_needs import OLDEST_KAFKA
from support import api_server, other_versions, stack_fixture

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "versions.md").read_text()
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
MAKEFILE = (ROOT / "Makefile").read_text()
OLDEST_COMPARED = ".".join(map(str, COMPARABLE_SINCE))


def by_number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_table_has_every_kubernetes_that_is_built_and_no_other() -> None:
    built = {minor: release.removeprefix("v") for minor, release in tools.KUBERNETES.items()}
    assert [row[1:3] for row in TABLE if row[0] == "Kubernetes"] == [
        [f"{OLDEST_COMPARED} to {tools.DEFAULT}", built[tools.DEFAULT]],
    ]
    assert f"{built[OLDEST_COMPARED]} |" in PAGE
    assert set(built) == {OLDEST_COMPARED, tools.DEFAULT}


def test_versions_without_comparable_resource_versions_are_said_to_be_degraded() -> None:
    major, oldest = OLDEST
    degraded = [f"{major}.{number}" for number in range(oldest, COMPARABLE_SINCE[1])]
    assert [row[1] for row in TABLE if row[0].startswith("Kubernetes, [degraded]")] == [", ".join(degraded)]
    assert f"## Kubernetes {' and '.join(degraded)}" in PAGE


def test_every_kafka_of_the_stack_is_in_the_table() -> None:
    (kafka,) = [row for row in TABLE if row[0] == "Kafka"]
    oldest, *_, newest = sorted(KAFKAS, key=by_number)
    assert kafka[1:3] == [f"{oldest} to {newest}", KAFKAS[DEFAULT]]
    assert oldest == OLDEST_KAFKA
    named = {release for row in TABLE for release in re.findall(r"\d\.\d\.\d", row[2]) if release in KAFKAS.values()}
    assert named == set(KAFKAS.values())


def test_make_versions_runs_what_make_test_does_not_by_the_variables_that_the_tests_read() -> None:
    assert [(part.name, part.folder, part.variable) for part in other_versions.parts()] == [
        *(
            (f"Kafka {minor}", "tests/integration/operator", stack_fixture.TESTED)
            for minor in KAFKAS
            if minor != DEFAULT
        ),
        (f"Kubernetes {OLDEST_COMPARED}", "tests/api_server", api_server.TESTED),
    ]
    assert "\t$(BIN)/python tests/support/other_versions.py $(WORKERS)" in MAKEFILE
    assert "test-all: test-whole matrix versions " in MAKEFILE
