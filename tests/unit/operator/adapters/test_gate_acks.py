"""When all that gates had said is known, and what becomes of a reader that breaks, over a consumer in memory."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from confluent_kafka import KafkaError, Message
from streamwarden_contract.acks import MOST_BYTES_OF_ONE, GateAck
from streamwarden_kafka.codes import END_OF_PARTITION
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka import ack_room, gate_acks
from streamwarden_operator.adapters.kafka.ack_room import KEPT_BYTES, MOST_BYTES
from streamwarden_operator.adapters.kafka.gate_acks import KafkaGateAcks
from streamwarden_operator.adapters.kafka.gate_acks import _Said as Said
from structlog.testing import capture_logs
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest


def at_end() -> Message:
    """Make what the client says at the end of a partition."""
    return Message(topic="risk.streamwarden.gates", partition=0, offset=0, error=KafkaError(END_OF_PARTITION))


class ConsumerAtEnds:
    """Finds nothing but ends, more than once."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.settings = settings
        self.ends = 0

    def add(self, places: Iterable[object]) -> None:
        self.ends += 2 * len(list(places))

    def take(self, most: int, size: float, timeout_s: float) -> list[Message]:
        del most, size, timeout_s
        if not self.ends or not self.settings.get("enable.partition.eof"):
            return []
        self.ends -= 1
        return [at_end()]

    def close(self) -> None:
        self.ends = 0


async def test_a_namespace_is_complete_once_its_topic_has_been_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_consumer(*arguments: object, **_: object) -> ConsumerAtEnds:
        settings = arguments[3]
        assert isinstance(settings, dict)
        return ConsumerAtEnds(settings)

    monkeypatch.setattr(gate_acks, "IsolatedConsumer", open_consumer)
    acks, told, reached = (
        KafkaGateAcks(Connection("kafka:9092"), group="g"),
        list[str](),
        asyncio.Event(),
    )

    def note(namespace: str) -> None:
        told.append(namespace)
        reached.set()

    acks.on_complete = note
    acks.start()
    assert not acks.complete("risk")
    acks.watch("risk")
    async with asyncio.timeout(5):
        await reached.wait()
    await acks.stop()
    await asyncio.sleep(0)
    assert (acks.complete("risk"), acks.complete("other"), told) == (True, False, ["risk"])


class Breaking(ConsumerAtEnds):
    """A client that breaks once something has been assigned; the ones after it work."""

    opened = 0

    def __init__(self, settings: Mapping[str, object]) -> None:
        super().__init__(settings)
        Breaking.opened += 1
        self._breaks = Breaking.opened == 1

    @override
    def take(self, most: int, size: float, timeout_s: float) -> list[Message]:
        if self._breaks and self.ends:
            raise SystemError("a callback of the client")
        return super().take(most, size, timeout_s)


async def test_x93_a_reading_thread_that_breaks_is_told_and_reads_everything_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_consumer(*arguments: object, **_: object) -> Breaking:
        settings = arguments[3]
        assert isinstance(settings, dict)
        return Breaking(settings)

    monkeypatch.setattr(Breaking, "opened", 0)
    monkeypatch.setattr(gate_acks, "IsolatedConsumer", open_consumer)
    acks, restarts, reached = (
        KafkaGateAcks(Connection("kafka:9092"), group="g", first_pause_s=0.001),
        list[str](),
        asyncio.Event(),
    )
    acks.on_complete = lambda _: reached.set()
    acks.on_restart = restarts.append
    with capture_logs() as logs:
        acks.watch("risk")
        acks.start()
        async with asyncio.timeout(5):
            await reached.wait()
        await acks.stop()
    assert (restarts, acks.complete("risk"), Breaking.opened) == (["gate-acks"], True, 2)
    assert [(entry["event"], entry["task"]) for entry in logs] == [("task broke, and is started again", "gate-acks")]


