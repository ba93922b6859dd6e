"""A publication that is given up in the middle must not make its own publisher a stranger."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.transactions import TransactionalProducer
from streamwarden_kafka.wire.transactional_ids import Holder
from streamwarden_operator.adapters.kafka import fence_watch, policy_log
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_operator.ports import SignedRecord


async def test_x94_a_read_that_is_given_up_after_it_fenced_does_not_fence_its_own_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    epoch, is_open, reading, go_on = 0, False, threading.Event(), threading.Event()

    def open_it(_producer: TransactionalProducer) -> None:
        nonlocal epoch, is_open
        epoch, is_open = (epoch, True) if is_open else (epoch + 1, True)

    def close_it(_producer: TransactionalProducer) -> None:
        nonlocal is_open
        is_open = False

    def read(_log: KafkaPolicyLog, _topic: str) -> Mapping[bytes, SignedRecord]:
        reading.set()
        assert go_on.wait(10)
        return {}

    async def holder_of(_wire: object, _id: str) -> Holder:
        return Holder(7, epoch)

    monkeypatch.setattr(TransactionalProducer, "open", open_it)
    monkeypatch.setattr(TransactionalProducer, "close", close_it)
    monkeypatch.setattr(TransactionalProducer, "is_open", property(lambda _: is_open))
    monkeypatch.setattr(KafkaPolicyLog, "_read", read)
    monkeypatch.setattr(fence_watch, "holder_of", holder_of)
    monkeypatch.setattr(policy_log, "_LOOK_S", 0.01)
    log = KafkaPolicyLog(Connection("nowhere:1"), transactional_id="publisher")
    go_on.set()
    await log.read("risk.policies")
    log._producer.close()  # as after an outage: the next read opens another one
    reading.clear()
    go_on.clear()
    given_up = asyncio.create_task(log.read("risk.policies"))
    await asyncio.to_thread(reading.wait, 10)
    given_up.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(log.fenced(), 0.2)
