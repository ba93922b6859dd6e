"""A member whose client has lost its group's coordinator is replaced: the group does not wait for the old one."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.leaving import leave_for
from streamwarden_kafka.membership import GroupMember
from support.kafka_tools import WAIT_S, Cluster
from typing_extensions import override

if TYPE_CHECKING:
    from support.stack_fixture import RunningStack


class HangingConsumer(Consumer):
    """Gets no committed offsets, and cannot be closed; it sends heartbeats all the same."""

    released: threading.Event

    @override
    def committed(self, *_arguments: Any, **_options: Any) -> Any:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    @override
    def close(self) -> None:
        self.released.wait()
        super().close()


def test_who_replaces_a_member_whose_client_hangs_gets_its_partitions_at_once(stack: RunningStack, unique: str) -> None:
    Cluster(stack.operator.librdkafka()).create_topics(f"{unique}.in", partitions=2)
    config = {**stack.operator.librdkafka(), "group.id": unique, "enable.auto.commit": False}
    hanging = HangingConsumer(config)
    hanging.released = threading.Event()
    opened = iter([hanging, Consumer(config)])
    member = GroupMember(lambda: next(opened), [f"{unique}.in"], partial(leave_for, stack.operator, unique))
    everything = {(f"{unique}.in", number) for number in range(2)}

    def wait_until_assigned() -> None:
        deadline = time.monotonic() + WAIT_S  # a tenth of how long the group would wait for the old one
        while member.assigned != everything:
            assert time.monotonic() < deadline, "no partitions"
            member.poll(0.1)

    wait_until_assigned()
    for _ in range(2):
        with pytest.raises(BrokerUnavailableError):
            member.committed(everything)
    assert not member.is_member
    wait_until_assigned()
    assert [each.offset < 0 for each in member.committed(everything)] == [True, True]
    member.close()
    hanging.released.set()
