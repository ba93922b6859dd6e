"""A restore into another cluster, by the commands of docs/operate.md: one Kafka, and objects with other UIDs."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.names import InstallationNames
from support.operate_page import command, commands, instead
from support.operated import NAMES, NAMESPACE, Operated, command_in, operated
from support.stack_fixture import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.own_stack
KEY_FILE = "streamwarden-signing-key.json"
WRITTEN = (NAMES.shared.policies, InstallationNames().guardrails, InstallationNames().inventory)
OF_OBJECTS = ("uid", "resourceVersion", "creationTimestamp", "managedFields")


@pytest.fixture
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Operated, Operated]]:
    """A cluster with an agent that judges, and an empty one; one Kafka."""
    folder = tmp_path_factory.mktemp("another-cluster")
    with (
        running_stack(folder / "stack", registry=False) as stack,
        operated(stack, folder / "before") as before,
        operated(stack, folder / "after") as after,
    ):
        before.apply()
        before.start().wait_ready()
        before.until(before.is_ready)
        before.until(before.in_force)
        yield before, after


def kafka_has(site: Operated) -> dict[str, Any]:
    """Return topics with their ids, and users with their mechanisms."""
    topics = {name: site.topic_id(name) for name in site.kafka.admin.list_topics().topics}
    found = site.kafka.admin.describe_user_scram_credentials().result(30)
    users = {user: sorted(str(each.mechanism) for each in of.scram_credential_infos) for user, of in found.items()}
    return {"topics": topics, "users": users}


def chains_of(site: Operated) -> dict[int, tuple[int, str]]:
    """Return how long each audit chain is, and the hash of its last record, as the gates' group has committed it."""
    return {number: (head.length, head.sha256) for number, head in site.heads().items()}


def uid_of(site: Operated) -> str:
    uid: str = site.get("namespace", "kube-system")["metadata"]["uid"]
    return uid


def secrets_of_agents(site: Operated) -> list[dict[str, Any]]:
    """Return them as a backup tool puts them back: labels and values, and nothing of the objects that were."""
    listed: list[dict[str, Any]] = json.loads(site.server.kubectl("get", "secrets", "-n", NAMESPACE, "-o", "json"))[
        "items"
    ]
    for each in listed:
        each["metadata"] = {name: value for name, value in each["metadata"].items() if name not in OF_OBJECTS}
    assert [each["metadata"]["name"] for each in listed] == ["guard-agent-credentials", "guard-gate-credentials"]
    return listed


def ended_as_a_clone(site: Operated, other: Operated) -> str:
    """Start an operator, which ends; return the command that its Event has."""
    operator = site.start()
    site.until(operator.ended)
    assert operator.wait() == 1
    (said,) = [each for each in site.events("CannotGoOn") if "InstallationCloned" in each]
    assert f"is that of the cluster {uid_of(other)}, and this cluster is {uid_of(site)}" in said
    return command_in(said)


def ends_of(site: Operated) -> dict[str, dict[int, int]]:
    return {topic: site.kafka.end_offsets(topic, committed=False) for topic in WRITTEN}


@pytest.mark.long
def test_x83_a_restore_into_another_cluster_goes_on_with_all_that_was_there(
    clusters: tuple[Operated, Operated],
) -> None:
    before, after = clusters
    before.propose(6)
    before.check_judged()
    before.person.run(command("Backup", "jq"))
    secrets, epoch = secrets_of_agents(before), before.last_ack().namespace_epoch
    before.stop_operator()
    before.gates.close()
    had, chains, ends = kafka_has(before), chains_of(before), ends_of(before)

    shutil.copy(before.person.folder / KEY_FILE, after.person.folder)
    for each in commands("Restore"):
        if each.endswith("manifests/"):
            after.server.wait_ours_served()
            after.server.apply(*secrets)
        after.person.run(each)
    asked = instead(
        command("Into another cluster", "take-over"), "4f0c4c1e-6a0b-4b7e-9d55-0f1f6f0a9b1c", uid_of(before)
    )
    assert ended_as_a_clone(after, before) == asked
    assert ends_of(after) == ends
    after.person.run(asked)
    after.start().wait_ready()
    after.until(lambda: after.events("InstallationTakenOver"))
    after.until(after.is_ready)
    after.until(after.in_force)
    assert after.last_ack().namespace_epoch > epoch
    assert kafka_has(after) == had
    assert chains_of(after) == chains
    after.proposed = before.proposed
    after.propose(6)
    after.check_judged()
    assert [each["data"] for each in secrets_of_agents(after)] == [each["data"] for each in secrets]
    ended_as_a_clone(before, after)
    assert not after.operator.ended()
