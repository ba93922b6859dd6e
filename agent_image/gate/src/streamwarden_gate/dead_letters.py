"""The envelope of a record that could not be judged: the one place where an agent's bytes are kept. Pure."""

import base64
from datetime import datetime

from streamwarden_contract import canonical
from streamwarden_contract.audit import DEAD_LETTER_FORMAT, DeadLetter
from streamwarden_contract.events import format_time
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_kafka.records import Write

from streamwarden_gate.outcome import Author, Findings, NoVerdict
from streamwarden_gate.records import Record, record_size

MAX_DEAD_LETTER_BYTES = 2 * 1024 * 1024 - 64 * 1024
"""Largest dead letter, key included: the topic takes batches of 2 MiB."""

_MAX_DEAD_LETTER_KEY_BYTES = 16 * 1024


def build_dead_letter(author: Author, record: Record, findings: Findings, why: NoVerdict, now: datetime) -> Write:
    """Build the envelope that keeps the original.

    A record that compression let past the topic's limit may not fit into an envelope of ``MAX_DEAD_LETTER_BYTES``: then
    key, value and headers stay out, and the message says how large it was. Its digest is in the audit.
    """
    binding = author.binding
    envelope: DeadLetter = {
        "format": DEAD_LETTER_FORMAT,
        "id": author.dead_letter_id(record),
        "time": format_time(now),
        "namespace": binding.namespace,
        "agent": binding.agent,
        "reason": why.reason,
        "message": why.message,
        "topic": binding.decision_topic.name,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "cause": findings.cause if why.reason is DeadLetterReason.AGENT_FAILURE else None,
        "key": None,
        "value": None,
        "headers": [],
    }
    key = record.key if record.key is not None and len(record.key) <= _MAX_DEAD_LETTER_KEY_BYTES else None
    size = record_size(record)
    if size <= MAX_DEAD_LETTER_BYTES:
        original: DeadLetter = {
            **envelope,
            "key": _base64(record.key),
            "value": _base64(record.value),
            "headers": [[_printable(name), _base64(_as_bytes(raw))] for name, raw in record.headers],
        }
        value = canonical.encode(original)
        if len(value) + len(key or b"") <= MAX_DEAD_LETTER_BYTES:
            return Write(binding.dead_letter_topic, key, value, [])
    envelope["message"] = f"{why.message}; the original of {size} bytes is too large to be kept here"
    return Write(binding.dead_letter_topic, key, canonical.encode(envelope), [])


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _as_bytes(raw: bytes | str | None) -> bytes | None:
    return raw.encode("utf-8", errors="surrogatepass") if isinstance(raw, str) else raw


def _printable(name: str) -> str:
    """A header's name without lone surrogates, which JSON in UTF-8 cannot hold."""
    return name.encode("utf-8", errors="replace").decode()
