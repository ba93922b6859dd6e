"""Where a log ends, asked of a client that an untrue offset has led beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition
from streamwarden_kafka.membership import end_of
from support.gate_world import eventually
from support.kafka_tools import WAIT_S, Cluster
from support.raw_records import Fields, RawRecord, RawWriter, encode_batch, encode_record

if TYPE_CHECKING:
    from support.brokers import Broker


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
        assert end_of(consumer, (unique, 0)) == 2
    finally:
        consumer.close()
