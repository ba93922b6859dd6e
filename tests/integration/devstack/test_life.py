"""What happens when something is killed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs leave some out
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from streamwarden_devstack.stack import Stack
from streamwarden_devstack.stack.probes import kafka_answers
from streamwarden_kafka.connection import SCRAM_MECHANISMS, Connection
from support.pids import gone

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 60

pytestmark = pytest.mark.own_stack

OWNER = """
import asyncio, sys
from pathlib import Path
from streamwarden_devstack.stack import Stack

async def main():
    async with Stack(Path(sys.argv[1]), registry=False) as stack:
        print(stack.kafka_pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def write_one(stack: Stack, topic: str) -> None:
    errors: list[object] = []
    producer = Producer(stack.operator.librdkafka())
    producer.produce(topic, value="kept", on_delivery=lambda error, _: errors.append(error))
    producer.flush(PATIENCE_S)
    assert errors == [None]


def read_one(properties: dict[str, str], topic: str) -> bytes | None:
    consumer = Consumer(
        {key: value for key, value in properties.items() if key != "partitioner"}
        | {"group.id": uuid4().hex, "log_level": "0"}
    )
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(PATIENCE_S)
        while message is not None and message.error() is not None:
            message = consumer.poll(PATIENCE_S)
        return None if message is None else message.value()


def files_with(folder: Path, word: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def make_topic(stack: Stack, topic: str) -> None:
    admin = AdminClient({**stack.operator.librdkafka()})
    admin.create_topics([NewTopic(topic, 1, 1)], operation_timeout=20)[topic].result(20)


async def test_a_killed_broker_comes_back_on_the_same_port_with_its_data(tmp_path: Path) -> None:
    async with Stack(tmp_path, registry=False) as stack:
        await asyncio.to_thread(make_topic, stack, "orders")
        await asyncio.to_thread(write_one, stack, "orders")
        address, first = stack.bootstrap_servers, stack.kafka_pid
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await gone(first)

        assert await asyncio.to_thread(read_one, stack.operator.librdkafka(), "orders") == b"kept"
        assert stack.bootstrap_servers == address
        assert stack.kafka_pid not in {None, first}


def first_in_order() -> str:
    """Give a user's name that a Java ``HashMap`` comes to before all others, whatever its size."""

    def spread(name: str) -> int:
        code = 0
        for letter in name:
            code = (31 * code + ord(letter)) & 0xFFFFFFFF
        return code ^ (code >> 16)

    return next(name for name in map("left-{}".format, itertools.count()) if spread(name) & 0xFFFF == 0)


def alter(admin: AdminClient, *changes: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
    for future in admin.alter_user_scram_credentials(list(changes)).values():
        future.result(PATIENCE_S)


async def test_a_broker_that_comes_back_lets_in_whom_it_let_in_after_a_user_was_removed(tmp_path: Path) -> None:
    async with Stack(tmp_path, registry=False) as stack:
        admin, first, left = AdminClient({**stack.operator.librdkafka()}), stack.kafka_pid, first_in_order()
        assert first is not None
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            credential = ScramCredentialInfo(mechanism, 4096)
            stays = [UserScramCredentialUpsertion(user, credential, b"known") for user in ("resident", left)]
            await asyncio.to_thread(alter, admin, *stays)
            await asyncio.to_thread(alter, admin, UserScramCredentialDeletion(left, mechanism))

        os.kill(first, signal.SIGKILL)
        await gone(first)

        async with asyncio.timeout(PATIENCE_S):
            await kafka_answers(stack.operator)
            for name in SCRAM_MECHANISMS:
                await kafka_answers(Connection.scram(stack.bootstrap_servers, "resident", "known", name))


@pytest.mark.long
async def test_data_is_fresh_unless_it_was_asked_to_be_kept(tmp_path: Path) -> None:
    async with Stack(tmp_path, registry=False) as stack:
        await asyncio.to_thread(make_topic, stack, "orders")
        await asyncio.to_thread(write_one, stack, "orders")
    async with Stack(tmp_path, registry=False, keep_data=True) as stack:
        assert await asyncio.to_thread(read_one, stack.operator.librdkafka(), "orders") == b"kept"
        password = stack.operator.password
        address = stack.bootstrap_servers
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        async with Stack(tmp_path, registry=False, keep_data=True) as stack:
            assert stack.bootstrap_servers != address
            assert await asyncio.to_thread(read_one, stack.operator.librdkafka(), "orders") == b"kept"
    async with Stack(tmp_path, registry=False) as stack:
        admin = AdminClient({**stack.operator.librdkafka()})
        assert "orders" not in (await asyncio.to_thread(admin.list_topics, timeout=10)).topics
        assert stack.operator.password != password


async def test_no_broker_is_left_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    broker = int(await owner.stdout.readline())

    owner.kill()
    await owner.wait()

    await gone(broker)


async def test_a_stopped_stack_refuses_connections(tmp_path: Path) -> None:
    async with Stack(tmp_path, registry=False) as stack:
        properties = stack.operator.librdkafka()
    admin = AdminClient({**properties, "log_level": "0"})
    with pytest.raises(KafkaException):
        await asyncio.to_thread(admin.list_topics, timeout=1)
    assert stack.kafka_pid is None


async def test_no_password_is_among_the_arguments_or_open_to_others(tmp_path: Path) -> None:
    async with Stack(tmp_path / "state", registry=False) as stack:
        password = stack.operator.password
        holders = files_with(tmp_path, password)
        assert {path.stat().st_mode & 0o077 for path in holders} == {0}
        assert password not in repr(stack.__dict__)
