"""CloudEvents in Kafka headers: the gate reads strictly, everybody else leniently."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import events
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.reasons import DeadLetterReason

EVENT = CloudEvent(
    id="0001",
    source="/streamwarden/risk/url-guard",
    type="streamwarden.decision",
    subject="page-0001",
    time=datetime(2026, 1, 31, 12, 0, 0, 250_000, UTC),
    correlationid="c-1",
    causationid="e-1",
    hops=3,
    traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    dataschema="https://example.com/schema",
)
MINIMAL = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t")]

texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)


def test_headers_are_those_of_the_kafka_binding() -> None:
    assert EVENT.headers() == [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"0001"),
        ("ce_source", b"/streamwarden/risk/url-guard"),
        ("ce_type", b"streamwarden.decision"),
        ("ce_subject", b"page-0001"),
        ("ce_time", b"2026-01-31T12:00:00.250Z"),
        ("ce_correlationid", b"c-1"),
        ("ce_causationid", b"e-1"),
        ("ce_hops", b"3"),
        ("ce_traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
        ("ce_dataschema", b"https://example.com/schema"),
    ]


@pytest.mark.parametrize("strict", [True, False], ids=["strictly", "leniently"])
def test_what_is_written_is_read_back(*, strict: bool) -> None:
    assert events.decode(EVENT.headers(), strict=strict) == EVENT


@given(id=texts, source=texts, type=texts, subject=st.none() | texts, hops=st.integers(0, events.MAX_HOPS))
def test_any_printable_attributes_are_read_back(**attributes: object) -> None:
    event = CloudEvent(**attributes)  # type: ignore[arg-type]  # as the strategies say
    assert events.decode(event.headers(), strict=True) == event


VALUES = st.sampled_from(
    [
        *(b"1.0", b"1", b"/s", b"", b"\xff", b"\n", "é".encode(), b"x" * 512, b"x" * 513, None, "text", b"07", b"1001"),
        *(b"2026-01-31T12:00:00Z", b"yesterday", b"application/json", b"application/json; charset=utf-8", b"text/html"),
        *(b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"00-a-b-01"),
    ]
)
OTHERS = st.tuples(
    st.sampled_from([*(name for name, _ in EVENT.headers()), "ce_expirytime", "ce_other", "sw-x", "Content-Type", "x"]),
    VALUES,
)


def outcome(read: Callable[[], object]) -> object:
    try:
        return read()
    except MalformedEventError as error:
        return error.reason, str(error)


@given(given_headers=st.permutations(EVENT.headers()), kept=st.integers(0, 12), others=st.lists(OTHERS, max_size=3))
@pytest.mark.parametrize("strict", [True, False], ids=["strictly", "leniently"])
def test_what_nearly_all_headers_are_is_read_as_all_others(
    given_headers: list[tuple[str, bytes]], kept: int, others: list[tuple[str, bytes | str | None]], *, strict: bool
) -> None:
    headers: events.Headers = [*given_headers[:kept], *others]
    dropped, also_dropped = set[str](), set[str]()
    found = outcome(lambda: events.decode(headers, strict=strict, dropped=dropped))
    assert found == outcome(lambda: events._decode_any(headers, strict=strict, dropped=also_dropped))
    assert dropped == also_dropped


ANY_TEXT = st.sampled_from(["", "a", "é", "\n", "x" * 512, "x" * 513]) | st.text(max_size=3)


@given(
    texts=st.tuples(*[ANY_TEXT] * 3),
    others=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("subject", "correlationid", "causationid", "dataschema"), st.none() | ANY_TEXT),
            "time": st.just(datetime(2026, 1, 31, tzinfo=UTC)),
            "expirytime": st.just(datetime(2026, 1, 31, tzinfo=UTC)),
            "hops": st.sampled_from([-1, 0, 1, events.MAX_HOPS, events.MAX_HOPS + 1]),
            "traceparent": st.sampled_from([EVENT.traceparent, "00-a-b-01", ""]),
        },
    ),
)
def test_what_is_encoded_is_what_a_strict_reader_takes(texts: tuple[str, str, str], others: dict[str, object]) -> None:
    event = CloudEvent(*texts, **others)  # type: ignore[arg-type]  # as the strategies say
    read = outcome(lambda: events._decode_any(event.headers(), strict=True, dropped=None))
    expected = event.headers() if isinstance(read, CloudEvent) else read
    assert outcome(lambda: events.encode(event)) == expected


def test_attributes_that_are_not_set_have_no_header() -> None:
    names = [name for name, _ in CloudEvent(id="1", source="/s", type="t").headers()]
    assert names == ["content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_hops"]


def test_a_minimal_event_is_enough() -> None:
    assert events.decode(MINIMAL, strict=True) == CloudEvent(id="1", source="/s", type="t")


def test_header_values_may_be_strings() -> None:
    headers = [(name, value.decode()) for name, value in MINIMAL]
    assert events.decode(headers, strict=True) == CloudEvent(id="1", source="/s", type="t")


@pytest.mark.parametrize("strict", [True, False], ids=["strictly", "leniently"])
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        pytest.param(None, "missing ce_specversion", id="no-headers-at-all"),
        pytest.param([], "missing ce_specversion", id="no-headers"),
        pytest.param(
            [*MINIMAL, ("\ufffd", None)], "the name of a header is not UTF-8", id="X06-a-header-of-an-unreadable-name"
        ),
        pytest.param(MINIMAL[:-1], "missing ce_type", id="F62-a-required-attribute-is-missing"),
        pytest.param([*MINIMAL[:-1], ("ce_type", b"")], "missing ce_type", id="a-required-attribute-is-empty"),
        pytest.param([("ce_specversion", b"0.3"), *MINIMAL[1:]], "ce_specversion must be 1.0", id="another-version"),
        pytest.param([*MINIMAL, ("ce_id", b"1")], "ce_id is repeated", id="an-attribute-is-repeated"),
        pytest.param([*MINIMAL[:-1], ("ce_type", None)], "ce_type has no value", id="a-required-attribute-is-null"),
        pytest.param([*MINIMAL[:-1], ("ce_type", b"\xff")], "ce_type is not UTF-8", id="a-required-one-is-broken-utf8"),
    ],
)
def test_refused_as_malformed(headers: events.Headers | None, message: str, *, strict: bool) -> None:
    with pytest.raises(MalformedEventError, match=f"^{message}$") as caught:
        events.decode(headers, strict=strict)
    assert caught.value.reason is DeadLetterReason.MALFORMED_HEADERS


WRONG_OPTIONS = [
    pytest.param([*MINIMAL, ("ce_subject", None)], "ce_subject has no value", id="an-attribute-is-null"),
    pytest.param([*MINIMAL, ("ce_subject", b"\xff")], "ce_subject is not UTF-8", id="an-attribute-is-broken-utf8"),
    pytest.param([*MINIMAL, ("ce_subject", "\ud800")], "ce_subject is not UTF-8", id="an-attribute-is-a-surrogate"),
    pytest.param(
        [*MINIMAL, ("ce_subject", b"a\nb")], "ce_subject has control characters or noncharacters", id="a-line-break"
    ),
    pytest.param(
        [*MINIMAL, ("ce_subject", "a\ufdd0b".encode())],
        "ce_subject has control characters or noncharacters",
        id="X24-a-noncharacter",
    ),
    pytest.param(
        [*MINIMAL, ("ce_subject", "a\U0010ffffb".encode())],
        "ce_subject has control characters or noncharacters",
        id="X24-the-last-noncharacter",
    ),
    pytest.param(
        [*MINIMAL, ("ce_subject", "a\x85b".encode())],
        "ce_subject has control characters or noncharacters",
        id="X24-a-control-character-of-latin-1",
    ),
    pytest.param([*MINIMAL, ("ce_subject", b"")], "ce_subject is empty", id="C1-an-empty-subject"),
    pytest.param([*MINIMAL, ("ce_dataschema", "")], "ce_dataschema is empty", id="C1-an-empty-schema-of-the-data"),
    pytest.param([*MINIMAL, ("ce_subject", b"x" * 513)], "ce_subject is longer than 512 bytes", id="too-long"),
    pytest.param([*MINIMAL, ("ce_hops", b"1001")], "ce_hops must be an integer from 0 to 1000", id="too-many-hops"),
    pytest.param([*MINIMAL, ("ce_hops", b"-1")], "ce_hops must be an integer from 0 to 1000", id="negative-hops"),
    pytest.param([*MINIMAL, ("ce_hops", b"")], "ce_hops must be an integer from 0 to 1000", id="empty-hops"),
    pytest.param([*MINIMAL, ("ce_hops", "٣".encode())], "ce_hops must be an integer from 0 to 1000", id="arabic-hops"),
    pytest.param([*MINIMAL, ("ce_hops", b"9" * 512)], "ce_hops must be an integer from 0 to 1000", id="endless-hops"),
    pytest.param([*MINIMAL, ("ce_time", b"yesterday")], "ce_time is not RFC 3339", id="a-time-in-words"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-01-31T12:00:00")], "ce_time has no time zone", id="a-time-without-zone"),
    pytest.param(
        [*MINIMAL, ("ce_time", b"0001-01-01T00:00:00+23:59")],
        "ce_time is not RFC 3339",
        id="a-time-before-the-first",
    ),
    pytest.param([*MINIMAL, ("ce_time", b"2026-W01-1T00:00:00Z")], "ce_time is not RFC 3339", id="X25-a-week-date"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-001T00:00:00Z")], "ce_time is not RFC 3339", id="X25-a-day-of-the-year"),
    pytest.param([*MINIMAL, ("ce_time", b"20260101T000000Z")], "ce_time is not RFC 3339", id="X25-the-basic-format"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-01-01 00:00:00Z")], "ce_time is not RFC 3339", id="X25-a-blank"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-01-01T00:00Z")], "ce_time is not RFC 3339", id="X25-no-seconds"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-01-01T24:00:00Z")], "ce_time is not RFC 3339", id="X25-hour-24"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-02-30T00:00:00Z")], "ce_time is not RFC 3339", id="X25-no-such-day"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-01-01T00:00:00,5Z")], "ce_time is not RFC 3339", id="X25-a-comma"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-01-01T12:00:60Z")], "ce_time is not RFC 3339", id="X25-no-leap-second"),
    pytest.param([*MINIMAL, ("ce_time", b"2026-01-01T00:00:00+0130")], "ce_time is not RFC 3339", id="X25-a-bare-zone"),
    pytest.param(
        [*MINIMAL, ("ce_subject", b"a"), ("ce_subject", b"a")], "ce_subject is repeated", id="X25-an-attribute-twice"
    ),
    pytest.param(
        [*MINIMAL, ("ce_traceparent", b"01-x")],
        "ce_traceparent is not a W3C trace context",
        id="X25-a-strange-trace-context",
    ),
]
"""A header too much, and what the gate says of it."""


@pytest.mark.parametrize("written", ["02", "00", "0002", "+2", "2 ", "2.0", "2e0"])
def test_c2_hops_are_written_as_json_writes_an_integer(written: str) -> None:
    with pytest.raises(MalformedEventError, match=r"^ce_hops must be an integer from 0 to 1000$"):
        events.decode([*MINIMAL, ("ce_hops", written)], strict=True)


@pytest.mark.parametrize(
    ("written", "hops"), [("02", 2), ("0", 0), ("000", 0), ("00001000", 1_000), ("0" * 20 + "1001", 1_000)]
)
def test_c2_others_hops_are_counted_however_they_are_written(written: str, hops: int) -> None:
    dropped: set[str] = set()
    found = events.decode([*MINIMAL, ("ce_hops", written)], strict=False, dropped=dropped)
    assert (found.hops, dropped) == (hops, set())


CONTENT_TYPES = [
    pytest.param([("content-type", b"text/plain")], "must be application/json", id="C3-text"),
    pytest.param([("content-type", b"")], "must be application/json", id="C3-an-empty-content-type"),
    pytest.param([("content-type", None)], "must be application/json", id="C3-a-null-content-type"),
    pytest.param([("content-type", b"\xff")], "must be application/json", id="C3-no-text-at-all"),
    pytest.param([("content-type", b"application/json-seq")], "must be application/json", id="C3-a-longer-one"),
    pytest.param([("Content-Type", b"application/avro")], "must be application/json", id="C3-in-capitals-as-in-http"),
    pytest.param([("content-type", b"application/json")] * 2, "is repeated", id="C3-twice-the-same"),
    pytest.param(
        [("content-type", b"application/json"), ("Content-Type", b"text/plain")], "is repeated", id="C3-two-spellings"
    ),
]


@pytest.mark.parametrize(("added", "message"), CONTENT_TYPES)
def test_c3_data_that_is_said_not_to_be_json_is_refused(added: events.Headers, message: str) -> None:
    with pytest.raises(MalformedEventError, match=f"^content-type {message}$") as caught:
        events.decode([*MINIMAL, *added], strict=True)
    assert caught.value.reason is DeadLetterReason.MALFORMED_HEADERS


@pytest.mark.parametrize("written", ["application/json", "Application/JSON", "application/json ; charset=utf-8"])
def test_c3_json_is_json_however_its_type_is_written(written: str) -> None:
    assert events.decode([*MINIMAL, ("content-type", written)], strict=True) == CloudEvent(
        id="1", source="/s", type="t"
    )


@pytest.mark.parametrize(("headers", "message"), WRONG_OPTIONS)
def test_x25_the_gate_refuses_an_optional_attribute_that_is_wrong(headers: events.Headers, message: str) -> None:
    with pytest.raises(MalformedEventError, match=f"^{message}$") as caught:
        events.decode(headers, strict=True)
    assert caught.value.reason is DeadLetterReason.MALFORMED_HEADERS


@pytest.mark.parametrize(("headers", "message"), WRONG_OPTIONS)
def test_x25_others_drop_an_optional_attribute_that_is_wrong(headers: events.Headers, message: str) -> None:
    dropped: set[str] = set()
    found = events.decode(headers, strict=False, dropped=dropped)
    too_many_hops = message.startswith("ce_hops") and headers[-1][1] in (b"1001", b"9" * 512)
    assert found == CloudEvent(id="1", source="/s", type="t", hops=events.MAX_HOPS if too_many_hops else 0)
    assert dropped == (set() if too_many_hops else {str(headers[-1][0])[3:]})


def test_x25_an_attribute_three_times_is_dropped_whichever_is_right() -> None:
    dropped: set[str] = set()
    headers = [*MINIMAL, *[("ce_subject", b"a")] * 3, ("ce_time", b"2026-01-01T00:00:00Z")]
    found = events.decode(headers, strict=False, dropped=dropped)
    assert (found.subject, found.time, dropped) == (None, datetime(2026, 1, 1, tzinfo=UTC), {"subject"})


@pytest.mark.parametrize("strict", [True, False], ids=["strictly", "leniently"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", id="X24-persian-with-its-non-joiner"),
        pytest.param("\U0001f469\u200d\U0001f680", id="X24-an-emoji-of-two-with-a-joiner"),
        pytest.param("soft\u00adhyphen and\u00a0blank", id="X24-a-soft-hyphen-and-a-blank-that-does-not-break"),
        pytest.param("a\u202eb", id="X24-bidi-which-is-escaped-where-it-is-shown"),
        pytest.param("\ue000\u2028", id="X24-private-use-and-a-line-separator"),
    ],
)
def test_x24_only_what_cloudevents_forbids_is_refused(text: str, *, strict: bool) -> None:
    event = CloudEvent(id=text, source=text, type=text, subject=text)
    assert events.decode(event.headers(), strict=strict) == event


@pytest.mark.parametrize("strict", [True, False], ids=["strictly", "leniently"])
@pytest.mark.parametrize(
    ("text", "time"),
    [
        pytest.param(b"2026-01-01t00:00:00z", datetime(2026, 1, 1, tzinfo=UTC), id="X25-lower-case"),
        pytest.param(
            b"2026-01-01T00:00:00.123456789Z", datetime(2026, 1, 1, 0, 0, 0, 123_456, UTC), id="X25-nanoseconds"
        ),
        pytest.param(b"2026-01-01T00:00:00.5Z", datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC), id="X25-one-digit"),
        pytest.param(b"2026-01-01T00:00:00-00:00", datetime(2026, 1, 1, tzinfo=UTC), id="X25-a-zone-that-is-unknown"),
        pytest.param(b"2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC), id="X25-a-leap-second"),
        pytest.param(b"2016-12-31T15:59:60-08:00", datetime(2017, 1, 1, tzinfo=UTC), id="X25-a-leap-second-elsewhere"),
    ],
)
def test_x25_times_are_those_of_rfc_3339(text: bytes, time: datetime, *, strict: bool) -> None:
    dropped: set[str] = set()
    assert events.decode([*MINIMAL, ("ce_time", text)], strict=strict, dropped=dropped).time == time
    assert dropped == set()


def test_an_event_expires_at_its_expirytime() -> None:
    event = events.decode([*MINIMAL, ("ce_expirytime", b"2026-01-31T13:05:00+01:00")], strict=False)
    expiry = datetime(2026, 1, 31, 12, 5, tzinfo=UTC)
    assert event.expirytime == expiry
    assert [event.is_expired(expiry - timedelta(milliseconds=1)), event.is_expired(expiry)] == [False, True]
    assert ("ce_expirytime", b"2026-01-31T12:05:00.000Z") in event.headers()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param(("sw-verdict", b"Allow"), DeadLetterReason.RESERVED_HEADER, id="F62-a-header-of-the-gate"),
        pytest.param(("SW-Release", b"x"), DeadLetterReason.RESERVED_HEADER, id="F62-a-header-of-the-gate-in-capitals"),
        pytest.param(("sw-", None), DeadLetterReason.RESERVED_HEADER, id="F62-the-bare-prefix"),
        pytest.param(("ce_extension", b"x"), DeadLetterReason.MALFORMED_HEADERS, id="an-unknown-attribute"),
        pytest.param(("ce_expirytime", b"soon"), DeadLetterReason.MALFORMED_HEADERS, id="an-expiry-of-a-decision"),
        pytest.param(("CE_ID", b"2"), DeadLetterReason.MALFORMED_HEADERS, id="an-attribute-in-capitals"),
        pytest.param(("ce_traceparent", b"01-x"), DeadLetterReason.MALFORMED_HEADERS, id="a-strange-trace-context"),
    ],
)
def test_the_gate_refuses_what_others_pass_over(header: tuple[str, bytes | None], reason: DeadLetterReason) -> None:
    headers = [*MINIMAL, header]
    assert events.decode(headers, strict=False) == CloudEvent(id="1", source="/s", type="t")
    with pytest.raises(MalformedEventError) as caught:
        events.decode(headers, strict=True)
    assert caught.value.reason is reason


def test_other_headers_are_nobodys_business() -> None:
    assert events.decode([*MINIMAL, ("x-request", b"\xff"), ("x-request", None)], strict=True).id == "1"


def test_times_are_in_utc_whatever_zone_they_came_in() -> None:
    event = events.decode([*MINIMAL, ("ce_time", b"2026-01-31T13:30:00+01:30")], strict=True)
    assert event.time == datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    assert event.headers()[5] == ("ce_time", b"2026-01-31T12:00:00.000Z")


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    zone = timezone(timedelta(hours=-5))
    assert events.format_time(datetime(2026, 1, 31, 7, 0, 0, 1_999, zone)) == "2026-01-31T12:00:00.001Z"


@given(st.integers(0, 4_102_444_800_000))
def test_kafkas_timestamps_keep_their_millisecond(timestamp_ms: int) -> None:
    time = events.time_of(timestamp_ms)
    written = events.format_time(time)
    read = datetime.fromisoformat(written)
    assert (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) == timestamp_ms
