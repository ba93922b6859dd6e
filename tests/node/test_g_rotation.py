"""New passwords for pods (F42): what was decided meanwhile is commanded, each once, and old passwords open nothing."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple

import pytest
from streamwarden_contract.acks import GateAck, decode_ack
from streamwarden_contract.names import AgentNames, NamespaceNames
from streamwarden_devstack.cluster.installation import NAMESPACE, await_rollout
from streamwarden_kafka.connection import Connection
from support.password_logins import is_let_in
from support.plant import Plant, reading, valve
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.governed import Governed
    from support.kafka_tools import Followed

TURNS, PER_S = 3, 50
OPERATOR = ("deployment", "streamwarden-operator", "-n", NAMESPACE)
COMMAND = "/spec/template/spec/containers/0/command"
ONE_MECHANISM = """
from streamwarden_operator.adapters.kafka.logins import KafkaLogins
from streamwarden_operator.main import app
async def offers(_self, _user, mechanism):
    return mechanism == "SCRAM-SHA-512"
KafkaLogins.offers = offers
app(["run"])
"""
"""The operator of a Kafka whose listener takes one mechanism alone."""


class Sensors:
    """Writes readings that are all allowed, so many a second, until it is told to end."""

    def __init__(self, plant: Plant) -> None:
        self._plant, self._ends = plant, Event()
        self._thread = Thread(target=self._write, name="sensors")
        self.written = 0
        self.failed: BaseException | None = None
        self._thread.start()

    def end(self) -> None:
        self._ends.set()
        self._thread.join()
        if self.failed is not None:
            raise self.failed

    def _write(self) -> None:
        began = time.monotonic()
        try:
            while not self._ends.wait(0.05):
                due = int((time.monotonic() - began) * PER_S)
                records = [reading(sure(number)) for number in range(self.written, due)]
                self._plant.site.kafka.produce(self._plant.readings, records)
                self.written = due
        except BaseException as error:  # noqa: BLE001  # raised where the thread is waited for
            self.failed = error


class Way(NamedTuple):
    """What one reading took: milliseconds, by the times of the records that it led to."""

    total: int
    """From the reading to its command."""
    agent: int
    """Of these, to the decision; the gate's are the rest."""

    @override
    def __str__(self) -> str:
        return f"{self.total} ms (agent {self.agent}, gate {self.total - self.agent})"


class Loop:
    """A plant whose sensors never rest: what was read, decided and commanded."""

    def __init__(self, plant: Plant, followed: Followed) -> None:
        self.plant, self._followed = plant, followed
        self._topics = topics_of(plant)
        self.sensors = Sensors(plant)

    def catch_up(self) -> int:
        """Wait until all that was written by now is commanded; return how much that is."""
        written = self.sensors.written
        self.plant.site.until(lambda: self.times()[2].keys() >= {valve(sure(number)) for number in range(written)})
        return written

    def times(self) -> list[dict[str, int]]:
        """Return when each valve was read, decided about, and commanded."""
        found = self._followed.read()
        return [
            {(record.key() or b"").decode(): record.timestamp()[1] for record in found[topic]} for topic in self._topics
        ]

    def commanded(self) -> Counter[str]:
        return Counter((record.key() or b"").decode() for record in self._followed.read()[self.plant.commands])

    def longest_way(self, turn: Callable[[], object]) -> Way:
        """Do something, and return what the slowest of the readings that were taken meanwhile took."""
        first = self.catch_up()
        turn()
        last = self.catch_up()
        read, decided, commanded = self.times()
        valves = [valve(sure(number)) for number in range(first, last)]
        return max(Way(commanded[each] - read[each], decided[each] - read[each]) for each in valves)


def topics_of(plant: Plant) -> tuple[str, str, str]:
    return plant.readings, AgentNames(plant.namespace, "watcher").decisions, plant.commands


@contextmanager
def looping(plant: Plant) -> Iterator[Loop]:
    with plant.site.kafka.follow(*topics_of(plant)) as followed:
        loop = Loop(plant, followed)
        try:
            yield loop
        finally:
            loop.sensors.end()


def sure(number: int) -> int:
    """Return a reading whose pressure is high enough."""
    return number * 100 + 75


