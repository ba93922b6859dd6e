"""An installation as people operate it: a cluster, a Kafka, the operator as a process, gates as processes.

There is no node: ``GatePods`` is the kubelet, once at each look of a test.
"""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml
from confluent_kafka import Producer, TopicCollection
from streamwarden_contract.acks import GateAck, decode_ack
from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_contract.names import AgentNames
from support.api_server import OPERATOR_USER, ROOT, find_programs, running_api_server, write_overlay
from support.gate_chains import AGENT, check_chains
from support.gate_decisions import proposals
from support.gate_pods import GatePods
from support.gate_world import values
from support.kafka_tools import WAIT_S, Cluster
from support.kubernetes_side import conditions
from support.operate_page import Person
from support.operator_process import OperatorProcess, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.api_server import ApiServer
    from support.stack_fixture import RunningStack

NAMESPACE = "risk"
SYSTEM = "streamwarden"
NAMES = AgentNames(NAMESPACE, AGENT)
COMMANDS = f"{NAMESPACE}.commands"
KEY_SECRET = "streamwarden-signing-key"
PATIENCE_S = 120.0
"""Of several steps of the operator's, on a machine that has other work."""
_API = "streamwarden.io/v1alpha1"


def manifests(namespace: str = NAMESPACE, schema: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return contracts, a policy and an agent; whatever is at least half sure is allowed.

    Args:
        namespace: where they are.
        schema: of commands, where they shall have one.
    """
    rule = {"name": "confident", "require": "decision.confidence >= 0.5"}
    agent = {
        "image": "registry.example/guard:1",
        "agent": {"entrypoint": "guard:agent"},
        "inputs": [{"name": "inputs", "topicRef": {"name": "inputs"}}],
        "decisions": [{"type": "block", "commandTopicRef": {"name": "commands"}}],
    }
    inputs, commands = ({"topicName": f"{namespace}.{name}", "partitions": 3} for name in ("inputs", "commands"))
    given = {} if schema is None else {"schema": {"schema": json.dumps(schema)}}
    specs: list[tuple[str, str, dict[str, Any]]] = [
        ("TopicContract", "inputs", inputs),
        ("TopicContract", "commands", {**commands, **given}),
        ("Policy", "confident", {"failureAction": "Enforce", "rules": [rule]}),
        ("AgentDeployment", AGENT, agent),
    ]
    return [
        {"apiVersion": _API, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
        for kind, name, spec in specs
    ]


class Operated:
    """One cluster with the installation, on a Kafka; nothing is applied before ``apply``."""

    def __init__(self, server: ApiServer, stack: RunningStack, folder: Path) -> None:
        self.server, self.stack, self._folder = server, stack, folder
        programs = find_programs()
        assert programs is not None
        self.person = Person(folder / "person", programs["kubectl"], server.kubeconfig)
        self._write_folder()
        self.kafka = Cluster(stack.operator_properties)
        self.gates = GatePods(server, folder / "gates", NAMESPACE)
        self._properties = folder / "librdkafka.properties"
        self._properties.write_text(stack.operator.render())
        self._operators: list[OperatorProcess] = []
        self.proposed = 0

    def _write_folder(self) -> None:
        """Write what the page's commands find where they are run."""
        home = self.person.folder
        (home / "config").symlink_to(ROOT / "config")
        for name, base, more in (
            ("my-namespaces/risk", "namespace", {"namespace": NAMESPACE}),
            ("my-operator", "default", {}),
        ):
            folder = home / name
            folder.mkdir(parents=True)
            write_overlay(folder, base, **more)
        (home / "manifests").mkdir()
        (home / "manifests" / "all.yaml").write_text(yaml.safe_dump_all(manifests()))

    def apply(self) -> None:
        """Install everything, as for the first time."""
        for what in ("-k my-operator", "-k my-namespaces/risk"):
            self.person.run(f"kubectl apply --server-side {what}")
        self.server.wait_ours_served()
        self.person.run("kubectl apply --server-side -f manifests/")

    def start(self, **settings: object) -> OperatorProcess:
        """Start an operator; it may not become ready."""
        operator = OperatorProcess(
            self._folder,
            self.server.kubeconfig_of(OPERATOR_USER),
            kafka_properties=self._properties,
            gate_image="registry.example/gate:1",
            first_retry="0:00:00.1",
            **{"leader_election": "false", **settings},  # alone, and on a machine that may stand still for longer
        )
        self._operators.append(operator)
        return operator

    @property
    def operator(self) -> OperatorProcess:
        """The one that was started last."""
        return self._operators[-1]

    def stop_operator(self) -> None:
        assert self.operator.stop() == 0

    def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.server.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def events(self, reason: str, namespace: str = SYSTEM) -> list[str]:
        """Return the messages of all Events of a reason."""
        asked = ("get", "events", "-n", namespace, f"--field-selector=reason={reason}", "-o", "json")
        return [event["message"] for event in json.loads(self.server.kubectl(*asked))["items"]]

    def secret(self, name: str = KEY_SECRET, namespace: str = SYSTEM) -> dict[str, str]:
        """Return the values of a Secret."""
        found = self.get("secret", name, namespace)["data"]
        return {key: base64.b64decode(text).decode() for key, text in found.items()}

    def is_ready(self) -> bool:
        """Whether the agent is."""
        return conditions(self.get("agentdeployment", AGENT)).get("Ready") == ("True", "OK")

    def until(self, holds: Callable[[], object], wait_s: float = PATIENCE_S) -> None:
        """Wait until something holds; gates get their files and their turn meanwhile."""

        def looked() -> object:
            self.gates.sync()
            return holds()

        until(looked, self.explain, wait_s)

    def explain(self) -> str:
        looks = (("get", "agentdeployments,policies,topiccontracts,pods", "-A", "-o", "yaml"), ("get", "events", "-A"))
        return "\n".join([*(self.server.kubectl(*look) for look in looks), self.operator.text()])

    # What the agent does, and what came of it

    def propose(self, count: int = 1) -> None:
        """Write decisions with the agent's credentials, each with a number of its own."""
        lines = self.secret(f"{AGENT}-agent-credentials", NAMESPACE)["client.properties"].splitlines()
        properties = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        producer = Producer({**properties, "enable.idempotence": True, "log_level": "0"})
        errors: list[Any] = []
        for key, value, headers in proposals(range(self.proposed, self.proposed + count)):
            producer.produce(
                NAMES.decisions,
                value,
                key,
                headers=headers,
                on_delivery=lambda error, _: errors.append(error) if error else None,
            )
        assert producer.flush(WAIT_S) == 0
        assert errors == []
        self.proposed += count

    def commanded(self) -> list[str]:
        """Return the entities of all commands, in order of their numbers."""
        keys = [(message.key() or b"").decode() for message in self.kafka.read_all(COMMANDS)]
        return sorted(keys, key=lambda key: int(key.removeprefix("page-")))

    def acks(self) -> list[GateAck]:
        """Return every report of a gate, oldest first."""
        return [decode_ack(value) for each in self.kafka.read_all(NAMES.shared.gates) if (value := each.value())]

    def last_ack(self) -> GateAck:
        return self.acks()[-1]

    def epoch(self) -> int:
        """Return the highest epoch that a gate has said it has in force."""
        return max(ack.namespace_epoch for ack in self.acks())

    def in_force(self) -> bool:
        """Whether the gate of each pod has the newest set in force."""
        return (
            {ack.pod: ack.state for ack in self.acks() if ack.pod in self.gates.processes}
            == dict.fromkeys(self.gates.processes, "InForce")
            != {}
        )

    def all_commanded(self) -> bool:
        return len(self.commanded()) == self.proposed

    def topic_id(self, topic: str) -> str:
        futures = self.kafka.admin.describe_topics(TopicCollection([topic]))
        return str(futures[topic].result(WAIT_S).topic_id)

    def heads(self) -> dict[int, ChainHead]:
        """Return what the gate's group has committed: the head of each partition's chain."""
        own = self.topic_id(NAMES.decisions)
        places = self.kafka.places(NAMES.gate_group, NAMES.decisions)
        return {each.partition: parse_metadata(each.metadata, topic_id=own, offset=each.offset) for each in places}

    def check_judged(self) -> None:
        """Every decision was allowed once, none is dead, and the audit chains are whole."""
        self.until(self.all_commanded)
        assert self.commanded() == [f"page-{number}" for number in range(self.proposed)]
        audits = self.kafka.read_all(NAMES.shared.audit)
        assert [each["verdict"] for each in values(audits)] == ["Allow"] * self.proposed
        assert self.kafka.read_all(NAMES.shared.dead_letters) == []
        check_chains([(each.key(), each.value()) for each in audits], self.heads())

    def close(self) -> None:
        for operator in self._operators:
            operator.close()
        self.gates.close()


def command_in(message: str) -> str:
    """Return the command that an Event ends with."""
    before, command, after = message.rpartition("kubectl ")
    assert before, message
    return command + after


@contextmanager
def operated(stack: RunningStack, folder: Path) -> Iterator[Operated]:
    """Run an API server with nothing on it; what is started there ends with the block."""
    (folder / "api-server").mkdir(parents=True)
    with running_api_server(folder / "api-server") as server:
        made = Operated(server, stack, folder)
        try:
            yield made
        finally:
            made.close()
