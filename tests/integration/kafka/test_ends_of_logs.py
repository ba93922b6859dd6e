"""Where a log ends, asked of a client that cannot be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # the stubs do not export it
from streamwarden_kafka.clients import open_admin
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.membership import end_of
from streamwarden_kafka.topics import answered_offset
from support.gate_world import eventually
from support.kafka_tools import WAIT_S, Cluster
from support.raw_records import Fields, RawRecord, RawWriter, encode_batch, encode_record

if TYPE_CHECKING:
    from support.brokers import Broker, ProxiedBroker

LIST_OFFSETS = 2
"""The API's key."""
ANSWERS_S = 1.0


@pytest.mark.parametrize("broker", [pytest.param("apache", marks=pytest.mark.broker)], indirect=True)
def test_a_client_that_was_refused_beyond_the_end_is_not_believed_to_know_none(broker: Broker, unique: str) -> None:
    cluster = Cluster(broker.properties)
    cluster.create_topics(unique)
    records = b"".join(encode_record(RawRecord(b"k", b"v"), delta) for delta in (0, 2))
    with RawWriter(cluster.properties) as writer:
        assert writer.write(unique, 0, encode_batch(records, Fields(last_offset_delta=1, records=2))).code == 0
    settings = {"group.id": unique, "auto.offset.reset": "error", "enable.auto.commit": "false"}
    own = {name: value for name, value in cluster.properties.items() if name != "partitioner"}
    consumer = Consumer(own | settings)
    try:
        place = TopicPartition(unique, 0, 0)
        consumer.assign([place])
        first = consumer.poll(WAIT_S)
        assert first is not None
        assert first.offset() == 0
        eventually(lambda: consumer.get_watermark_offsets(place, cached=True)[1] < 0, "the end is forgotten")
        second = consumer.poll(WAIT_S)
        assert second is not None
        assert (second.error(), second.offset()) == (None, 2)
        assert end_of(consumer, (unique, 0), 2) == 2
    finally:
        consumer.close()


def test_a_broker_that_does_not_answer_has_told_no_end(proxied: ProxiedBroker, unique: str) -> None:
    Cluster(proxied.operator.librdkafka()).create_topics(unique)
    admin = open_admin(proxied.operator, ClientLog("ends", quiet=True))
    asked = {TopicPartition(unique, 0): OffsetSpec.latest()}  # type: ignore[no-untyped-call]
    (told,) = admin.list_offsets(asked, request_timeout=WAIT_S).values()
    assert answered_offset(told.result(WAIT_S)) == 0
    proxied.proxy.swallow(LIST_OFFSETS)
    (silent,) = admin.list_offsets(asked, request_timeout=ANSWERS_S).values()
    answer = silent.result(WAIT_S)
    assert answer.offset == -1001, "librdkafka reports errors now: answered_offset is not needed any more"
    with pytest.raises(KafkaException, match="did not answer"):
        answered_offset(answer)
