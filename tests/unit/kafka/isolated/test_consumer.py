"""A consumer in a process of its own, on librdkafka's own broker: it reads on whatever ends that process."""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from confluent_kafka import KafkaException, TopicPartition
from streamwarden_kafka.codes import DEADLY, END_OF_PARTITION
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import ReaderFailedError
from streamwarden_kafka.isolated import child, suspects
from streamwarden_kafka.isolated.consumer import PROCESS, IsolatedConsumer
from streamwarden_kafka.isolated.rows import Row, Taken
from streamwarden_kafka.membership import end_of
from support.bombs import deadly_batch
from support.kafka_tools import WAIT_S
from support.mock_broker import mock_broker
from support.raw_records import RawRecord, RawWriter, batch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message

pytestmark = pytest.mark.slow

TOPIC = "pages"
HEADERS = ((b"ce_id", b"1"), (b"ce_id", None))
GOOD = batch_of([RawRecord(b"page-1", b"{}", HEADERS), RawRecord(None, None)])
SETTINGS = {"auto.offset.reset": "error", "enable.partition.eof": True, "fetch.wait.max.ms": 50}
_DEATHS_S = 180
"""Four processes one after another, each with its start; a quiet machine needs three seconds."""
DIED = "The process that reads has died; starting it again"


@pytest.fixture
def properties() -> Iterator[dict[str, str]]:
    with mock_broker(TOPIC) as found:
        yield found


def write(properties: dict[str, str], *batches: bytes, partition: int = 0) -> None:
    with RawWriter(properties) as writer:
        for batch in batches:
            assert writer.write(TOPIC, partition, batch).code == 0


def isolated(properties: dict[str, str], module: str = PROCESS) -> IsolatedConsumer:
    return IsolatedConsumer(Connection.of(properties), "group", "test", SETTINGS, module=module)


def read_from(reader: IsolatedConsumer, *offsets: int) -> None:
    reader.assign(TopicPartition(TOPIC, number, offset) for number, offset in enumerate(offsets))


def take_until(reader: IsolatedConsumer, holds: Callable[[Message], bool], most: int = 100) -> list[Message]:
    """Take until something comes that is waited for; it is the last."""
    found: list[Message] = []
    deadline = time.monotonic() + _DEATHS_S
    while not any(map(holds, found)):
        assert time.monotonic() < deadline, found
        found += reader.take(most, math.inf, 0.1)
    return found


def says(code: int) -> Callable[[Message], bool]:
    def holds(message: Message) -> bool:
        error = message.error()
        return error is not None and error.code() == code

    return holds


def offsets(messages: list[Message]) -> list[int]:
    return [message.offset() or 0 for message in messages if message.error() is None]


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def test_records_come_as_they_are_and_ends_behind_them(properties: dict[str, str]) -> None:
    write(properties, GOOD)
    with closing(isolated(properties)) as reader:
        read_from(reader, 0)
        first, second, end = take_until(reader, says(END_OF_PARTITION))
        assert reader.get_watermark_offsets(TopicPartition(TOPIC, 0), cached=True) == (-1, 2)
        assert reader.get_watermark_offsets(TopicPartition(TOPIC, 0), WAIT_S) == (0, 2)
        assert reader.partitions(WAIT_S)[TOPIC] == [0, 1, 2, 3]
    assert (first.topic(), first.partition(), first.offset(), first.key(), first.value()) == (
        TOPIC,
        0,
        0,
        b"page-1",
        b"{}",
    )
    assert first.headers() == [("ce_id", b"1"), ("ce_id", None)]
    assert (second.offset(), second.key(), second.value()) == (1, None, None)
    assert end.offset() == 2


