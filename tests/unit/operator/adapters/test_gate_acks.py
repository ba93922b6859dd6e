"""When all that gates had said is known, over a consumer in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError
from streamwarden_kafka.codes import END_OF_PARTITION
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka import gate_acks
from streamwarden_operator.adapters.kafka.gate_acks import KafkaGateAcks

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

    def poll(self, _timeout_s: float) -> End | None:
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
