"""Scaling by lag on a real node: from zero to many and back, and never because nobody could look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.plant import Plant

if TYPE_CHECKING:
    from support.governed import Governed


SCALING = {
    "minReplicaCount": 0,
    "maxReplicaCount": 5,
    "lagThreshold": 100,
    "pollingInterval": 1,
    "cooldownPeriod": 15,
}


def wanted(plant: Plant) -> int:
    return int(plant.get("deployment", "watcher")["spec"]["replicas"])


def last_scaling(plant: Plant) -> dict[str, Any]:
    found: dict[str, Any] = plant.get("agentdeployment", "watcher")["status"].get("lastScaling", {})
    return found


def test_a_burst_brings_pods_up_to_the_partitions_and_idleness_none(governed: Governed) -> None:
    plant = Plant(governed, agent={"scaling": SCALING})
    plant.apply()
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "Ready")[:2] == ("True", "ScaledToZero"))
    assert plant.condition("agentdeployment", "watcher", "GateReady")[:2] == ("True", "ScaledToZero")
    assert (wanted(plant), plant.pods()) == (0, [])
    assert plant.condition("policy", "careful", "Ready")[0] == "True"

    plant.produce(range(2_000))
    governed.until(lambda: wanted(plant) == 2)  # five would do, and there are two partitions
    governed.until(lambda: last_scaling(plant).get("replicas") == 2)
    assert "lag" in last_scaling(plant)["message"]
    plant.wait_judged(2_000)

    governed.until(lambda: (wanted(plant), plant.pods()) == (0, []))
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "Ready")[:2] == ("True", "ScaledToZero"))
    governed.until(lambda: last_scaling(plant)["replicas"] == 0)
    status = plant.get("agentdeployment", "watcher")["status"]
    assert status["lag"] == {"state": "Known", "records": 0}

    with governed.stack.silent():  # nobody can look now: no reason for a pod
        governed.until(lambda: plant.condition("agentdeployment", "watcher", "ScalingActive")[0] != "True")
        assert plant.get("agentdeployment", "watcher")["status"]["lag"]["state"] == "Stale"
        assert wanted(plant) == 0
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "ScalingActive")[0] == "True")
    assert wanted(plant) == 0
    assert last_scaling(plant) == status["lastScaling"]

    plant.produce(range(2_000, 2_001))  # one record above activationLagThreshold wakes it
    plant.wait_judged(2_001)
    assert sum(plant.judged().values()) == 2_001
    assert sum(plant.commanded().values()) == 1_000


def test_a_broker_that_comes_back_changes_no_number_of_pods(governed: Governed) -> None:
    plant = Plant(governed, agent={"scaling": {**SCALING, "minReplicaCount": 2, "cooldownPeriod": 5}}).start()
    governed.until(lambda: len(plant.pods()) == 2)
    before = last_scaling(plant)
    pods = sorted(plant.pods())
    pid = governed.stack.kill()
    governed.until(lambda: governed.stack.kafka_pid not in {None, pid})
    plant.produce(range(50))
    plant.expect_each_once(range(50))
    assert sorted(plant.pods()) == pods
    assert wanted(plant) == 2
    assert last_scaling(plant) == before


def test_a_crashing_agent_gets_no_more_pods_however_much_waits(governed: Governed) -> None:
    plant = Plant(
        governed, agent={"scaling": {**SCALING, "minReplicaCount": 1}, "agent": {"entrypoint": "no_such:agent"}}
    )
    plant.apply()
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "Ready")[1] == "Crashing")
    assert "there is no module 'no_such'" in plant.condition("agentdeployment", "watcher", "Ready")[2]
    plant.produce(range(1_000))
    governed.until(lambda: plant.get("agentdeployment", "watcher")["status"].get("lag", {}).get("records", 0) >= 0)
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "ScalingActive")[1] == "Crashing")
    assert wanted(plant) == 1
    plant.delete_namespace()