def test_an_end_that_the_client_has_forgotten_is_not_told_as_it_was_before(
    properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(properties, GOOD)
    with closing(isolated(properties)) as reader:
        read_from(reader, 0)
        take_until(reader, says(END_OF_PARTITION))
        write(properties, GOOD)
        take_until(reader, says(END_OF_PARTITION))
        forgotten = Row(TOPIC, 0, 4, None, b"{}", (), (1, 0), None)
        with monkeypatch.context() as patched:
            patched.setattr(reader, "_ask", lambda *_: Taken([forgotten], {(TOPIC, 0): -1}))
            assert offsets(reader.take(1, math.inf, 0)) == [4]
        assert end_of(reader, (TOPIC, 0), 3) == 4
        write(properties, GOOD)
        assert end_of(reader, (TOPIC, 0), 5) == 6


def test_what_a_client_gives_twice_is_taken_once_and_what_is_assigned_anew_again(
    properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(isolated(properties)) as reader:
        read_from(reader, 0)
        rows = [Row(TOPIC, 0, offset, None, b"{}", (), (1, 0), None) for offset in (0, 1, 2, 0, 1, 2, 3)]
        with monkeypatch.context() as patched:
            patched.setattr(reader, "_ask", lambda *_: Taken(rows, {(TOPIC, 0): 4}))
            assert offsets(reader.take(100, math.inf, 0)) == [0, 1, 2, 3]
            assert offsets(reader.take(100, math.inf, 0)) == []
        read_from(reader, 0)
        with monkeypatch.context() as patched:
            patched.setattr(reader, "_ask", lambda *_: Taken(rows, {(TOPIC, 0): 4}))
            assert offsets(reader.take(100, math.inf, 0)) == [0, 1, 2, 3]


def test_of_a_log_that_ends_before_the_position_all_is_taken(
    properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(isolated(properties)) as reader:
        read_from(reader, 7)
        rows = [Row(TOPIC, 0, offset, None, b"{}", (), (1, 0), None) for offset in (0, 1)]
        with monkeypatch.context() as patched:
            patched.setattr(reader, "_ask", lambda *_: Taken(rows, {(TOPIC, 0): 2}))
            assert offsets(reader.take(100, math.inf, 0)) == [0, 1]


def test_no_more_is_taken_than_is_asked_for_by_number_and_about_by_size(properties: dict[str, str]) -> None:
    write(properties, *[GOOD] * 60)
    with closing(isolated(properties)) as reader:
        read_from(reader, 0)
        [one] = take_until(reader, lambda _: True, most=1)
        assert one.offset() == 0
        few: list[Message] = []
        deadline = time.monotonic() + WAIT_S
        while not few:
            assert time.monotonic() < deadline
            few = reader.take(100, 1, 0.1)
        assert len(few) <= 51


def test_x07_records_that_take_much_memory_by_their_headers_alone_are_taken_few_at_a_time(
    properties: dict[str, str],
) -> None:
    heavy = RawRecord(b"page-1", b"{}", [(b"aa", b"bb")] * 20_000)
    write(properties, *[batch_of([heavy])] * 6)
    with closing(isolated(properties)) as reader:
        reader._suspects.begin(time.monotonic())  # as after a death: until then the process bounds it that reads
        read_from(reader, 0)
        taken: list[list[int]] = []
        deadline = time.monotonic() + WAIT_S
        while sum(map(len, taken)) < 6:
            assert time.monotonic() < deadline
            if found := offsets(reader.take(1_000, 8 * 1024 * 1024, 0.1)):
                taken.append(found)
    assert [offset for some in taken for offset in some] == list(range(6))
    assert max(map(len, taken)) <= 3


def test_what_is_paused_does_not_come_until_it_is_resumed_or_assigned_anew(properties: dict[str, str]) -> None:
    write(properties, GOOD)
    write(properties, GOOD, partition=1)
    with closing(isolated(properties)) as reader:
        read_from(reader, 0, 0)
        reader.pause([TopicPartition(TOPIC, 0)])
        others = take_until(reader, says(END_OF_PARTITION))
        assert {message.partition() for message in others} == {1}
        reader.resume([TopicPartition(TOPIC, 0)])
        assert offsets(take_until(reader, says(END_OF_PARTITION))) == [0, 1]
        reader.pause([TopicPartition(TOPIC, 0)])
        read_from(reader, 1)
        assert offsets(take_until(reader, says(END_OF_PARTITION))) == [1]


def test_x07_what_three_processes_die_of_is_told_in_its_place_and_nothing_good_is_lost(
    properties: dict[str, str],
) -> None:
    write(properties, GOOD, deadly_batch(), GOOD, deadly_batch(), GOOD)
    write(properties, GOOD, GOOD, partition=1)
    found: list[Message] = []
    told: list[tuple[int | None, str]] = []
    with structlog.testing.capture_logs() as lines, closing(isolated(properties)) as reader:
        read_from(reader, 0, 0)
        for behind in (3, 6):
            found += (taken := take_until(reader, says(DEADLY)))
            told += [
                (each.partition(), error.str()) for each in taken if (error := each.error()) and says(DEADLY)(each)
            ]
            others = offsets([each for each in found if each.partition() == 1])
            read_from(reader, behind, max(others, default=-1) + 1)
        found += take_until(reader, lambda each: says(END_OF_PARTITION)(each) and each.partition() == 0)
    assert told == [(0, "3 processes died of reading a batch")] * 2
    assert sorted(offsets([each for each in found if each.partition() == 0])) == [0, 1, 3, 4, 6, 7]
    assert offsets([each for each in found if each.partition() == 1]) == [0, 1, 2, 3]
    deaths = [line for line in lines if line["event"] == DIED]
    assert {line["cause"] for line in deaths} == {"SIGABRT"}
    assert [line["offset"] for line in deaths if line.get("partition") == 0] == [2, 2, 2, 5, 5, 5]


def test_no_process_that_may_still_be_at_one_partition_reads_another(
    properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "_MOST_OF_A_TURN", 1)
    monkeypatch.setattr(suspects, "_LONGEST_TURN_S", math.inf)
    write(properties, deadly_batch(), GOOD)
    with structlog.testing.capture_logs(), closing(isolated(properties)) as reader:
        read_from(reader, 0)
        take_until(reader, says(DEADLY))
        write(properties, GOOD, partition=1)
        read_from(reader, 1, 0)
        take, early = reader._take, iter(range(3))  # looks at which nothing has come yet: they are nobody's records
        monkeypatch.setattr(reader, "_take", lambda *asked: [] if next(early, None) is not None else take(*asked))
        served: list[tuple[int | None, int]] = []
        while len(served) < 3:
            [one] = take_until(reader, lambda _: True, most=1)
            served.append((one.partition(), children()[0]))
    assert [partition for partition, _ in served] == [1, 0, 1], "who had no turn yet comes first"
    assert len({pid for _, pid in served}) == 3


def test_what_is_not_passed_over_is_told_again_without_another_death(properties: dict[str, str]) -> None:
    write(properties, deadly_batch())
    with structlog.testing.capture_logs() as lines, closing(isolated(properties)) as reader:
        read_from(reader, 0)
        take_until(reader, says(DEADLY))
        before = len(lines)
        read_from(reader, 0)
        take_until(reader, says(DEADLY))
        assert len(lines) == before


def test_a_process_that_is_killed_from_outside_is_followed_by_another_and_counts_nothing(
    properties: dict[str, str],
) -> None:
    write(properties, GOOD)
    with structlog.testing.capture_logs() as lines, closing(isolated(properties)) as reader:
        read_from(reader, 0)
        assert offsets(take_until(reader, says(END_OF_PARTITION))) == [0, 1]
        for round_ in range(1, 5):
            [child] = children()
            os.kill(child, signal.SIGKILL)
            write(properties, GOOD)
            found = take_until(reader, says(END_OF_PARTITION))
            assert offsets(found) == [2 * round_, 2 * round_ + 1]
    assert [(line["cause"], line["counts"]) for line in lines if line["event"] == DIED] == [("SIGKILL", False)] * 4


def test_a_process_that_hangs_is_followed_by_another_and_counts_as_one_that_died_of_what_it_read(
    properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(properties, GOOD)
    with structlog.testing.capture_logs() as lines, closing(isolated(properties)) as reader:
        read_from(reader, 0)
        assert offsets(take_until(reader, says(END_OF_PARTITION))) == [0, 1]
        [hanging] = children()
        os.kill(hanging, signal.SIGSTOP)
        with monkeypatch.context() as soon:
            soon.setattr(child, "_LOOK_S", 0.01)
            soon.setattr(child, "_ENDING_S", 0.01)
            assert reader.take(1, math.inf, 0) == []
        write(properties, GOOD)
        assert offsets(take_until(reader, says(END_OF_PARTITION))) == [2, 3]
    assert [(line["cause"], line["counts"]) for line in lines if line["event"] == DIED] == [("no answer", True)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_signals_for_both_leave_it_to_the_one_that_is_served(properties: dict[str, str], number: int) -> None:
    write(properties, GOOD)
    with structlog.testing.capture_logs() as lines, closing(isolated(properties)) as reader:
        read_from(reader, 0)
        take_until(reader, says(END_OF_PARTITION))
        [child] = children()
        os.kill(child, number)
        write(properties, GOOD)
        assert offsets(take_until(reader, says(END_OF_PARTITION))) == [2, 3]
        assert children() == [child]
    assert (lines, children()) == ([], [])


def test_who_is_asked_has_no_secret_among_its_arguments_or_variables(properties: dict[str, str]) -> None:
    kafka = Connection.scram(properties["bootstrap.servers"], "user", "very-secret")
    with closing(IsolatedConsumer(kafka, "group", "test", SETTINGS)):
        [child] = children()
        for file in ("cmdline", "environ"):
            assert b"very-secret" not in Path(f"/proc/{child}/{file}").read_bytes()


def test_a_question_that_nobody_answers_is_an_error_of_the_client_s() -> None:
    with closing(isolated({"bootstrap.servers": "127.0.0.1:1"})) as reader, pytest.raises(KafkaException):
        reader.partitions(0.1)


def test_a_process_that_never_begins_is_given_up(properties: dict[str, str]) -> None:
    with structlog.testing.capture_logs(), closing(isolated(properties, module="streamwarden_kafka.codes")) as reader:
        for _ in range(4):
            read_from(reader, 0)
        with pytest.raises(ReaderFailedError, match="ends before it has begun: exit code 0"):
            read_from(reader, 0)
        assert children() == []
