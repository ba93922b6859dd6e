"""Records as values: where they stand, and what they weigh."""

from __future__ import annotations

from streamwarden.core.records import Handled, Outgoing, Partition, Record, group_by_key


def record(topic: str, offset: int, key: bytes | None) -> Record:
    return Record(topic, 3, offset, 0, key, b"val", (("h", b"1"),))


def test_a_record_knows_its_partition_and_the_bytes_of_key_and_value() -> None:
    assert record("pages", 7, b"key").at == Partition("pages", 3)
    assert record("pages", 7, b"key").size == 6
    assert Record("pages", 3, 7, 0, None, None, (("h", b"1"),)).size == 0


def test_what_goes_out_weighs_what_the_gate_counts() -> None:
    assert Outgoing(b"key", b"value", (("ab", b"123"), ("c", b""))).size == 3 + 5 + (2 + 3) + 1


def test_nothing_came_of_a_record_that_nobody_handles() -> None:
    handled = Handled(record("pages", 7, None))
    assert (handled.decisions, handled.failure, handled.outgoing) == ((), None, ())


def test_a_key_has_one_order_over_all_topics_and_no_key_has_none() -> None:
    records = [
        record("pages", 0, b"a"),
        record("labels", 0, b"b"),
        record("labels", 1, b"a"),
        record("pages", 1, None),
        record("pages", 2, None),
        record("pages", 3, b""),
        record("labels", 2, b""),
    ]
    assert [[index for index, _ in group] for group in group_by_key(records)] == [[0, 2], [1], [3], [4], [5, 6]]
