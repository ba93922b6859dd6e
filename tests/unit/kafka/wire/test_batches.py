from __future__ import annotations

import pytest
from streamwarden_kafka.wire.batches import Scan, scan
from support.batch_headers import batch, data, marker


@pytest.mark.parametrize(
    ("batches", "aborted", "expected"),
    [
        pytest.param([], [], Scan(None, None), id="nothing"),
        pytest.param([batch(5, 9)], [], Scan(5, 10), id="a-plain-record"),
        pytest.param([marker(5, 1)], [], Scan(None, 6), id="a-marker"),
        pytest.param([marker(5, 1), marker(6, 2), data(7, 7, 1)], [], Scan(7, 8), id="a-record-behind-markers"),
        pytest.param([data(5, 8, 1), marker(9, 1)], [(1, 5)], Scan(None, 10), id="an-aborted-transaction"),
        pytest.param(
            [data(5, 5, 1), marker(6, 1), data(7, 7, 1), marker(8, 1)],
            [(1, 5)],
            Scan(7, 8),
            id="the-same-producer-s-next-transaction-counts",
        ),
        pytest.param([data(5, 5, 1), data(6, 6, 2)], [(1, 5)], Scan(6, 7), id="another-producer-s-counts"),
        pytest.param([data(5, 5, 1), batch(6, 6)], [(1, 5)], Scan(6, 7), id="a-plain-record-among-them-counts"),
        pytest.param(
            [data(5, 5, 1), marker(6, 1), data(7, 7, 1), marker(8, 1)],
            [(1, 7), (1, 5)],
            Scan(None, 9),
            id="two-aborted-transactions-in-any-order",
        ),
        pytest.param([data(5, 8, 1)], [(1, 2)], Scan(None, 9), id="one-that-began-before-the-piece"),
        pytest.param([batch(5, 9, records=0)], [], Scan(None, 10), id="what-compaction-took-away"),
    ],
)
def test_only_what_a_read_committed_reader_gets_is_a_record(
    batches: list[bytes], aborted: list[tuple[int, int]], expected: Scan
) -> None:
    assert scan(b"".join(batches), aborted) == expected


def test_a_batch_that_is_cut_off_is_judged_by_its_header() -> None:
    assert scan((marker(5, 1) + batch(6, 6))[:-3], []) == Scan(6, 7)
    assert scan((marker(5, 1) + batch(6, 6))[:-40], []) == Scan(None, 6)


def test_a_format_that_kafka_gave_up_is_refused() -> None:
    with pytest.raises(ValueError, match="format 1"):
        scan(batch(5, 5, magic=1), [])
