"""What an API server would do with resources, done by LocalCluster."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamwarden_cli.local.cluster import LocalCluster
from streamwarden_cli.local.state import FolderLockedError, StateError, StateFolder, find_project
from streamwarden_contract.models import Policy, TopicContract
from streamwarden_contract.models.base import Condition
from streamwarden_contract.models.policy import PolicyStatus
from streamwarden_operator.keys import Key
from support.manifests import agent


def policy(name: str = "careful", *, action: str = "Enforce", labels: dict[str, str] | None = None) -> Policy:
    return Policy.model_validate(
        {"metadata": {"name": name, "namespace": "risk", "labels": labels or {}}, "spec": {"failureAction": action}}
    )


def contract(name: str = "urls") -> TopicContract:
    return TopicContract.model_validate(
        {"metadata": {"name": name, "namespace": "risk"}, "spec": {"topicName": f"risk.{name}"}}
    )


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path)
    folder.root.mkdir()
    folder.prepare()
    return folder


@pytest.fixture
def cluster(state: StateFolder) -> LocalCluster:
    return LocalCluster(state)


def present(cluster: LocalCluster, name: str = "careful") -> Policy:
    found = cluster.get(Policy, "risk", name)
    assert found is not None
    return found


def test_a_new_resource_gets_a_uid_and_generation_one(cluster: LocalCluster) -> None:
    applied = cluster.apply([policy()])

    assert applied.changed == (Key("Policy", "risk", "careful"),)
    assert present(cluster).metadata.generation == 1
    assert len(present(cluster).metadata.uid) == 36


def test_what_was_named_first_is_older(cluster: LocalCluster) -> None:
    cluster.apply([contract("b"), contract("a")])

    ages = [(c.metadata.creation_timestamp, c.metadata.name) for c in cluster.list(TopicContract)]
    assert [name for _, name in sorted(ages)] == ["b", "a"]


def test_an_unchanged_resource_needs_no_look(cluster: LocalCluster) -> None:
    cluster.apply([policy()])
    before = present(cluster)

    assert cluster.apply([policy()]).changed == ()
    assert present(cluster) == before


def test_an_edited_spec_is_a_new_generation_of_the_same_resource(cluster: LocalCluster) -> None:
    cluster.apply([policy()])
    before = present(cluster).metadata

    applied = cluster.apply([policy(action="Audit")])

    after = present(cluster).metadata
    assert applied.changed == (Key("Policy", "risk", "careful"),)
    assert (after.uid, after.generation) == (before.uid, 2)
    assert after.resource_version != before.resource_version


def test_an_edited_label_is_no_new_generation(cluster: LocalCluster) -> None:
    cluster.apply([policy()])

    assert cluster.apply([policy(labels={"team": "risk"})]).changed
    assert present(cluster).metadata.generation == 1


async def test_a_deleted_resource_waits_for_its_finalizer(cluster: LocalCluster, state: StateFolder) -> None:
    cluster.apply([policy()])
    await cluster.set_finalizer(present(cluster), "streamwarden.io/x", present=True)

    assert cluster.apply([]).changed == (Key("Policy", "risk", "careful"),)
    assert present(cluster).metadata.deletion_timestamp

    await cluster.set_finalizer(present(cluster), "streamwarden.io/x", present=False)
    assert cluster.get(Policy, "risk", "careful") is None
    assert list(state.resources.iterdir()) == []


async def test_one_made_again_while_the_old_one_goes_begins_anew(cluster: LocalCluster) -> None:
    woken: list[Key] = []
    cluster.on_changed = woken.append
    cluster.apply([policy()])
    await cluster.set_finalizer(present(cluster), "streamwarden.io/x", present=True)
    old = present(cluster)
    cluster.apply([])
    cluster.apply([policy(action="Audit")])

    await cluster.set_finalizer(old, "streamwarden.io/x", present=False)

    assert present(cluster).metadata.uid != old.metadata.uid
    assert present(cluster).spec.failure_action == "Audit"
    assert present(cluster).metadata.deletion_timestamp is None
    assert woken == [Key("Policy", "risk", "careful")]


def test_without_finalizers_a_deleted_resource_is_gone_at_once(cluster: LocalCluster) -> None:
    cluster.apply([policy()])

    assert cluster.apply([]).removed == (Key("Policy", "risk", "careful"),)
    assert cluster.list(Policy) == []


async def test_status_is_kept_and_written_beside_the_spec(cluster: LocalCluster, state: StateFolder) -> None:
    cluster.apply([policy()])
    ready = PolicyStatus(conditions=(Condition(type="Ready", status="True", reason="OK"),), revision=3)

    await cluster.write_status(present(cluster), ready)
    cluster.apply([policy(action="Audit")])

    assert present(cluster).status == ready
    written = json.loads((state.resources / "Policy.risk.careful.json").read_text())
    assert (written["kind"], written["spec"]["failureAction"], written["status"]["revision"]) == ("Policy", "Audit", 3)


async def test_the_status_of_a_resource_that_was_replaced_is_not_written(cluster: LocalCluster) -> None:
    cluster.apply([policy()])
    old = present(cluster)
    cluster.apply([])
    cluster.apply([policy()])

    await cluster.write_status(old, PolicyStatus(revision=9))

    assert present(cluster).status.revision == 0


@pytest.mark.parametrize(
    ("spec", "ignored"),
    [
        pytest.param({}, ["spec.image"], id="the-least"),
        pytest.param({"env": [{"name": "A", "value": "1"}]}, ["spec.image"], id="a-value"),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]},
            ["spec.env[].valueFrom", "spec.image"],
            id="a-value-from-a-secret",
        ),
        pytest.param(
            {"gate": {"resources": {"limits": {"memory": "1Gi"}}}, "volumes": [{"name": "a", "emptyDir": {}}]},
            ["spec.gate", "spec.image", "spec.volumes"],
            id="fields-of-pods",
        ),
        pytest.param({"scaling": {"maxReplicaCount": 3}}, ["spec.image", "spec.scaling"], id="scaling"),
    ],
)
def test_fields_that_only_pods_have_are_named(cluster: LocalCluster, spec: dict[str, Any], ignored: list[str]) -> None:
    cluster.apply([agent(**spec)])
    assert cluster.ignored_pod_fields() == ignored


def test_without_agents_nothing_is_ignored(cluster: LocalCluster) -> None:
    assert cluster.ignored_pod_fields() == []


async def test_secrets_are_files_for_their_owner_only(cluster: LocalCluster, state: StateFolder) -> None:
    await cluster.apply_secret("risk", "guard.agent", {"client.properties": "a=b\n", "old": "x"})
    await cluster.apply_secret("risk", "guard.agent", {"client.properties": "a=c\n"})

    path = state.secrets / "risk" / "guard.agent" / "client.properties"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.stat().st_mode & 0o777 for p in (path.parent, path.parent.parent, state.secrets)] == [0o700] * 3
    assert await cluster.read_secret("risk", "guard.agent") == {"client.properties": "a=c\n"}
    await cluster.delete_secret("risk", "guard.agent")
    assert await cluster.read_secret("risk", "guard.agent") is None


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path), StateFolder(tmp_path)
    with first.locked(), pytest.raises(FolderLockedError, match=r"already runs in .*process \d+"), second.locked():
        pass
    with second.locked():
        assert (tmp_path / ".streamwarden").stat().st_mode & 0o777 == 0o700


def test_preparing_removes_what_an_earlier_run_left(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with state.locked():
        state.prepare()
        (state.secrets / "risk").mkdir()
        state.prepare()

        assert list(state.secrets.iterdir()) == []
        assert (state.root / ".gitignore").read_text() == "*\n"


def test_the_project_is_found_from_a_folder_below(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with pytest.raises(StateError, match="streamwarden dev"):
        find_project(below)
    (tmp_path / ".streamwarden").mkdir()
    assert find_project(below) == tmp_path
