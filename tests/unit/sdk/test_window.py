"""Events of a partition finish in any order; what is committed names them, so that each is done once."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden.core import offset_metadata
from streamwarden.core.offset_metadata import MAX_AHEAD, OffsetMetadataError, decode, encode
from streamwarden.core.positions import Positions
from streamwarden.core.records import Partition, Record, UnreadableBatch
from streamwarden.core.window import Window

A, B = Partition("t", 0), Partition("t", 1)
TOPIC_ID = "lKx0Zp7VQ+S5/rsnkCVIEg"


def record(offset: int, key: bytes | None = None, *, at: Partition = A, size: int = 0) -> Record:
    return Record(*at, offset, 0, key, b"x" * size, ())


def taken(window: Window, *offsets: int) -> list[Record]:
    records = [record(offset) for offset in offsets]
    assert all(map(window.take, records))
    return records


def test_the_low_watermark_waits_for_the_first_event_that_is_not_finished() -> None:
    window = Window(5)
    slow, *others = taken(window, 5, 6, 7, 8)
    for each in others[1:]:
        window.finish(each)
    assert window.mark == (5, 0b110)
    window.finish(slow)
    assert window.mark == (6, 0b11)
    window.finish(others[0])
    assert window.mark == (9, 0)


def test_a_batch_that_cannot_be_read_takes_all_its_offsets() -> None:
    window = Window(5)
    [slow] = taken(window, 5)
    batch = Record(*A, 6, 0, None, None, (), "", UnreadableBatch(8, "why"))
    assert window.take(batch)
    assert window.position == 9
    window.finish(batch)
    assert window.mark == (5, 0b1)
    window.finish(slow)
    assert window.mark == (9, 0)


def test_a_batch_that_was_passed_over_beyond_the_watermark_is_not_taken_again() -> None:
    window = Window(5, 0b1)
    [slow] = taken(window, 5)
    assert not window.take(Record(*A, 6, 0, None, None, (), "", UnreadableBatch(8, "why")))
    assert window.position == 9
    window.finish(slow)
    assert window.mark == (9, 0)


def test_offsets_without_a_record_hold_nothing_up() -> None:
    window = Window(0)
    first, second = taken(window, 3, 40)
    assert window.mark == (3, 0)
    window.finish(second)
    assert window.mark == (3, 1 << 36)
    window.finish(first)
    window.reach(44)
    assert window.mark == (44, 0)


def test_where_nothing_is_committed_and_nothing_done_there_is_nothing_to_commit() -> None:
    window = Window(None)
    (first,) = taken(window, 7)
    window.reach(8)
    assert window.mark is None
    window.finish(first)
    assert window.mark == (8, 0)


def test_what_an_earlier_owner_has_finished_is_passed_over() -> None:
    window = Window(5, 0b1011)
    assert [window.take(record(offset)) for offset in range(5, 11)] == [True, False, False, True, False, True]
    assert window.mark == (5, 0b1011)


def test_what_is_read_again_is_not_taken_again() -> None:
    window = Window(0)
    first, second = taken(window, 0, 1)
    assert [window.take(record(offset)) for offset in (0, 1)] == [False, False]
    window.finish(second)
    assert not window.take(record(1))
    window.finish(first)
    assert not window.take(record(0))
    assert window.mark == (2, 0)


def test_an_event_of_a_log_that_was_made_again_finishes_none_of_the_new_one() -> None:
    positions = Positions()
    positions.reset({A: 0})
    old, new = record(0), record(0)
    positions.take(old)
    assert positions.fit(A, 0, 0) == -1
    positions.take(new)
    positions.finish(old)
    assert positions.uncommitted() == {A: 0}
    positions.finish(new)
    assert positions.uncommitted() == {A: 1}


def test_no_event_is_taken_for_which_a_commit_has_no_bit() -> None:
    window = Window(0)
    (slow,) = taken(window, 0)
    assert [window.has_room(offset) for offset in (MAX_AHEAD, MAX_AHEAD + 1)] == [True, False]
    (last,) = taken(window, MAX_AHEAD)
    window.finish(last)
    assert window.mark == (0, 1 << (MAX_AHEAD - 1))
    window.finish(slow)
    assert window.has_room(10 * MAX_AHEAD), "with nothing under way the watermark goes where the next record is"


def test_a_partition_is_full_until_half_of_what_waits_is_done() -> None:
    positions = Positions()
    positions.reset({A: 0, B: 0})
    waiting = [record(offset, size=1024 * 1024) for offset in range(33)]
    for each in waiting:
        positions.take(each)
    assert positions.full() == {A}, "half of 64 MiB is another partition's"
    for each in waiting[:10]:
        positions.finish(each)
    assert positions.full() == {A}
    for each in waiting[10:18]:
        positions.finish(each)
    assert positions.full() == frozenset()


def test_a_partition_is_full_that_is_too_far_ahead() -> None:
    positions = Positions()
    positions.reset({A: 0, B: 0})
    for offset in (0, MAX_AHEAD):
        positions.take(record(offset))
    assert positions.full() == {A}


@given(st.integers(0, 10**17), st.sets(st.integers(0, MAX_AHEAD - 1), max_size=50))
def test_what_is_written_is_read_and_fits_a_transaction(offset: int, bits: set[int]) -> None:
    beyond = sum(1 << bit for bit in bits)
    text = encode("x" * 64, offset, beyond)
    assert len(text) <= 4_095
    assert decode(text, topic_id="x" * 64, offset=offset) == beyond


def test_the_longest_bitmap_at_the_last_offset_fits_a_transaction() -> None:
    assert len(encode("x" * 64, 10**18 - 1, (1 << MAX_AHEAD) - 1)) == 4_086


def test_metadata_of_format_1_is_read_for_good() -> None:
    assert decode(f"1;{TOPIC_ID};40;BQE=", topic_id=TOPIC_ID, offset=40) == 0b1_0000_0101
    assert encode(TOPIC_ID, 40, 0b1_0000_0101) == f"1;{TOPIC_ID};40;BQE="


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        pytest.param("2;whatever", "it is not of format 1", id="another-format"),
        pytest.param(f"2;{TOPIC_ID};40;BQE=", "it is not of format 1", id="another-format-that-looks-alike"),
        pytest.param("hello", "it is not of format 1", id="somebody-elses"),
        pytest.param("1;AAAA;40;BQE=", f"it is of the topic AAAA; this one is {TOPIC_ID}", id="another-topic"),
        pytest.param(f"1;{TOPIC_ID};41;BQE=", "it is that of the offset 41", id="copied-beside-another-offset"),
        pytest.param(f"1;{TOPIC_ID};40;BQE", "its bitmap is not base64", id="cut-short"),
        pytest.param(f"1;{TOPIC_ID};40;{'A' * 4004}", "its bitmap reaches further than 24000 offsets", id="too-long"),
    ],
)
def test_what_says_nothing_of_the_offset_is_refused(metadata: str, problem: str) -> None:
    with pytest.raises(OffsetMetadataError) as refused:
        decode(metadata, topic_id=TOPIC_ID, offset=40)
    assert str(refused.value) == problem


def test_no_metadata_means_that_nothing_is_finished_beyond() -> None:
    assert decode("", topic_id=TOPIC_ID, offset=40) == 0


def test_metadata_is_written_only_where_something_is_finished_beyond_and_the_topic_is_known() -> None:
    positions = Positions()
    positions.reset({A: 0, B: 0})
    for at in (A, B):
        for offset in (0, 1):
            each = record(offset, at=at)
            positions.take(each)
            if at == B or offset == 1:
                positions.finish(each)
    assert positions.uncommitted() == {A: 0, B: 2}
    assert positions.offset_metadata({"t": TOPIC_ID}) == {A: f"{offset_metadata.FORMAT};{TOPIC_ID};0;AQ=="}
    assert positions.offset_metadata({}) == {}


@dataclass
class Process:
    """A process of the agent: it reads a log, finishes events in any order over keys, commits, and dies."""

    log: list[bytes | None]
    """Keys; None is a marker."""
    committed: tuple[int, str] = (0, "")
    decided: list[int] = field(default_factory=list)
    """Offsets whose decisions are committed."""

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        offset, metadata = self.committed
        self.window = Window(offset, decode(metadata, topic_id=TOPIC_ID, offset=offset))
        self.at = offset
        self.lanes: defaultdict[bytes | None, deque[Record]] = defaultdict(deque)
        self.done: list[int] = []

    def read(self) -> None:
        if self.at < len(self.log):
            key = self.log[self.at]
            each = record(self.at, key)
            if key is not None and self.window.take(each):
                self.lanes[key].append(each)
            self.at += 1
        if self.at == len(self.log):
            self.window.reach(self.at)

    def finish(self, choice: int) -> None:
        busy = [key for key, lane in self.lanes.items() if lane]
        if busy:
            each = self.lanes[busy[choice % len(busy)]].popleft()
            self.window.finish(each)
            self.done.append(each.offset)

    def commit(self) -> None:
        mark = self.window.mark
        assert mark is not None
        self.committed = (mark[0], encode(TOPIC_ID, *mark) if mark[1] else "")
        self.decided += self.done
        self.done = []

    @property
    def idle(self) -> bool:
        return self.at == len(self.log) and not any(self.lanes.values())


@given(
    st.lists(st.sampled_from([b"a", b"b", b"c", None]), max_size=30),
    st.lists(st.one_of(st.sampled_from(["read", "read", "commit", "die"]), st.integers(0, 2)), max_size=120),
)
def test_x21_each_event_is_decided_once_and_in_order_of_its_key_whenever_a_process_dies(
    log: list[bytes | None], steps: list[str | int]
) -> None:
    process = Process(log)
    for step in steps:
        match step:
            case "read":
                process.read()
            case "commit":
                process.commit()
            case "die":
                process.start()
            case int():
                process.finish(step)
            case _:
                raise AssertionError(step)
    while not process.idle:
        process.read()
        process.finish(0)
    process.commit()
    assert sorted(process.decided) == [offset for offset, key in enumerate(log) if key is not None]
    for key in (b"a", b"b", b"c"):
        of_key = [offset for offset in process.decided if log[offset] == key]
        assert of_key == sorted(of_key)
    assert process.committed == (len(log), "")
