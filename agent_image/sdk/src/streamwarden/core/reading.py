"""An input record as an event: CloudEvents in binary or structured mode, plain JSON, and tombstones."""

import base64
import binascii
from typing import NamedTuple

from streamwarden_contract import canonical, events
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_contract.runtime_config import InputTopic

from streamwarden.core.records import Record

_STRUCTURED = "application/cloudevents"
_STRUCTURED_JSON = f"{_STRUCTURED}+json"
_NOTHING = frozenset[str]()
_FRAME_BYTES = 5
"""A zero byte and the schema's id, as registry serialisers write them."""


class ReadEvent(NamedTuple):
    """What a record says, before anybody asks what it should say."""

    attributes: events.CloudEvent
    value: bytes | None
    """The data, as JSON that is not read yet; None where there is none, as in a tombstone."""
    dropped: frozenset[str]
    """Optional attributes that were wrong, and so left out."""


def read_event(record: Record, shape: InputTopic) -> ReadEvent:
    """Read a record of a topic whose events are written as ``shape`` says.

    A record without any ``ce_`` header is plain JSON: its type is the contract's ``eventType`` or else the topic's
    name, its id and source are its place.

    Raises:
        MalformedEventError: it is no event.
    """
    value = _unframed(record.value, shape)
    attributes = events.decode_plain(record.headers)
    if attributes is not None:
        return ReadEvent(attributes, value, _NOTHING)
    dropped: set[str] = set()
    content_type = _content_type(record.headers)
    if content_type == _STRUCTURED_JSON and value is not None:
        attributes, value = _structured(value, dropped)
    elif content_type.startswith(_STRUCTURED):
        raise MalformedEventError(
            DeadLetterReason.MALFORMED_HEADERS, f"of CloudEvents' formats only {_STRUCTURED_JSON} is read"
        )
    elif any(name.startswith("ce_") or name == events.UNREADABLE for name, _ in record.headers):
        attributes = events.decode(record.headers, strict=False, dropped=dropped)
    else:
        attributes = _by_place(record, shape)
    return ReadEvent(attributes, value, frozenset(dropped))


def _content_type(headers: events.Headers) -> str:
    for name, raw in headers:
        if name.lower() == events.CONTENT_TYPE_HEADER and raw is not None:
            return events.media_type(raw)
    return ""


def _by_place(record: Record, shape: InputTopic) -> events.CloudEvent:
    return events.CloudEvent(
        id=f"{record.topic}/{record.partition}/{record.offset}",
        source=f"/topics/{record.topic}",
        type=shape.event_type or record.topic,
    )


def _unframed(value: bytes | None, shape: InputTopic) -> bytes | None:
    if value is None:
        return None
    framed = value[:1] == b"\0"
    if shape.framing == "None":
        if framed:
            raise _malformed("the value begins with a zero byte; a registry serialiser's frame? say so: framing")
        return value
    if not framed or len(value) < _FRAME_BYTES:
        raise _malformed("the value does not begin with a schema's id, as the contract's framing says")
    return value[_FRAME_BYTES:]


def _structured(value: bytes, dropped: set[str]) -> tuple[events.CloudEvent, bytes | None]:
    envelope = canonical.decode(value)
    if not isinstance(envelope, dict):
        raise _malformed("a structured CloudEvent is a JSON object")
    headers = [(f"ce_{name}", _attribute(each)) for name, each in envelope.items() if each is not None]
    attributes = events.decode(headers, strict=False, dropped=dropped)
    if "data_base64" not in envelope:
        return attributes, canonical.encode(envelope["data"]) if "data" in envelope else None
    encoded = envelope["data_base64"]
    if "data" in envelope or not isinstance(encoded, str):
        raise _malformed("a structured CloudEvent has data or data_base64, which is a string")
    try:
        return attributes, base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise _malformed("data_base64 is not Base64") from error


def _attribute(value: canonical.JsonValue) -> str | None:
    """Return an attribute as a header would have it; None where it is nothing that an attribute can be."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _malformed(message: str) -> MalformedEventError:
    return MalformedEventError(DeadLetterReason.MALFORMED_VALUE, message)
