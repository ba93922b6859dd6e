"""Whether a resource is reconciled, judged from its annotations."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from streamwarden_contract.models.base import Condition, Metadata
from streamwarden_operator.desired.management import (
    SWITCHES,
    Management,
    held_conditions,
    is_held,
    lets_go,
    management_of,
    unheard,
)
from streamwarden_operator.desired.names import ROTATE_CREDENTIALS_ANNOTATION

ROOT = Path(__file__).parents[4]
PAUSE, MANAGED, ORPHAN = (
    "streamwarden.io/pause-reconciliation",
    "streamwarden.io/managed",
    "streamwarden.io/orphan",
)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
READY = Condition(type="Ready", status="True", reason="OK", observed_generation=1, last_transition_time="2026-01-01")


def metadata(annotations: dict[str, str], *, deleted: bool = False, generation: int = 2) -> Metadata:
    ended = "2026-01-01T00:00:00Z" if deleted else None
    return Metadata(name="n", annotations=annotations, deletion_timestamp=ended, generation=generation)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, Management.MANAGED, id="nothing-said-is-managed"),
        pytest.param({PAUSE: "true"}, Management.PAUSED, id="paused"),
        pytest.param({PAUSE: "false"}, Management.MANAGED, id="a-pause-that-is-false-says-nothing"),
        pytest.param({PAUSE: "True"}, Management.MANAGED, id="only-the-exact-word-pauses"),
        pytest.param({MANAGED: "false"}, Management.UNMANAGED, id="unmanaged"),
        pytest.param({MANAGED: "true"}, Management.MANAGED, id="managed-said-aloud"),
        pytest.param({MANAGED: "false", PAUSE: "true"}, Management.UNMANAGED, id="unmanaged-is-the-stronger-word"),
    ],
)
def test_annotations_say_whether_a_resource_is_reconciled(annotations: dict[str, str], expected: Management) -> None:
    assert management_of(metadata(annotations)) is expected
    assert is_held(metadata(annotations)) == (expected is not Management.MANAGED)
    assert not is_held(metadata(annotations, deleted=True))


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, False, id="an-ordinary-one-is-undone"),
        pytest.param({PAUSE: "true"}, False, id="a-paused-one-is-undone"),
        pytest.param({MANAGED: "false"}, True, id="an-unmanaged-one-goes-at-once"),
        pytest.param({ORPHAN: "true"}, True, id="an-orphan-goes-at-once"),
    ],
)
def test_a_deletion_undoes_what_is_outside_unless_told_otherwise(annotations: dict[str, str], expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    assert lets_go(metadata(annotations, deleted=True)) is expected


def test_a_held_resource_keeps_its_conditions_and_says_why_it_is_held() -> None:
    paused = held_conditions(metadata({PAUSE: "true"}), (READY,), now=NOW)
    assert paused[0] == READY
    assert (paused[1].type, paused[1].status, paused[1].reason) == ("ReconciliationPaused", "True", "Paused")
    assert PAUSE in paused[1].message
    assert held_conditions(metadata({PAUSE: "true"}), paused, now=datetime.now(UTC)) == paused


def test_from_paused_to_unmanaged_one_word_takes_the_place_of_the_other() -> None:
    paused = held_conditions(metadata({PAUSE: "true"}), (READY,), now=NOW)
    unmanaged = held_conditions(metadata({MANAGED: "false"}), paused, now=NOW)
    assert [part.type for part in unmanaged] == ["Ready", "Unmanaged"]


def test_the_api_server_warns_of_what_nobody_hears_by_the_same_names() -> None:
    policy, _ = yaml.safe_load_all((ROOT / "config" / "admission" / "annotations.yaml").read_text(encoding="utf-8"))
    said = {each["name"]: each["expression"] for each in policy["spec"]["variables"]}
    assert said["switches"] == f"{list(SWITCHES)}"
    assert f"key != '{ROTATE_CREDENTIALS_ANNOTATION}'" in said["unknown"]
    known = {*SWITCHES, ROTATE_CREDENTIALS_ANNOTATION}
    assert list(unheard(dict.fromkeys(known, "true"))) == []
