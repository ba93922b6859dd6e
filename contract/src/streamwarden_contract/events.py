"""CloudEvents 1.0 in Kafka's binary mode: attributes are ``ce_`` headers, the value is the data.

Protocol: CloudEvents 1.0.2, "Kafka Protocol Binding", section 3.2. Extensions: ``correlationid``, ``causationid``,
``hops`` and ``traceparent`` (W3C Trace Context).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason

Headers = Sequence[tuple[str, bytes | str | None]]
"""Record headers as Kafka clients give them."""

CONTENT_TYPE = "application/json"
RESERVED_PREFIX = "sw-"
"""Headers that only the gate and the operator write."""

DECISION_TYPE = "streamwarden.decision"
FAILURE_TYPE = "streamwarden.failure"

MAX_HOPS = 1_000
MAX_ATTRIBUTE_BYTES = 512

_REQUIRED = ("specversion", "id", "source", "type")
_OPTIONAL = ("subject", "time", "correlationid", "causationid", "hops", "traceparent", "dataschema")
_KNOWN = frozenset(_REQUIRED + _OPTIONAL)
_BY_HEADER = {f"ce_{name}": name for name in _KNOWN}
_UNREADABLE = "\ufffd"
"""What is read in place of headers of which one has a name that is not UTF-8."""
_FIRST_HEADERS = (("content-type", CONTENT_TYPE.encode()), ("ce_specversion", b"1.0"))
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


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
        return found


@lru_cache(maxsize=64)
def format_time(time: datetime) -> str:
    """Write RFC 3339 in UTC with milliseconds, as in ``2026-01-31T12:00:00.000Z``."""
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")[:-6] + "Z"


def time_of(timestamp_ms: int) -> datetime:
    """Return Kafka's timestamp (milliseconds since 1970) as a time."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def _malformed(message: str) -> MalformedEventError:
    return MalformedEventError(DeadLetterReason.MALFORMED_HEADERS, message)


def decode(headers: Headers | None, *, strict: bool) -> CloudEvent:
    """Read the attributes of a record.

    Args:
        headers: the record's headers.
        strict: refuse unknown ``ce_`` attributes and any ``sw-`` header, as the gate must with what agents write.
            Otherwise both are passed over: other producers may add extensions, and gates add ``sw-`` headers.

    Raises:
        MalformedEventError: ``ReservedHeader``, or ``MalformedHeaders`` for an attribute that is missing, repeated,
            too long, not UTF-8 or not valid.
    """
    attributes = _collect(headers or (), strict=strict)
    missing = [name for name in _REQUIRED if not attributes.get(name)]
    if missing:
        raise _malformed(f"missing ce_{missing[0]}")
    if attributes["specversion"] != "1.0":
        raise _malformed("ce_specversion must be 1.0")
    traceparent = attributes.get("traceparent")
    if traceparent is not None and not _TRACEPARENT.fullmatch(traceparent):
        if strict:
            raise _malformed("ce_traceparent is not a W3C trace context")
        traceparent = None
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject"),
        time=_time(attributes.get("time")),
        correlationid=attributes.get("correlationid"),
        causationid=attributes.get("causationid"),
        hops=_hops(attributes.get("hops", "0")),
        traceparent=traceparent,
        dataschema=attributes.get("dataschema"),
    )


def _collect(headers: Headers, *, strict: bool) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for header, raw in headers:
        name = _BY_HEADER.get(header)
        if header == _UNREADABLE:
            raise _malformed("the name of a header is not UTF-8")
        if name is None:
            if strict:
                _check_other(header)
            continue
        if name in attributes:
            raise _malformed(f"{header} is repeated")
        attributes[name] = _text(header, raw)
    return attributes


def _check_other(header: str) -> None:
    """Refuse a header that is no known attribute, and yet looks like one, or like one that only the gate writes."""
    lowered = header.lower()
    if lowered.startswith(RESERVED_PREFIX):
        raise MalformedEventError(
            DeadLetterReason.RESERVED_HEADER,
            f"header {header[:40]!r}: only the gate writes {RESERVED_PREFIX!r} headers",
        )
    if lowered.startswith("ce_"):
        raise _malformed(f"unknown attribute {header[:40]!r}")


def _text(header: str, raw: bytes | str | None) -> str:
    if raw is None:
        raise _malformed(f"{header} has no value")
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        text = data.decode("utf-8")
    except UnicodeError as error:
        raise _malformed(f"{header} is not UTF-8") from error
    if len(data) > MAX_ATTRIBUTE_BYTES:
        raise _malformed(f"{header} is longer than {MAX_ATTRIBUTE_BYTES} bytes")
    if not text.isprintable():
        raise _malformed(f"{header} has control characters")
    return text


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise _malformed("ce_time has no time zone")
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # overflow: the first and last day of the calendar, with an offset
        raise _malformed("ce_time is not RFC 3339") from error


def _hops(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4) or int(text) > MAX_HOPS:  # noqa: PLR2004  # digits of MAX_HOPS
        raise _malformed(f"ce_hops must be an integer from 0 to {MAX_HOPS}")
    return int(text)
