"""Batches that kill who reads them, before gates in pods: the limit is the container's own."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.bombs import gzip_bomb, zstd_bomb
from support.plant import Plant, valve
from support.raw_records import RawWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.governed import Governed

MIB = 1024 * 1024
REPLICAS = 3


def gates(plant: Plant) -> Iterator[dict[str, Any]]:
    """Yield the status of each pod's gate."""
    selector = "app.kubernetes.io/instance=watcher"
    listed = json.loads(plant.site.kubectl("get", "pods", "-n", plant.namespace, "-l", selector, "-o", "json"))
    for pod in listed["items"]:
        yield from (one for one in pod["status"]["initContainerStatuses"] if one["name"] == "gate")


def test_x07_three_gates_of_512_mib_skip_what_no_memory_is_enough_for_and_lose_nothing(governed: Governed) -> None:
    scaling = {"minReplicaCount": REPLICAS, "maxReplicaCount": REPLICAS}
    plant = Plant(governed, agent={"scaling": scaling}, topics={"partitions": REPLICAS}).start()
    template = plant.get("deployment", "watcher")["spec"]["template"]["spec"]
    [limits] = [one["resources"]["limits"] for one in template["initContainers"] if one["name"] == "gate"]
    assert limits["memory"] == "512Mi"
    plant.produce(range(20))
    plant.expect_each_once(range(20))
    decisions = f"{plant.namespace}.watcher.decisions"

    with RawWriter(governed.stack.operator_properties) as writer:
        for partition, bomb in enumerate((gzip_bomb(640 * MIB), zstd_bomb(640 * MIB))):  # not the third
            assert writer.write(decisions, partition, bomb).code == 0
    plant.produce(range(20, 100))

    expected = {(valve(number), "Allow" if number >= 50 else "Deny") for number in range(100)}
    governed.until(lambda: set(plant.judged()) >= expected)
    governed.until(lambda: plant.judged()["", "Skipped"] == 2)
    assert plant.judged() == Counter({**dict.fromkeys(expected, 1), ("", "Skipped"): 2})
    governed.until(lambda: plant.commanded() == Counter(valve(number) for number in range(50, 100)))
    assert [gate["restartCount"] for gate in gates(plant)] == [0] * REPLICAS
    told = plant.condition("agentdeployment", "watcher", "GateReady")
    assert told[:2] == ("True", "RecordsSkipped")
    assert "skipped" in told[2]
