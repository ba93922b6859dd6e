"""People, agents and a broker that give an operator no rest, each in a thread of its own, and how it is to end."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, PARTITIONER, Connection
from support.gate_decisions import proposals
from support.kafka_tools import WAIT_S, holds
from support.kube_http import KINDS
from support.kubelet import bytes_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping

    from confluent_kafka.admin import AdminClient
    from support.kube_http import KubeHttp, Manifest
    from support.stack_fixture import OwnStack

STEADY = ("guard", "watch")
"""Agents that decide all the time, and are edited but never deleted."""
SURE, UNSURE = 0.95, 0.05
"""Confidences that all policies of all times allow, and that none does."""
_UNSURE_EACH = 5
_PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "linger.ms": 2,
    "log_level": 0,
    "message.timeout.ms": 300_000,
    "partitioner": PARTITIONER,
}
_NAMESPACE = "risk"
_API = "streamwarden.io/v1alpha1"
_NARROW = {"type": "object", "properties": {"number": {"type": "integer"}}}
_WIDE = {"type": "object", "properties": {"number": {"type": "integer"}, "why": {"type": "string"}}}

_EXPECTED = {
    "TopicContract": ("Ready", ("True", "OK")),
    "Policy": ("Published", ("True", "OK")),
    "AgentDeployment": ("Ready", ("True", "OK")),
}
"""Which condition tells that an object is as people want it, and what it says then."""

Name = tuple[str, str]
"""Kind and name."""


class Threads:
    """What runs beside the test until it ends; what breaks in one of them breaks the test."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self.resting = threading.Event()
        """Set: nobody begins anything new."""
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def begin(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # it is raised where the test looks
                self._errors.append(error)

        self._threads.append(threading.Thread(target=run, name=name))
        self._threads[-1].start()

    def check(self) -> None:
        """Raise what one of them has raised."""
        if self._errors:
            raise self._errors[0]

    def end(self) -> None:
        """Let all of them end, and wait for it."""
        self.ending.set()
        for thread in self._threads:
            thread.join(300)
            assert not thread.is_alive(), thread.name

    def pause(self, seconds: float) -> bool:
        """Let time pass, as the world does; tell whether it goes on."""
        return not self.ending.wait(seconds)


def metadata(name: str) -> Manifest:
    return {"name": name, "namespace": _NAMESPACE}


def contract(name: str, schema: Mapping[str, Any] | None = None, **spec: Any) -> Manifest:
    said = {} if schema is None else {"schema": {"schema": json.dumps(schema), "compatibilityLevel": "NONE"}}
    full = {"topicName": f"{_NAMESPACE}.{name}", "partitions": 2, "deletionPolicy": "Delete", **said, **spec}
    return {"apiVersion": _API, "kind": "TopicContract", "metadata": metadata(name), "spec": full}


def policy(name: str, least: float) -> Manifest:
    rule = {"name": "sure", "require": f"decision.confidence >= {least}"}
    spec = {"match": {"decisions": ["block"]}, "failureAction": "Enforce", "rules": [rule]}
    return {"apiVersion": _API, "kind": "Policy", "metadata": metadata(name), "spec": spec}


def agent(name: str, version: int = 1) -> Manifest:
    spec = {
        "image": f"registry.example/{name}:{version}",
        "agent": {"entrypoint": "decider:agent"},
        "inputs": [{"name": "pages", "topicRef": {"name": "pages"}}],
        "decisions": [{"type": "block", "commandTopicRef": {"name": "commands"}}],
    }
    return {"apiVersion": _API, "kind": "AgentDeployment", "metadata": metadata(name), "spec": spec}


ALWAYS = (
    contract("pages"),
    contract("commands", _NARROW),
    policy("least", 0.1),
    *(agent(name) for name in STEADY),
)


class People:
    """Edit the objects of a namespace, and know what they want of it."""

    def __init__(self, kube: KubeHttp, chance: random.Random) -> None:
        self._kube, self._chance = kube, chance
        self.wanted: dict[Name, Manifest] = {}
        self.edits = 0

    def begin(self) -> None:
        for manifest in ALWAYS:
            self._put(manifest)

    def edit(self) -> None:
        """Make, edit or delete one object."""
        self.edits += 1
        kind = self._chance.choice(KINDS)
        number = self._chance.randrange(4)
        if kind == "AgentDeployment" and number == 0:
            self._put(agent(self._chance.choice(STEADY), self._chance.randrange(1, 9)))
            return
        name = f"{ {'TopicContract': 'extra', 'Policy': 'rule', 'AgentDeployment': 'guest'}[kind] }-{number}"
        if (kind, name) in self.wanted and self._chance.random() < 0.4:
            self._kube.delete(kind, name)
            del self.wanted[kind, name]
        else:
            self._put(self._made(kind, name))

    def settle(self) -> bool:
        """Make again what was still ending when it was wanted; tell whether exactly what is wanted is there."""
        found = {(kind, each["metadata"]["name"]): each for kind in KINDS for each in self._kube.list(kind)}
        for name, manifest in self.wanted.items():
            if name not in found:
                self._kube.apply(manifest)
        return found.keys() == self.wanted.keys() and not any(
            "deletionTimestamp" in x["metadata"] for x in found.values()
        )

    def troubles(self) -> dict[Name, object]:
        """Return what is not as it should be, and how it is."""
        found = {(kind, each["metadata"]["name"]): each for kind in KINDS for each in self._kube.list(kind)}
        return {name: said for name, each in found.items() if (said := _trouble(name, each)) is not None}

    def delete_all(self) -> None:
        """Delete agents and policies, then contracts."""
        for kind, name in sorted(self.wanted, key=lambda each: (each[0] == "TopicContract", each)):
            self._kube.delete(kind, name)
        self.wanted.clear()

    def _made(self, kind: str, name: str) -> Manifest:
        if kind == "Policy":
            return policy(name, self._chance.randrange(10, 90) / 100)
        if kind == "AgentDeployment":
            return agent(name, self._chance.randrange(1, 9))
        config = {"retention.ms": self._chance.choice((60_000, 3_600_000))}
        access = {"producers": [f"User:feeder-{self._chance.randrange(2)}"]}
        return contract(name, self._chance.choice((_NARROW, _WIDE, None)), config=config, access=access)

    def _put(self, manifest: Manifest) -> None:
        self.wanted[manifest["kind"], manifest["metadata"]["name"]] = manifest
        self._kube.apply(manifest)


def _trouble(name: Name, found: Manifest) -> object:
    kind, own = name
    generation = found["metadata"]["generation"]
    said = found.get("status", {}).get("conditions", [])
    conditions = {each["type"]: (each["status"], each["reason"]) for each in said}
    wanted, expected = _EXPECTED[kind]
    if kind == "AgentDeployment" and own not in STEADY:
        expected = ("False", "GateNotReady")  # nobody runs its gate
    current = all(each["observedGeneration"] == generation for each in said)
    return None if current and conditions.get(wanted) == expected else (generation, said)


class Trickle:
    """Decisions of one agent, written with its credentials, a few a second."""

    def __init__(self, kube: KubeHttp, servers: str, agent_name: str, first: int) -> None:
        self._kube, self._servers, self._agent, self._first = kube, servers, agent_name, first
        self._errors: list[Any] = []
        self._password = ""
        self._producer: Any = None
        self.sent: dict[str, str] = {}
        """By entity: the verdict that it must get."""

    def step(self) -> None:
        """Write one more decision, once the agent has credentials."""
        self._log_in()
        if self._producer is None:
            return
        number = self._first + len(self.sent)
        confidence = SURE if number % _UNSURE_EACH else UNSURE
        (record,) = proposals([number], confidence=confidence)
        key, value, headers = record
        topic = f"{_NAMESPACE}.{self._agent}.decisions"
        self._producer.produce(topic, value, key, headers=headers, on_delivery=self._note)
        self._producer.poll(0)
        self.sent[f"page-{number}"] = "Allow" if number % _UNSURE_EACH else "Deny"

    def close(self) -> None:
        """Wait until all of them are written."""
        if self._producer is not None:
            left = self._producer.flush(WAIT_S * 4)
            assert (left, self._errors) == (0, []), (left, self._errors)

    def _log_in(self) -> None:
        secret = bytes_of(self._kube.get("Secret", f"{self._agent}-agent-credentials"))
        if secret is None:
            return
        connection = Connection.parse(secret[CLIENT_PROPERTIES_FILE].decode())
        if self._producer is None:
            settings = {**connection.librdkafka(), "bootstrap.servers": self._servers, **_PRODUCER}
            self._producer = Producer(settings)
        elif str(connection.password) != self._password:
            self._producer.set_sasl_credentials(connection.username, str(connection.password))
        self._password = str(connection.password)

    def _note(self, error: object, _message: object) -> None:
        if error is not None:
            self._errors.append(error)


class Bouncer:
    """Kills one broker of three now and then, and starts it again; the next one once all replicas are in sync."""

    def __init__(self, stack: OwnStack, admin: AdminClient, chance: random.Random) -> None:
        self._stack, self._admin, self._chance = stack, admin, chance
        self.bounces = 0
        self._gone = False

    def whole(self) -> bool:
        """Tell whether all brokers are there, and every partition has all of its replicas in sync."""
        return not self._gone and self._in_sync()

    def _in_sync(self) -> bool:
        """Ask: of one that has just been killed nobody knows yet."""
        topics = self._admin.list_topics(timeout=WAIT_S).topics.values()
        return all(len(part.isrs) == len(part.replicas) for topic in topics for part in topic.partitions.values())

    @contextmanager
    def one_is_gone(self) -> Iterator[None]:
        """Let one of them be gone inside the block; returns once it is back and has caught up."""
        self._gone = True
        with self._stack.without_broker(self._chance.randrange(1, 4)):
            yield
        self.bounces += 1
        deadline = time.monotonic() + 4 * WAIT_S
        while not holds(self._in_sync):
            assert time.monotonic() < deadline, "a replica has not caught up"
            time.sleep(0.2)
        self._gone = False
