"""CloudEvents 1.0 in Kafka's binary mode: attributes are ``ce_`` headers, the value is the data.

Protocol: CloudEvents 1.0.2, "Kafka Protocol Binding", section 3.2. Extensions: ``correlationid``, ``causationid``,
``hops``, ``traceparent`` (W3C Trace Context) and, of commands, ``expirytime`` (CloudEvents' documented extension).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason

Headers = Sequence[tuple[str, bytes | str | None]]
"""Record headers as Kafka clients give them."""

CONTENT_TYPE_HEADER = "content-type"
CONTENT_TYPE = "application/json"
RESERVED_PREFIX = "sw-"
"""Headers that only the gate and the operator write."""

DECISION_TYPE = "streamwarden.decision"
FAILURE_TYPE = "streamwarden.failure"

MAX_HOPS = 1_000
MAX_ATTRIBUTE_BYTES = 512

_REQUIRED = ("specversion", "id", "source", "type")
_EXPIRY = "expirytime"
_OPTIONAL = ("subject", "time", "correlationid", "causationid", "hops", "traceparent", "dataschema", _EXPIRY)
_NEVER_EMPTY = frozenset({"subject", "dataschema"})
"""Optional, and CloudEvents has no empty one. Extensions may be empty."""
_KNOWN = frozenset(_REQUIRED + _OPTIONAL)
_BY_HEADER = {f"ce_{name}": name for name in _KNOWN}
_PLAIN = {header: name for header, name in _BY_HEADER.items() if name != _EXPIRY} | {
    CONTENT_TYPE_HEADER: CONTENT_TYPE_HEADER
}
_REQUIRED_OF_PLAIN = frozenset({"id", "source", "type"})
_PLAIN_HOPS = frozenset(str(hops) for hops in range(MAX_HOPS + 1))
UNREADABLE = "\ufffd"
"""What is read in place of headers of which one has a name that is not UTF-8."""
_FIRST_HEADERS = ((CONTENT_TYPE_HEADER, CONTENT_TYPE.encode()), ("ce_specversion", b"1.0"))
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_DIGITS = re.compile(r"[0-9]+")
_HOPS = re.compile(r"0|[1-9][0-9]{0,3}")
"""As JSON writes an integer, with no more digits than ``MAX_HOPS``: CloudEvents' Integer."""
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_LAST_MINUTE = (23, 59)
_FORBIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
"""CloudEvents 1.0.2, "Type System": what a String must not contain."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The attributes of one event; its data travels beside it as the record's value."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    correlationid: str | None = None
    """Id of the first event of the chain: all that follows from it carries it."""
    causationid: str | None = None
    """Id of the event that this one answers."""
    hops: int = 0
    """How many decisions lie between this event and the first one: 0 to ``MAX_HOPS``."""
    traceparent: str | None = None
    dataschema: str | None = None
    expirytime: datetime | None = None
    """From when on the event must not be acted upon: of commands."""

    def is_expired(self, now: datetime) -> bool:
        """Whether it is too late to act upon it."""
        return self.expirytime is not None and now >= self.expirytime

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the record headers, always in the same order."""
        found = [
            *_FIRST_HEADERS,
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
        ]
        if self.subject is not None:
            found.append(("ce_subject", self.subject.encode()))
        if self.time is not None:
            found.append(("ce_time", format_time(self.time).encode()))
        if self.correlationid is not None:
            found.append(("ce_correlationid", self.correlationid.encode()))
        if self.causationid is not None:
            found.append(("ce_causationid", self.causationid.encode()))
        found.append(("ce_hops", str(self.hops).encode()))
        if self.traceparent is not None:
            found.append(("ce_traceparent", self.traceparent.encode()))
        if self.dataschema is not None:
            found.append(("ce_dataschema", self.dataschema.encode()))
        if self.expirytime is not None:
            found.append(("ce_expirytime", format_time(self.expirytime).encode()))
        return found


@lru_cache(maxsize=64)
def format_time(time: datetime) -> str:
    """Write RFC 3339 in UTC with milliseconds, as in ``2026-01-31T12:00:00.000Z``."""
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")[:-6] + "Z"