def test_an_agents_gates_are_found_without_those_of_others() -> None:
    acks = KafkaGateAcks(Connection("kafka:9092"), group="g")
    for agent, pod in (("guard-b", "z"), ("guard", "y"), ("guard", "x")):
        said = GateAck(namespace="risk", agent=agent, agent_uid="u", pod=pod, state="InForce", reported_at_ms=1)
        acks._take([Said("risk", said.key.decode(), said, 1)])
    assert [ack.pod for ack in acks.of_agent("risk", "guard")] == ["x", "y"]
    assert [ack.pod for ack in acks.of_namespace("risk")] == ["x", "y", "z"]
    acks._take([Said("risk", "guard/x", None, 0)])
    acks._take([Said("risk", "guard/y", None, 0)])
    acks._take([Said("risk", "guard/never", None, 0)])
    assert acks.of_agent("risk", "guard") == []
    assert acks._acks == {"risk": {"guard-b": {"z": acks.of_agent("risk", "guard-b")[0]}}}


def test_x85_who_writes_acks_of_many_pods_fills_no_memory_and_harms_no_other_namespace() -> None:
    acks, forgotten = KafkaGateAcks(Connection("kafka:9092"), group="g"), list[str]()
    acks.on_ack = lambda _namespace, _agent, pod, ack: forgotten.append(pod) if ack is None else None
    most = MOST_BYTES // (MOST_BYTES_OF_ONE + KEPT_BYTES)

    def say(namespace: str, pod: str, size: int = MOST_BYTES_OF_ONE) -> None:
        said = GateAck(namespace=namespace, agent="guard", agent_uid="u", pod=pod, state="InForce", reported_at_ms=1)
        acks._take([Said(namespace, said.key.decode(), said, size)])

    say("risk", "small", 1)
    with capture_logs() as logs:
        for number in range(most + 10):
            say("risk", f"pod-{number:04}")
    assert [(entry["event"], entry["namespace"]) for entry in logs] == [
        ("acks left out: the namespace has too many", "risk")
    ]
    assert len(acks.of_namespace("risk")) == most + 1
    say("fraud", "a")
    assert [ack.pod for ack in acks.of_namespace("fraud")] == ["a"]
    say("risk", "small")  # it says more than there is room for: what it said before may be true no more
    assert (len(acks.of_namespace("risk")), forgotten[-1]) == (most, "small")
    acks._take([Said("risk", "guard/pod-0000", None, 0)])
    say("risk", "another")
    assert len(acks.of_namespace("risk")) == most


class Saying(ConsumerAtEnds):
    """Gives what gates have written, and the end behind it."""

    messages: ClassVar[list[Message]] = []

    def get_watermark_offsets(self, *_: object, **_named: object) -> tuple[int, int]:
        return 0, 5

    @override
    def take(self, most: int, size: float, timeout_s: float) -> list[Message]:
        taken = self.messages[:] if self.ends else []
        self.messages.clear()
        return taken or super().take(most, size, timeout_s)


def written(
    offset: int, pod: str, size: int = 0, *, agent: str = "guard", epoch: int = 0, value: bytes | None = None
) -> Message:
    """Make what a gate has written: an ack, of so many bytes at least, or this in its place."""
    said = GateAck(
        namespace="risk",
        agent=agent,
        agent_uid="u",
        pod=pod,
        state="InForce",
        namespace_epoch=epoch,
        reported_at_ms=1,
    )
    text = said.encode().ljust(size) if value is None else value
    return Message(topic="risk.streamwarden.gates", partition=0, offset=offset, key=said.key, value=text)


async def read_to_the_end(acks: KafkaGateAcks) -> None:
    """Read all that is written in ``risk``."""
    reached = asyncio.Event()
    acks.on_complete = lambda _: reached.set()
    acks.watch("risk")
    acks.start()
    async with asyncio.timeout(30):
        await reached.wait()
    await acks.stop()


