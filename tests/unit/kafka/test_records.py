"""Headers as clients give them, and as they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_kafka.records import UNREADABLE_HEADER, headers_of, memory_of
from support.mock_broker import mock_broker, read
from support.raw_records import RawRecord, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message


class Read:
    """As much of a message as is asked for."""

    def __init__(self, headers: Callable[[], object]) -> None:
        self.headers = headers


def garbled() -> object:
    """What confluent-kafka 2.16 does."""
    try:
        return b"\xff\xfe".decode()
    except UnicodeDecodeError as error:
        raise SystemError("returned a result with an exception set") from error


def test_another_failure_of_the_client_is_none_of_the_records() -> None:
    def fails() -> object:
        raise SystemError("no memory")

    with pytest.raises(SystemError):
        headers_of(cast("Message", Read(fails)))


@pytest.mark.parametrize(
    ("key", "value", "headers", "expected"),
    [
        pytest.param(None, None, [], 0, id="nothing"),
        pytest.param(b"page-1", b"{}", [], 8, id="key-and-value"),
        pytest.param(None, b"{}", [("ce_id", b"1"), ("ce_id", None)], 2 + 2 * 205 + 1, id="each-header-some-objects"),
        pytest.param(None, None, [("a", b"")] * 50_000, 50_000 * 201, id="X07-a-tenth-of-a-megabyte-on-the-wire"),
    ],
)
def test_what_a_record_takes_in_memory(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], expected: int
) -> None:
    assert memory_of(key, value, headers) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(lambda: None, [], id="none"),
        pytest.param(lambda: [("a", b"1"), ("a", None)], [("a", b"1"), ("a", None)], id="a-list-with-repetitions"),
        pytest.param(lambda: {"a": b"1"}, [("a", b"1")], id="a-dictionary"),
        pytest.param(garbled, [(UNREADABLE_HEADER, None)], id="X06-the-name-of-one-is-not-UTF-8"),
    ],
)
def test_headers(given: Callable[[], object], expected: list[tuple[str, bytes | None]]) -> None:
    assert list(headers_of(cast("Message", Read(given)))) == expected


def test_x06_an_unreadable_name_is_noticed_at_its_record_however_many_are_read() -> None:
    # CPython calls a method in another way once it has called it often, and does not ask then whether it has failed.
    many, good, bad = 50, RawRecord(b"k", b"v", [(b"ce_id", b"1")]), RawRecord(b"k", b"v", [(b"\xff\xfe", b"1")])
    with mock_broker("pages") as properties:
        write_raw(properties, "pages", 0, [good, bad] * many)
        messages = read(properties, "pages", 2 * many)
    found = [(list(headers_of(message)), message.value()) for message in messages]
    assert found == [([("ce_id", b"1")], b"v"), ([(UNREADABLE_HEADER, None)], b"v")] * many


def test_x06_a_record_may_have_any_number_of_unreadable_names() -> None:
    bad = [(b"\xff\xfe", b"1"), (b"\xff", b"2"), (b"ce_id", b"1"), (b"\xfe", None), *[(b"\xfd", b"")] * 2_000]
    with mock_broker("pages") as properties:
        write_raw(properties, "pages", 0, [RawRecord(b"k", b"v", bad[:count]) for count in (2, 4, len(bad))])
        messages = read(properties, "pages", 3)
    assert [list(headers_of(message)) for message in messages] == [[(UNREADABLE_HEADER, None)]] * 3
