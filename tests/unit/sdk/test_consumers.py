"""What a consumer returns becomes records, ends and log lines; only a fatal error ends it."""

from __future__ import annotations

import pytest
import structlog
from confluent_kafka import KafkaError, Message
from streamwarden.core.records import Partition, Record
from streamwarden.runtime.consumers import Collected
from streamwarden.runtime.errors import RuntimeFaultError
from streamwarden_kafka.codes import DEADLY
from streamwarden_kafka.errors import BrokerUnavailableError


def error(code: int, *, fatal: bool = False, offset: int = 0) -> Message:
    return Message(topic="pages", partition=1, offset=offset, error=KafkaError(code, "why", fatal))


def test_a_record_is_taken_as_it_is() -> None:
    headers: list[tuple[str, str | bytes | None]] = [("a", b"1"), ("b", b"2"), ("a", b"3")]
    collected = Collected()
    collected.add(
        Message(topic="pages", partition=1, offset=7, key=b"k", value=b"val", headers=headers, timestamp=(1, 1234))
    )
    assert collected.records == [Record("pages", 1, 7, 1234, b"k", b"val", (("a", b"1"), ("b", b"2"), ("a", b"3")))]
    assert collected.size == 4


def test_a_record_says_which_topic_of_that_name_it_is_of() -> None:
    collected = Collected({"pages": "T1"})
    for topic in ("pages", "others"):
        collected.add(Message(topic=topic, partition=1, offset=7, key=b"k", value=b"v", timestamp=(1, 5)))
    assert [record.topic_id for record in collected.records] == ["T1", ""]


def test_a_record_may_have_neither_key_nor_value_nor_headers() -> None:
    collected = Collected()
    collected.add(Message(topic="pages", partition=0, offset=0, timestamp=(1, 5)))
    assert collected.records == [Record("pages", 0, 0, 5, None, None, ())]
    assert collected.size == 0


def test_an_end_is_no_record() -> None:
    collected = Collected()
    collected.add(error(KafkaError._PARTITION_EOF, offset=12))
    assert (collected.records, collected.ends) == ([], [(Partition("pages", 1), 12)])


def test_an_error_that_may_pass_is_logged_by_its_name() -> None:
    collected = Collected()
    with structlog.testing.capture_logs() as entries:
        collected.add(error(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert entries == [
        {
            "event": "Kafka cannot be read for now",
            "log_level": "warning",
            "topic": "pages",
            "code": "TOPIC_AUTHORIZATION_FAILED",
        }
    ]
    assert (collected.records, collected.ends, collected.size) == ([], [], 0)


def test_a_fatal_error_ends_the_process() -> None:
    with pytest.raises(RuntimeFaultError, match="the consumer cannot go on: FENCED_INSTANCE_ID"):
        Collected().add(error(KafkaError.FENCED_INSTANCE_ID, fatal=True))


def test_an_offset_that_a_record_cannot_have_makes_its_batch_unreadable_and_other_partitions_go_on() -> None:
    collected = Collected(end_of=lambda at, _: {1: 8, 2: 101}[at[1]])
    for partition, offset in ((1, 7), (2, 99), (1, 8), (1, 9), (1, 5), (2, 100)):
        collected.add(Message(topic="pages", partition=partition, offset=offset, key=b"k", timestamp=(1, 5)))
    collected.add(error(KafkaError.OFFSET_OUT_OF_RANGE))
    assert [record.offset for record in collected.records] == [7, 99, 100]
    assert collected.unreadable == {Partition("pages", 1): "a record gives the offset 8, and the log ends at 8"}
    assert collected.gone == []


def test_a_log_that_grows_while_it_is_polled_is_asked_for_its_end_again() -> None:
    ends = iter([8, 12])
    collected = Collected(end_of=lambda _at, _offset: next(ends))
    for offset in (6, 7, 8, 9, 11):
        collected.add(Message(topic="pages", partition=1, offset=offset, key=b"k", timestamp=(1, 5)))
    assert [record.offset for record in collected.records] == [6, 7, 8, 9, 11]


def test_nothing_is_taken_of_a_partition_of_which_nobody_says_where_it_ends_and_others_go_on() -> None:
    def end_of(at: tuple[str, int], _offset: int) -> int:
        if at == ("pages", 1):
            raise BrokerUnavailableError("no answer")
        return 100

    collected = Collected(end_of=end_of)
    for partition, offset in ((1, 7), (2, 98), (1, 8), (2, 99)):
        collected.add(Message(topic="pages", partition=partition, offset=offset, key=b"k", timestamp=(1, 5)))
    collected.add(error(KafkaError.OFFSET_OUT_OF_RANGE))
    assert [(record.partition, record.offset) for record in collected.records] == [(2, 98), (2, 99)]
    assert (collected.doubted, collected.unreadable, collected.gone) == ({Partition("pages", 1)}, {}, [])


@pytest.mark.parametrize("code", [KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG, KafkaError._UNDERFLOW])
def test_a_batch_that_cannot_be_decoded_is_no_error_that_may_pass(code: int) -> None:
    collected = Collected()
    with structlog.testing.capture_logs() as entries:
        collected.add(error(code))
    assert collected.unreadable == {Partition("pages", 1): f"a batch cannot be decoded: {KafkaError(code).name()}"}
    assert entries == []


def test_x07_what_processes_died_of_is_a_batch_that_cannot_be_read_in_the_words_of_who_saw_it() -> None:
    collected = Collected()
    collected.add(error(DEADLY))
    assert (collected.unreadable, collected.gone) == ({Partition("pages", 1): "why"}, [])
