"""Records of the decision topic as the conformance corpus says them: a usual one, and what a case changes."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from streamwarden_contract.partitioner import partition_of
from streamwarden_gate.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECISION: Mapping[str, Any] = {
    "type": "block",
    "entity": "page-1",
    "parameters": {},
    "cause": {"topic": "risk.inputs", "partition": 0, "offset": 7},
    "confidence": 0.9,
}
_HEADERS: Mapping[str, str] = {
    "content-type": "application/json",
    "ce_specversion": "1.0",
    "ce_id": "d-1",
    "ce_source": "/streamwarden/risk/guard",
    "ce_type": "streamwarden.decision",
    "ce_subject": "page-1",
    "ce_correlationid": "c-1",
    "ce_causationid": "i-1",
    "ce_hops": "2",
}
_TIMESTAMP_MS = 1_700_000_000_000


def record_of(said: Mapping[str, Any], number: int, partitions: int) -> Record:
    """Make a record of the decision topic as a case says it; it is the case's ``number``-th."""
    entity = text_of(said.get("entity", _DECISION["entity"]))
    key = bytes_of(said.get("key", entity))
    headers = _headers_of(said, entity)
    return Record(
        key,
        _value_of(said, entity, key, headers),
        headers,
        said.get("partition", partition_of(key or b"", partitions) if key is not None else 0),
        said.get("offset", number),
        said.get("timestamp", _TIMESTAMP_MS),
    )


def _headers_of(said: Mapping[str, Any], entity: str) -> list[tuple[str, bytes | str | None]]:
    named = {**_HEADERS, "ce_subject": entity, **said.get("headers", {})}
    dropped = said.get("dropHeaders", ())
    return [
        *((name, bytes_of(value)) for name, value in named.items() if name not in dropped),
        *((text_of(name), bytes_of(value)) for name, value in said.get("moreHeaders", ())),
    ]


def _value_of(
    said: Mapping[str, Any], entity: str, key: bytes | None, headers: list[tuple[str, bytes | str | None]]
) -> bytes | None:
    if "value" in said:
        return bytes_of(said["value"])
    decision = {**_DECISION, "entity": entity, **_expanded(said.get("decision", {}))}
    if "parameters" in said:
        decision["parameters"] = said["parameters"]
    for name in said.get("without", ()):
        del decision[name]
    if "padTo" in said:
        beside = len(key or b"") + sum(len(name) + len(value or b"") for name, value in headers)
        unpadded = {**decision, "parameters": {**decision["parameters"], "pad": ""}}
        pad = "x" * (said["padTo"] - beside - len(_json(unpadded)))
        decision["parameters"] = {**decision["parameters"], "pad": pad}
    return _json(decision)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _expanded(value: Any) -> Any:
    """Write out the texts that say how often they are repeated."""
    if isinstance(value, dict):
        is_text = set(value) == {"text", "times"}
        return text_of(value) if is_text else {name: _expanded(inner) for name, inner in value.items()}
    return [_expanded(inner) for inner in value] if isinstance(value, list) else value


def text_of(said: Any) -> str:
    """Return the text that is said, once or many times."""
    return said if isinstance(said, str) else str(said["text"]) * int(said["times"])


def bytes_of(said: Any) -> bytes | None:
    """Return the bytes that are said."""
    if said is None:
        return None
    if isinstance(said, dict) and "base64" in said:
        return base64.b64decode(said["base64"])
    parts = said["parts"] if isinstance(said, dict) and "parts" in said else [said]
    return "".join(text_of(part) for part in parts).encode()
