"""The loop as pods on a real node: nothing lost, nothing twice, no way round the gate. The tests follow one another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.plant import Plant

if TYPE_CHECKING:
    from support.governed import Governed


BYPASS = """
from confluent_kafka import Producer
text = open("/etc/streamwarden/credentials/client.properties").read()
answers = []
producer = Producer(dict(line.split("=", 1) for line in text.splitlines()) | {"log_level": 0})
producer.produce("TOPIC", b"{}", b"valve-0001", on_delivery=lambda error, _: answers.append(error.name()))
producer.flush(30)
print(text.split("sasl.username=")[1].split()[0], answers)
"""
LOOK_AROUND = """
import json, os
places = ["/etc/streamwarden/config", "/var/run/secrets/kubernetes.io/serviceaccount"]
found = {place: sorted(n for n in os.listdir(place) if n[0] != ".") for place in places if os.path.isdir(place)}
try:
    open("/opt/streamwarden/x", "w")
except OSError as error:
    found["written"] = error.strerror
parents = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        parents[int(pid)] = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    except OSError:
        pass  # it has ended since
entered = {pid for pid, parent in parents.items() if parent == 0 and pid != 1}  # probes, and this process
own = sorted(parents.keys() - entered)
print(json.dumps({**found, "uid": os.getuid(), "pids": own}))
"""


@pytest.fixture(scope="module")
def plant(governed: Governed) -> Plant:
    return Plant(governed).start()


def test_each_reading_is_decided_judged_and_commanded_once(plant: Plant) -> None:
    plant.produce(range(200))
    plant.expect_each_once(range(200))


def test_kubectl_get_says_where_everything_stands(plant: Plant) -> None:
    lines = plant.site.kubectl("get", "streamwarden", "-n", plant.namespace, "--no-headers").splitlines()
    rows = {columns[0]: columns[1:] for line in lines if (columns := line.split())}
    assert set(rows) == {
        "agentdeployment.streamwarden.io/watcher",
        "policy.streamwarden.io/careful",
        "topiccontract.streamwarden.io/readings",
        "topiccontract.streamwarden.io/valve-commands",
    }
    assert all("True" in columns for columns in rows.values())
    assert rows["agentdeployment.streamwarden.io/watcher"][0] == "1"


def test_the_agent_s_secret_used_from_inside_its_pod_is_refused_on_command_topics(plant: Plant) -> None:
    said = plant.run_in("agent", BYPASS.replace("TOPIC", plant.commands))
    assert said.split() == [f"{plant.namespace}.watcher.agent", "['TOPIC_AUTHORIZATION_FAILED']"]


def test_neither_container_sees_what_is_the_other_s(plant: Plant) -> None:
    agent, gate = (json.loads(plant.run_in(container, LOOK_AROUND)) for container in ("agent", "gate"))
    told = {"formats.json", "inputs.json"}  # where there is something to tell, once it is known
    assert set(agent["/etc/streamwarden/config"]) - told == {"agent.json"}
    assert gate["/etc/streamwarden/config"] == ["gate.json", "public-keys.json"]
    user = "sasl.username={}".format
    read = "print(open('/etc/streamwarden/credentials/client.properties').read().split('password')[0])"
    assert user(f"{plant.namespace}.watcher.agent") in plant.run_in("agent", read)
    assert user(f"{plant.namespace}.watcher.gate") in plant.run_in("gate", read)
    for found in (agent, gate):
        assert "/var/run/secrets/kubernetes.io/serviceaccount" not in found
        assert found["written"] == "Read-only file system"
        assert found["uid"] == 10001
    assert len(agent["pids"]) == 2  # its own program, and the process that reads for it
    assert len(gate["pids"]) == 2  # its supervisor, and itself


def test_an_edited_policy_is_in_force_without_a_restart(plant: Plant) -> None:
    before = plant.pods()
    revision = plant.get("policy", "careful")["status"]["revision"]
    edit = [{"op": "replace", "path": "/spec/rules/0/require", "value": "decision.confidence >= 0.9"}]
    plant.site.kubectl("patch", "policy", "careful", "-n", plant.namespace, "--type=json", "-p", json.dumps(edit))
    plant.site.until(lambda: plant.condition("policy", "careful", "RolledOut")[0] == "True")
    status = plant.get("policy", "careful")["status"]
    assert status["revision"] > revision
    assert (status["rollout"]["gates"], status["rollout"]["updated"]) == (1, 1)
    assert status["rollout"]["convergedAfter"].endswith("ms")
    plant.produce([260, 295])
    plant.wait_judged(202)
    assert plant.judged()["valve-0260", "Deny"] == plant.judged()["valve-0295", "Allow"] == 1
    assert plant.pods() == before


def test_kills_of_gate_agent_node_operator_and_broker_lose_nothing_and_repeat_nothing(governed: Governed) -> None:
    plant = Plant(governed).start()
    plant.produce(range(100))
    plant.wait_judged(20)
    governed.cluster.kill_container(plant.namespace, plant.pods()[0], "gate")
    plant.produce(range(100, 200))
    plant.wait_judged(120)
    governed.cluster.kill_container(plant.namespace, plant.pods()[0], "agent")
    plant.produce(range(200, 300))
    plant.wait_judged(220)
    governed.cluster.restart_node()
    plant.produce(range(300, 400))
    plant.wait_judged(320)
    governed.kubectl("delete", "pod", "-n", "streamwarden", "-l", "app.kubernetes.io/name=streamwarden-operator")
    pid = governed.stack.kill()
    governed.until(lambda: governed.stack.kafka_pid not in {None, pid})
    plant.produce(range(400, 500))
    plant.expect_each_once(range(500))
    plant.wait_ready()


def test_a_pod_is_only_as_good_as_its_image_and_says_so(governed: Governed) -> None:
    plant = Plant(governed, agent={"image": "localhost/streamwarden/nobody-made-this:1"})
    plant.apply()
    governed.until(lambda: plant.condition("agentdeployment", "watcher", "Ready")[1] == "Crashing")
    message = plant.condition("agentdeployment", "watcher", "Ready")[2]
    assert "localhost/streamwarden/nobody-made-this:1" in message
    assert "cannot be pulled" in message
    plant.delete_namespace()
