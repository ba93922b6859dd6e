"""The same stack on each Kafka there is: users, rights and transactions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, Producer
from streamwarden_devstack.stack import KafkaOptions, Stack
from streamwarden_devstack.stack.versions import KAFKAS
from support.kafka_tools import WAIT_S, Cluster, Right

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.own_stack, pytest.mark.matrix]


def write_in_transaction(user: dict[str, str]) -> KafkaError | None:
    """As a user with rights to one topic: a committed record there, and the answer for another topic."""
    producer = Producer({**user, "transactional.id": "own.1", "log_level": 0})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    producer.produce("own", b"committed")
    producer.flush(WAIT_S)
    producer.commit_transaction(WAIT_S)
    refused: list[KafkaError | None] = []
    stranger = Producer({**user, "log_level": 0})
    stranger.produce("others", b"v", on_delivery=lambda error, _: refused.append(error))
    stranger.flush(WAIT_S)
    return refused[0]


@pytest.mark.parametrize("version", KAFKAS)
async def test_a_user_with_rights_commits_a_transaction_and_no_more(tmp_path: Path, version: str) -> None:
    async with Stack(tmp_path, kafka=KafkaOptions(version), registry=False) as stack:
        cluster = Cluster(stack.operator.librdkafka())
        await asyncio.to_thread(cluster.create_topics, "own", "others")
        rights = [Right("WRITE", "TOPIC", "own"), Right("WRITE", "TRANSACTIONAL_ID", "own.", prefixed=True)]
        user = await asyncio.to_thread(cluster.create_user, "writer", rights)

        refused = await asyncio.to_thread(write_in_transaction, user)

        assert refused is not None
        assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert [record.value() for record in await asyncio.to_thread(cluster.read_all, "own")] == [b"committed"]
