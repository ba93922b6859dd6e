"""When all that gates had said is known, and what becomes of a reader that breaks, over a consumer in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError
from streamwarden_contract.acks import GateAck
from streamwarden_kafka.codes import END_OF_PARTITION
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka import gate_acks
from streamwarden_operator.adapters.kafka.gate_acks import KafkaGateAcks
from structlog.testing import capture_logs
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


class End:
    """What the client says at the end of a partition."""

    def error(self) -> KafkaError:
        return KafkaError(END_OF_PARTITION)

    def topic(self) -> str:
        return "risk.streamwarden.gates"


class ConsumerAtEnds:
    """Finds nothing but ends, more than once."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.settings = settings
        self.ends = 0

    def incremental_assign(self, partitions: list[object]) -> None:
        self.ends += 2 * len(partitions)

    def poll(self, timeout_s: float) -> End | None:
        del timeout_s
        if not self.ends or not self.settings.get("enable.partition.eof"):
            return None
        self.ends -= 1
        return End()

    def close(self) -> None:
        self.ends = 0


async def test_a_namespace_is_complete_once_its_topic_has_been_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_consumer(*arguments: object) -> ConsumerAtEnds:
        settings = arguments[3]
        assert isinstance(settings, dict)
        return ConsumerAtEnds(settings)

    monkeypatch.setattr(gate_acks, "open_consumer", open_consumer)
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
    def poll(self, timeout_s: float) -> End | None:
        if self._breaks and self.ends:
            raise SystemError("a callback of the client")
        return super().poll(timeout_s)


async def test_x93_a_reading_thread_that_breaks_is_told_and_reads_everything_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_consumer(*arguments: object) -> Breaking:
        settings = arguments[3]
        assert isinstance(settings, dict)
        return Breaking(settings)

    monkeypatch.setattr(Breaking, "opened", 0)
    monkeypatch.setattr(gate_acks, "open_consumer", open_consumer)
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
        acks._take("risk", said.key.decode(), said)
    assert [ack.pod for ack in acks.of_agent("risk", "guard")] == ["x", "y"]
    assert [ack.pod for ack in acks.of_namespace("risk")] == ["x", "y", "z"]
    acks._take("risk", "guard/x", None)
    acks._take("risk", "guard/y", None)
    acks._take("risk", "guard/never", None)
    assert acks.of_agent("risk", "guard") == []
    assert acks._acks == {"risk": {"guard-b": {"z": acks.of_agent("risk", "guard-b")[0]}}}