def acks(plant: Plant) -> list[GateAck]:
    records = plant.site.kafka.read_all(NamespaceNames(plant.namespace).gates)
    return [decode_ack(value) for record in records if (value := record.value()) is not None]


def logins(plant: Plant) -> list[Connection]:
    """Return what the Secrets of agent and gate have."""
    found = [plant.get("secret", f"watcher-{role}-credentials")["data"] for role in ("agent", "gate")]
    return [Connection.parse(base64.b64decode(each["client.properties"]).decode()) for each in found]


def events(plant: Plant, reason: str) -> list[str]:
    selector = f"reason={reason}"
    listed = plant.site.kubectl("get", "events", "-n", plant.namespace, "--field-selector", selector, "-o", "json")
    return [event["message"] for event in json.loads(listed)["items"]]


def restart(plant: Plant) -> None:
    """Replace the pods as anybody would, and wait until those of before are gone."""
    pods = plant.every_pod()
    plant.site.kubectl("rollout", "restart", "deployment/watcher", "-n", plant.namespace)
    await_others(plant, pods)


def rotate(plant: Plant, turn: int, how: str) -> None:
    """Ask for other passwords and wait until pods and passwords of before are gone."""
    before, pods = logins(plant), plant.every_pod()
    asked = f"streamwarden.io/rotate-credentials=turn-{turn}"
    plant.site.kubectl("annotate", "agentdeployment", "watcher", "-n", plant.namespace, "--overwrite", asked)
    plant.site.until(lambda: sum(f"turn-{turn}'" in said and how in said for said in begun(plant)) == len(before))
    plant.site.until(lambda: not any(old.password == new.password for old, new in pairs(before, plant)))
    await_others(plant, pods)
    plant.site.until(lambda: not any(is_let_in(login) for login in before))
    assert [is_let_in(login) for login in logins(plant)] == [True, True]


def await_others(plant: Plant, pods: set[str]) -> None:
    plant.site.until(lambda: plant.pods() and not plant.every_pod() & pods)
    plant.wait_ready()


def begun(plant: Plant) -> list[str]:
    return events(plant, "CredentialsRotationBegun")


def pairs(before: list[Connection], plant: Plant) -> list[tuple[Connection, Connection]]:
    return list(zip(before, logins(plant), strict=True))


@contextmanager
def operator_of(governed: Governed, command: list[str]) -> Iterator[None]:
    """Let the operator be another command for a while; empty: what its image says."""
    if not command:
        yield
        return
    patch("add", governed, {"value": command})
    try:
        yield
    finally:
        patch("remove", governed, {})


def patch(done: str, governed: Governed, more: dict[str, object]) -> None:
    change = json.dumps([{"op": done, "path": COMMAND, **more}])
    governed.kubectl("patch", *OPERATOR, "--type=json", "-p", change)
    await_rollout(governed.cluster, NAMESPACE, OPERATOR[1])


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("command", "how"),
    [
        pytest.param([], "is valid until no pod goes by it", id="F42-two-mechanisms"),
        pytest.param(["python", "-c", ONE_MECHANISM], "in place, as Kafka takes no logins", id="F42-one-mechanism"),
    ],
)
def test_f42_passwords_of_pods_are_replaced_and_each_decision_of_then_is_commanded_once(
    governed: Governed, command: list[str], how: str
) -> None:
    """Prints how long a reading waited for its command at most: in a plain restart of the pods, and in a rotation.

    Chaos, as pods that are replaced twelve times take minutes.
    """
    plant = Plant(governed, topics={"config": {"message.timestamp.type": "LogAppendTime"}})
    with operator_of(governed, command):
        plant.start()
        with looping(plant) as loop:
            for turn in range(TURNS):
                plain = loop.longest_way(lambda: restart(plant))
                rotation = loop.longest_way(lambda turn=turn: rotate(plant, turn, how))  # type: ignore[misc]
                print(f"{turn}: longest way in a restart {plain}, in a rotation {rotation}")  # noqa: T201  # for people
            loop.sensors.end()
            loop.catch_up()
            assert loop.commanded() == Counter(valve(sure(number)) for number in range(loop.sensors.written))
    told = acks(plant)
    assert {ack.state for ack in told} <= {"Starting", "InForce", "Stopped"}
    plant.delete_namespace()
