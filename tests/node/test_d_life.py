"""Resources come, change and go in any order, and always say where they stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.plant import Plant

if TYPE_CHECKING:
    from support.governed import Governed


def principals(plant: Plant) -> set[str]:
    """Return the namespace's users that have an ACL."""
    from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs leave its names out
        AclBindingFilter,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    anything: Any = None  # the stubs take no None
    everything = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found = plant.site.kafka.admin.describe_acls(everything).result(30)
    own = {binding.principal.removeprefix("User:") for binding in found}
    return {user for user in own if user.startswith(f"{plant.namespace}.")}


def gone(plant: Plant) -> bool:
    return not plant.site.kubectl("get", "namespace", plant.namespace, "--ignore-not-found", "-o", "name")


def test_an_agent_before_its_contracts_waits_for_them_and_says_so(governed: Governed) -> None:
    plant = Plant(governed)
    namespace, loop = plant.prepared_namespace(), plant.loop()
    by_kind = {kind: [one for one in loop if one["kind"] == kind] for kind in {one["kind"] for one in loop}}
    plant.apply([*namespace, *by_kind["AgentDeployment"]])
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "Accepted")[1] == "RefNotFound")
    assert "readings" in plant.condition("agentdeployment", "watcher", "Accepted")[2]
    plant.apply(by_kind["TopicContract"])
    plant.apply(by_kind["ConfigMap"])
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "TopicsReady")[0] == "True")
    plant.apply(by_kind["Policy"])
    plant.wait_ready()
    plant.produce(range(20))
    plant.expect_each_once(range(20))


def test_deleted_and_made_again_it_goes_on_where_it_was(governed: Governed) -> None:
    plant = Plant(governed).start()
    plant.produce(range(40))
    plant.expect_each_once(range(40))
    uid = plant.get("agentdeployment", "watcher")["metadata"]["uid"]
    plant.site.kubectl("delete", "agentdeployment", "watcher", "-n", plant.namespace, "--timeout=120s")
    governed.until(lambda: principals(plant) == set())
    assert plant.pods() == []
    secrets = plant.site.kubectl("get", "secrets", "-n", plant.namespace, "-o", "name")
    assert "credentials" not in secrets
    plant.produce(range(40, 60))
    plant.apply()
    plant.wait_ready()
    assert plant.get("agentdeployment", "watcher")["metadata"]["uid"] != uid
    plant.expect_each_once(range(60))


def test_a_namespace_deleted_in_one_go_ends_and_leaves_no_access(governed: Governed) -> None:
    plant = Plant(governed).start()
    assert len(principals(plant)) == 2
    plant.delete_namespace()
    governed.until(lambda: gone(plant))
    governed.until(lambda: principals(plant) == set())
    assert f"{plant.namespace}.watcher.decisions" in governed.kafka.admin.list_topics(timeout=30).topics


def test_with_kafka_down_a_deletion_says_what_it_waits_for_and_an_annotation_lets_go(governed: Governed) -> None:
    plant = Plant(governed).start()
    with governed.stack.silent():
        governed.kubectl("delete", "agentdeployment", "watcher", "-n", plant.namespace, "--wait=false")
        governed.until(lambda: plant.condition("agentdeployment", "watcher", "Ready")[1] == "DeletionBlocked")
        assert "streamwarden.io/orphan" in plant.condition("agentdeployment", "watcher", "Ready")[2]
        orphan = json.dumps({"metadata": {"annotations": {"streamwarden.io/orphan": "true"}}})
        patch = ("patch", "agentdeployment", "watcher", "-n", plant.namespace, "--type=merge", "-p", orphan)
        governed.kubectl(*patch)
        listed = ("get", "agentdeployment", "-n", plant.namespace, "-o", "name")
        governed.until(lambda: not governed.kubectl(*listed))
    governed.until(lambda: principals(plant) == set())


def test_what_somebody_scales_or_edits_by_hand_is_put_right(governed: Governed) -> None:
    plant = Plant(governed).start()
    edit = json.dumps([{"op": "replace", "path": "/spec/template/spec/initContainers/0/image", "value": "evil:1"}])
    governed.kubectl("patch", "deployment", "watcher", "-n", plant.namespace, "--type=json", "-p", edit)
    gate = governed.cluster.images["gate"]

    def image() -> str:
        template = plant.get("deployment", "watcher")["spec"]["template"]["spec"]
        return str(template["initContainers"][0]["image"])

    governed.until(lambda: image() == gate)
    plant.wait_ready()
