"""The next batch of a partition, however much that nobody gets lies before it."""

from __future__ import annotations

import asyncio

import pytest
from streamwarden_kafka.errors import NotReachedError
from streamwarden_kafka.wire.raw import RawBatch, first_batch, next_headers
from support.batch_headers import batch, data, marker
from typing_extensions import override

ABORTED = 1_100
LONGEST_S = 60.0


class Log:
    """What a broker has of a partition: the first batch whole, and as much of the others as is wanted."""

    def __init__(self, *batches: tuple[int, bytes], aborted: tuple[int, int]) -> None:
        self._batches = batches
        self._aborted = aborted
        self.asked: list[int] = []

    async def ask(self, offset: int, most: int) -> tuple[bytes, list[tuple[int, int]]]:
        self.asked.append(offset)
        held = [each for last, each in self._batches if last >= offset]
        return b"".join(held)[: max(most, len(held[0]) if held else 0)], [self._aborted]


def log_of(*behind: tuple[int, bytes]) -> Log:
    """A transaction of many batches that was aborted, then these."""
    first = [(at, data(at, at, 1)) for at in range(ABORTED)]
    return Log(*first, (ABORTED, marker(ABORTED, 1)), *behind, aborted=(1, 0))


def found(log: Log, offset: int, *, longest_s: float = LONGEST_S) -> RawBatch | None:
    return asyncio.run(first_batch(log.ask, offset, longest_s=longest_s))


def test_a_batch_behind_an_aborted_transaction_of_many_batches_is_found_in_few_requests() -> None:
    wanted = batch(ABORTED + 1, ABORTED + 3)
    log = log_of((ABORTED + 3, wanted))
    got = found(log, 0)
    assert got is not None
    assert (got.header.base, got.header.last, got.data) == (ABORTED + 1, ABORTED + 3, wanted)
    assert log.asked == [0, 1, ABORTED + 1]


def test_a_batch_that_is_cut_off_behind_others_is_asked_for_by_itself() -> None:
    wanted = batch(ABORTED + 1, ABORTED + 3) + b"x" * 2_000_000
    wanted = wanted[:8] + (len(wanted) - 12).to_bytes(4, "big") + wanted[12:]
    got = found(log_of((ABORTED + 3, wanted)), 0)
    assert got is not None
    assert got.data == wanted


def test_who_asks_again_goes_on_from_where_the_last_search_came_to() -> None:
    log = log_of((ABORTED + 1, batch(ABORTED + 1, ABORTED + 1)))
    with pytest.raises(NotReachedError) as caught:
        found(log, 0, longest_s=0)
    assert caught.value.reached == 1
    got = found(log, caught.value.reached)
    assert got is not None
    assert got.header.base == ABORTED + 1


def test_where_nothing_else_is_there_is_none() -> None:
    assert found(log_of(), 0) is None


def headers(log: Log, offset: int, *, longest_s: float = LONGEST_S) -> list[tuple[int, int]] | None:
    found = asyncio.run(next_headers(log.ask, offset, longest_s=longest_s))
    return None if found is None else [(each.base, each.last) for each in found]


def test_all_headers_of_a_piece_are_told_but_of_what_was_aborted_or_is_a_marker() -> None:
    behind = [(ABORTED + 1, batch(ABORTED + 1, ABORTED + 1)), (ABORTED + 2, marker(ABORTED + 2, 3))]
    log = log_of(*behind, (ABORTED + 9, data(ABORTED + 3, ABORTED + 9, 2)))
    assert headers(log, 0) == [(ABORTED + 1, ABORTED + 1), (ABORTED + 3, ABORTED + 9)]
    assert log.asked == [0]


def test_headers_are_looked_for_beyond_a_piece_that_has_none_and_only_for_so_long() -> None:
    class Pieces(Log):
        @override
        async def ask(self, offset: int, most: int) -> tuple[bytes, list[tuple[int, int]]]:
            return await super().ask(offset, min(most, 40_000))

    first = [(at, data(at, at, 1)) for at in range(ABORTED)]
    wanted = (ABORTED + 1, batch(ABORTED + 1, ABORTED + 1))
    log = Pieces(*first, (ABORTED, marker(ABORTED, 1)), wanted, aborted=(1, 0))
    assert headers(log, 0) == [(ABORTED + 1, ABORTED + 1)]
    assert len(log.asked) > 1
    with pytest.raises(NotReachedError) as caught:
        headers(log, 0, longest_s=0)
    assert 0 < caught.value.reached < ABORTED


def test_where_nothing_else_is_there_are_no_headers() -> None:
    assert headers(log_of(), 0) is None