@lru_cache(maxsize=64)
def time_of(timestamp_ms: int) -> datetime:
    """Return Kafka's timestamp (milliseconds since 1970) as a time."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def _malformed(message: str) -> MalformedEventError:
    return MalformedEventError(DeadLetterReason.MALFORMED_HEADERS, message)


def is_text(text: str) -> bool:
    """Whether CloudEvents takes ``text`` as a value: no control characters, surrogates or noncharacters.

    Format characters are taken: Persian is not written without the zero-width non-joiner.
    """
    return (text.isascii() and text.isprintable()) or _FORBIDDEN.search(text) is None


def media_type(raw: bytes | str | None) -> str:
    """Return what a ``content-type`` names, in small letters and without its parameters; empty: nothing."""
    text = raw.decode("latin-1") if isinstance(raw, bytes) else raw or ""
    return text.partition(";")[0].strip().lower()


def decode(headers: Headers | None, *, strict: bool, dropped: set[str] | None = None) -> CloudEvent:
    """Read the attributes of a record.

    Args:
        headers: the record's headers.
        strict: refuse whatever is wrong, unknown ``ce_`` attributes, any ``sw-`` header and data that is said not to
            be JSON, as the gate must with what agents write: a decision whose lineage, subject or time were left out
            would be another decision.
            Otherwise unknown attributes and ``sw-`` headers are passed over, since other producers may add extensions
            and gates add ``sw-`` headers; and an optional attribute that is wrong, null or repeated is dropped.
        dropped: takes the names of such attributes.

    Raises:
        MalformedEventError: ``ReservedHeader``, or ``MalformedHeaders`` for an attribute that is missing, repeated,
            too long, not UTF-8 or not valid.
    """
    found = decode_plain(headers)
    return _decode_any(headers, strict=strict, dropped=dropped) if found is None else found


def decode_plain(headers: Headers | None) -> CloudEvent | None:
    """Read headers as nearly all are: each known and there once, printable ASCII, JSON as data. None where one is not.

    What it reads it reads as ``_decode_any`` does, in half the time; gates and agents do so for every record.
    """
    found: dict[str, str] = {}
    for header, raw in headers or ():
        name = _PLAIN.get(header)
        if not isinstance(raw, bytes) or not raw.isascii() or not 0 < len(raw) <= MAX_ATTRIBUTE_BYTES:
            return None
        text = raw.decode()
        if name is None or name in found or not text.isprintable():
            return None
        found[name] = text
    if found.get(CONTENT_TYPE_HEADER, CONTENT_TYPE) != CONTENT_TYPE or found.get("specversion") != "1.0":
        return None
    trace, hops, time = found.get("traceparent"), found.get("hops", "0"), found.get("time")
    if not found.keys() >= _REQUIRED_OF_PLAIN or hops not in _PLAIN_HOPS:
        return None
    try:
        return CloudEvent(
            found["id"],
            found["source"],
            found["type"],
            found.get("subject"),
            None if time is None else _time(time),
            found.get("correlationid"),
            found.get("causationid"),
            int(hops),
            None if trace is None else _trace_context(trace),
            found.get("dataschema"),
        )
    except MalformedEventError:
        return None


def encode(event: CloudEvent) -> list[tuple[str, bytes]]:
    """Return an event's headers, as far as a strict reader takes them.

    Raises:
        MalformedEventError: what ``decode`` says of them, where it is strict.
    """
    headers = event.headers()
    if not _is_plain(event):
        decode(headers, strict=True)
    return headers


def _is_plain(event: CloudEvent) -> bool:
    """Whether it is certain that a strict reader takes an event: one as nearly all that agents write are."""
    texts = [
        text
        for text in (event.id, event.source, event.type, event.subject, event.correlationid, event.causationid)
        if text is not None
    ]
    joined = "".join(texts)
    return (
        all(texts)
        and joined.isascii()
        and joined.isprintable()
        and max(map(len, texts)) <= MAX_ATTRIBUTE_BYTES
        and 0 <= event.hops <= MAX_HOPS
        and event.time is None
        and event.dataschema is None
        and event.expirytime is None
        and (event.traceparent is None or _TRACEPARENT.fullmatch(event.traceparent) is not None)
    )


def _decode_any(headers: Headers | None, *, strict: bool, dropped: set[str] | None) -> CloudEvent:
    attributes = _Attributes(strict=strict, dropped=set() if dropped is None else dropped)
    for header, raw in headers or ():
        name = _BY_HEADER.get(header)
        if name is not None and not (strict and name == _EXPIRY):  # decisions have none: an agent must not think so
            attributes.add(name, raw)
        elif header == UNREADABLE:
            raise _malformed("the name of a header is not UTF-8")
        elif strict:
            attributes.check_other(header, raw)
    return attributes.event()


class _Attributes:
    """Attributes as they come in, each read once."""

    def __init__(self, *, strict: bool, dropped: set[str]) -> None:
        self._strict = strict
        self._dropped = dropped
        self._found: dict[str, str] = {}
        self._typed = False
        """Whether a ``content-type`` was seen."""

    def add(self, name: str, raw: bytes | str | None) -> None:
        """Take the value of a known attribute.

        Raises:
            MalformedEventError: it is wrong, and it is required or everything must be right.
        """
        try:
            if name in self._found or name in self._dropped:
                raise _malformed(f"ce_{name} is repeated")
            text = _text(name, raw)
            if not text and name in _NEVER_EMPTY:
                raise _malformed(f"ce_{name} is empty")
            self._found[name] = text
        except MalformedEventError as error:
            self._drop(name, error)

    def event(self) -> CloudEvent:
        """Return the event.

        Raises:
            MalformedEventError: a required attribute is missing, or one is not what it should be.
        """
        found = self._found
        for name in _REQUIRED:
            if not found.get(name):
                raise _malformed(f"missing ce_{name}")
        if found["specversion"] != "1.0":
            raise _malformed("ce_specversion must be 1.0")
        return CloudEvent(
            id=found["id"],
            source=found["source"],
            type=found["type"],
            subject=found.get("subject"),
            time=self._read("time", _time),
            correlationid=found.get("correlationid"),
            causationid=found.get("causationid"),
            hops=self._read("hops", _hops if self._strict else _hops_so_far) or 0,
            traceparent=self._read("traceparent", _trace_context),
            dataschema=found.get("dataschema"),
            expirytime=self._read(_EXPIRY, _time),
        )

    def check_other(self, header: str, raw: bytes | str | None) -> None:
        """Refuse what looks like an attribute or like a header that only the gate writes, and data that is not JSON.

        Raises:
            MalformedEventError: it is refused.
        """
        lowered = header.lower()
        if lowered.startswith(RESERVED_PREFIX):
            raise MalformedEventError(
                DeadLetterReason.RESERVED_HEADER,
                f"header {header[:40]!r}: only the gate writes {RESERVED_PREFIX!r} headers",
            )
        if lowered.startswith("ce_"):
            raise _malformed(f"unknown attribute {header[:40]!r}")
        if lowered == CONTENT_TYPE_HEADER:
            if self._typed:
                raise _malformed(f"{CONTENT_TYPE_HEADER} is repeated")
            if media_type(raw) != CONTENT_TYPE:
                raise _malformed(f"{CONTENT_TYPE_HEADER} must be {CONTENT_TYPE}")
            self._typed = True

    def _read(self, name: str, read: Callable[[str], _T]) -> _T | None:
        text = self._found.get(name)
        if text is None:
            return None
        try:
            return read(text)
        except MalformedEventError as error:
            self._drop(name, error)
            return None

    def _drop(self, name: str, error: MalformedEventError) -> None:
        """Leave out what is wrong, or raise it where it must be right."""
        if self._strict or name in _REQUIRED:
            raise error
        self._found.pop(name, None)
        self._dropped.add(name)


def _text(name: str, raw: bytes | str | None) -> str:
    if raw is None:
        raise _malformed(f"ce_{name} has no value")
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        text = data.decode("utf-8")
    except UnicodeError as error:
        raise _malformed(f"ce_{name} is not UTF-8") from error
    if len(data) > MAX_ATTRIBUTE_BYTES:
        raise _malformed(f"ce_{name} is longer than {MAX_ATTRIBUTE_BYTES} bytes")
    if not is_text(text):
        raise _malformed(f"ce_{name} has control characters or noncharacters")
    return text


def _time(text: str) -> datetime:
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise _malformed("ce_time has no time zone" if _RFC3339.fullmatch(text + "Z") else "ce_time is not RFC 3339")
    date, clock, second, fraction, zone = found.groups()
    leap = second == "60"
    try:
        time = datetime.fromisoformat(
            f"{date}T{clock}:{'59' if leap else second}.{(fraction or '')[:6]:0<6}{'+00:00' if zone in 'Zz' else zone}"
        ).astimezone(UTC)
        if leap:  # the calendar has no such second: it is read as the next one
            if (time.hour, time.minute) != _LAST_MINUTE:
                raise _malformed("ce_time is not RFC 3339")
            time += timedelta(seconds=1)
    except (ValueError, OverflowError) as error:  # overflow: the first and last day of the calendar, with an offset
        raise _malformed("ce_time is not RFC 3339") from error
    return time


def _hops(text: str) -> int:
    if not _HOPS.fullmatch(text) or int(text) > MAX_HOPS:
        raise _malformed(f"ce_hops must be an integer from 0 to {MAX_HOPS}")
    return int(text)


def _hops_so_far(text: str) -> int:
    """Read any number, and one that is too large as the largest: a loop ends there and does not begin anew."""
    if not _DIGITS.fullmatch(text):
        raise _malformed("ce_hops is not an integer")
    digits = text.lstrip("0") or "0"
    return MAX_HOPS if len(digits) > 4 else min(int(digits), MAX_HOPS)  # noqa: PLR2004  # digits of MAX_HOPS


def _trace_context(text: str) -> str:
    if not _TRACEPARENT.fullmatch(text):
        raise _malformed("ce_traceparent is not a W3C trace context")
    return text
