"""What ``streamwarden gate skip`` shows of a range, by the headers of its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.skips.asking import Stand
from streamwarden_cli.skips.standing import show_batches
from streamwarden_contract.models.skip import SkipRequest
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, NotReachedError
from streamwarden_kafka.wire import batches, raw
from streamwarden_kafka.wire.raw import RawBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

STAND = Stand("risk.guard.decisions", "an-id", {0: 200}, {0: 7})


def batch(first: int, last: int) -> RawBatch:
    records = last - first + 1
    header = batches.Batch(first, last, records, -1, transactional=False, control=False, size=61, timestamp_ms=0)
    return RawBatch(header, b"")


@pytest.mark.parametrize(
    ("answers", "asked", "said"),
    [
        pytest.param(
            [batch(7, 9), batch(10, 99)],
            [7, 10],
            ["offsets 7 to 9: 3 records", "offsets 10 to 99: 90 records"],
            id="each-of-its-batches",
        ),
        pytest.param(
            [NotReachedError("far", 30), NotReachedError("far", 60), batch(70, 99)],
            [7, 30, 60],
            ["offsets 70 to 99: 30 records"],
            id="a-batch-behind-more-markers-than-one-try-passes-over",
        ),
        pytest.param([NotReachedError("far", 100)], [7], [], id="markers-alone"),
        pytest.param([batch(120, 130)], [7], [], id="a-batch-behind-the-range"),
        pytest.param(
            [batch(7, 9), BrokerUnavailableError("away")],
            [7, 10],
            ["offsets 7 to 9: 3 records", "what lies at offset 10 cannot be shown: away"],
            id="a-broker-that-is-away",
        ),
        pytest.param(
            [NotReachedError("far", 10), *(batch(number, number) for number in range(10, 20))],
            [7, *range(10, 20)],
            [*(f"offsets {number} to {number}: 1 records" for number in range(10, 20)), "and what follows"],
            id="ten-batches-and-no-more",
        ),
    ],
)
def test_the_batches_of_a_range_are_shown(
    answers: Sequence[RawBatch | Exception], asked: list[int], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets, left = [], list(answers)

    def fetch(_connection: Connection, _client_id: str, _topic: str, _partition: int, offset: int) -> RawBatch:
        offsets.append(offset)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(raw, "fetch_batch", fetch)
    request = SkipRequest(
        topic_id="an-id",
        partition=0,
        from_offset=0,
        to_offset=99,
        seen_end_offset=200,
        reason="a broken library",
        requested_by="ada",
    )
    lines = list(show_batches(Connection("nowhere:1"), STAND, request))
    assert offsets == asked
    assert [line.split(" in ")[0].split(", up")[0].strip() for line in lines] == said