async def test_x85_an_ack_takes_the_room_that_it_was_written_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of these gates' acks fit, by what they wrote and not by what is understood of it; one says too much."""
    monkeypatch.setattr(gate_acks, "IsolatedConsumer", lambda *arguments, **_: Saying(arguments[3]))
    monkeypatch.setattr(ack_room, "MOST_BYTES", 3 * (100_000 + KEPT_BYTES))

    fitting = (written(offset, pod, 100_000) for offset, pod in enumerate("abcd", start=1))
    Saying.messages[:] = [written(0, "huge", MOST_BYTES_OF_ONE + 1), *fitting]
    acks = KafkaGateAcks(Connection("kafka:9092"), group="g")
    await read_to_the_end(acks)
    assert [ack.pod for ack in acks.of_namespace("risk")] == ["a", "b", "c"]


async def test_of_all_that_gates_say_at_once_the_last_of_each_is_taken_in_that_is_an_ack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two acks of one gate, one in between and a slip after it: one call, and it is in order of what was said last."""
    monkeypatch.setattr(gate_acks, "IsolatedConsumer", lambda *arguments, **_: Saying(arguments[3]))

    Saying.messages[:] = [
        written(0, "a", epoch=1),
        written(1, "b", epoch=1),
        written(2, "a", epoch=2),
        written(3, "b", epoch=2),
        written(4, "a", value=b"{"),
    ]
    acks, taken = KafkaGateAcks(Connection("kafka:9092"), group="g"), list[tuple[str, int]]()
    acks.on_ack = lambda _namespace, _agent, pod, ack: taken.append((pod, ack.namespace_epoch if ack else -1))
    with capture_logs() as logs:
        await read_to_the_end(acks)
    assert taken == [("a", 2), ("b", 2)]
    assert [(entry["offset"], entry["error"]) for entry in logs if entry["event"] == "ack ignored"] == [
        (4, "MalformedEventError")
    ]


async def test_a_gate_that_says_too_much_to_be_read_is_believed_no_longer_what_it_said_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_acks, "IsolatedConsumer", lambda *arguments, **_: Saying(arguments[3]))

    Saying.messages[:] = [written(0, "a"), written(1, "b"), written(2, "a", MOST_BYTES_OF_ONE + 1)]
    acks, heard = KafkaGateAcks(Connection("kafka:9092"), group="g"), dict[str, bool]()
    acks.on_ack = lambda _namespace, _agent, pod, ack: heard.update({pod: ack is not None})
    await read_to_the_end(acks)
    assert [ack.pod for ack in acks.of_namespace("risk")] == ["b"]
    assert heard == {"a": False, "b": True}


async def test_an_ack_is_that_of_the_agent_and_the_pod_that_its_key_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one whose agent holds a slash the tombstone had another key: one was written each time that it was read."""
    monkeypatch.setattr(gate_acks, "IsolatedConsumer", lambda *arguments, **_: Saying(arguments[3]))

    Saying.messages[:] = [written(0, "p", agent="guard/x"), written(1, "x/q"), written(2, "r")]
    acks = KafkaGateAcks(Connection("kafka:9092"), group="g")
    with capture_logs() as logs:
        await read_to_the_end(acks)
    assert [(ack.agent, ack.pod) for ack in acks.of_agent("risk", "guard")] == [("guard", "r"), ("guard", "x/q")]
    assert [(entry["offset"], entry["error"]) for entry in logs] == [(0, "names another gate")]


def test_what_is_no_ack_is_said_now_and_then_whatever_number_somebody_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, acks = 100.0, KafkaGateAcks(Connection("kafka:9092"), group="g")
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    with capture_logs() as logs:
        for offset in range(1_000):
            acks._tell_ignored("risk.streamwarden.gates", offset, "too large")
        acks._tell_ignored("fraud.streamwarden.gates", 7, "too large")
        now_s += 11
        acks._tell_ignored("risk.streamwarden.gates", 1_000, "names another gate")
    assert [(entry["topic"].partition(".")[0], entry["offset"], entry["more_before"]) for entry in logs] == [
        ("risk", 0, 0),
        ("fraud", 7, 0),
        ("risk", 1_000, 999),
    ]
