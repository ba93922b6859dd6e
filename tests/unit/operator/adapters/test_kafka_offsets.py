"""What a group has committed, beside the ends of its partitions, while both move."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka.offsets import _EARLIEST, KafkaOffsets
from streamwarden_operator.errors import GroupInUseError
from streamwarden_operator.ports import PartitionOffsets
from support.mock_broker import mock_broker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


class _Patient:
    """Repeats nothing: every request is answered at once."""

    async def until_spread(self, attempt: Callable[[], Awaitable[object]]) -> object:
        return await attempt()


async def test_a_group_that_goes_on_while_it_is_observed_never_stands_outside_its_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moves = count(5)
    offsets = KafkaOffsets(cast("KafkaAdmin", _Patient()))

    async def partitions(_topic: str) -> list[int]:
        return [0]

    async def ends(_topic: str, _partitions: Sequence[int], spec: object) -> dict[int, int]:
        now = next(moves)  # the log grows, and is cut off right behind the group, between any two requests
        return {0: now - 1 if spec is _EARLIEST else now}

    async def committed(_group: str, _topic: str, _partitions: Sequence[int]) -> dict[int, tuple[int | None, str]]:
        return {0: (next(moves), "head")}

    monkeypatch.setattr(offsets, "_partitions", partitions)
    monkeypatch.setattr(offsets, "_ends", ends)
    monkeypatch.setattr(offsets, "_committed", committed)
    assert await offsets.observe("g", "t") == [PartitionOffsets(0, low=4, high=7, committed=6, metadata="head")]


class _Silent:
    """An admin client whose broker does not answer: librdkafka reports no error then, but the offset -1001."""

    timeout_s = 1.0
    client = SimpleNamespace(list_offsets=lambda wanted, **_: wanted)

    async def all(self, wanted: dict[TopicPartition, object]) -> dict[TopicPartition, object]:
        return dict.fromkeys(wanted, SimpleNamespace(offset=-1001))


async def test_the_end_of_a_partition_whose_broker_does_not_answer_is_unknown() -> None:
    with pytest.raises(KafkaException, match="did not answer"):
        await KafkaOffsets(cast("KafkaAdmin", _Silent()))._ends("t", [0], _EARLIEST)


@pytest.mark.slow
async def test_x96_nobody_else_commits_for_a_group_with_members() -> None:
    with mock_broker("decisions") as properties:
        offsets = KafkaOffsets(KafkaAdmin(Connection(properties["bootstrap.servers"])))
        await offsets.commit("gate", "decisions", {0: (0, "head")})
        member, joined = Consumer({**properties, "group.id": "gate", "log_level": 0}), list[bool]()
        member.subscribe(["decisions"], on_assign=lambda *_: joined.append(True))
        try:
            async with asyncio.timeout(30):
                while not joined:
                    await asyncio.to_thread(member.poll, 0.1)
            with pytest.raises(GroupInUseError, match="group 'gate' has members"):
                await offsets.commit("gate", "decisions", {0: (0, "head")})
        finally:
            member.close()
            await offsets.close()


class _Member:
    """A consumer that never connects."""

    def poll(self, _timeout: float) -> None:
        """Nothing is queued."""

    def close(self) -> None:
        """Nothing is open."""


async def test_x97_groups_that_were_asked_for_once_are_remembered_no_longer_than_their_consumers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offsets = KafkaOffsets(cast("KafkaAdmin", _Patient()))
    monkeypatch.setattr(offsets, "_connect", lambda _group: _Member())
    asked: list[str] = []
    for number in range(500):
        await offsets._as_member(f"risk.a{number}.agent", lambda _member, name=number: asked.append(f"a{name}"))  # type: ignore[misc]  # binds
    assert len(asked) == 500
    assert len(offsets._consumers) < 100
    assert len(offsets._locks) == 0


async def test_one_question_at_a_time_is_asked_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets, running = KafkaOffsets(cast("KafkaAdmin", _Patient())), threading.Semaphore(1)
    monkeypatch.setattr(offsets, "_connect", lambda _group: _Member())

    def ask(_member: object) -> bool:
        alone = running.acquire(blocking=False)
        threading.Event().wait(0.01)
        if alone:
            running.release()
        return alone

    assert all(await asyncio.gather(*(offsets._as_member("risk.a.agent", ask) for _ in range(8))))
