"""What a verifier needs of an audit record, read from its bytes and checked by itself."""

import re
from typing import NamedTuple

from streamwarden_contract import canonical, ids
from streamwarden_contract.audit import AUDIT_FORMAT
from streamwarden_contract.errors import ContractError, MalformedEventError
from streamwarden_contract.verdicts import Effect, Unjudged, VerdictWord

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COUNTER = 10**18
"""No length and no offset has more than 18 digits, as in the offset metadata."""
_WORDS: tuple[VerdictWord, ...] = (*Effect, *Unjudged)
_MADE_BY = {word.makes: word for word in _WORDS if word.makes}


class AuditEntryError(ContractError):
    """A value is no audit record of a known format."""


class Epochs(NamedTuple):
    """Of the two policy logs."""

    namespace: int
    guardrail: int


class AuditEntry(NamedTuple):
    """An audit record, as far as chains go. What the agent claims is not in it."""

    sha256: str
    """Of the record's value."""
    length: int
    previous: str
    namespace: str
    agent: str
    agent_uid: str
    topic_id: str
    partition: int
    """Of the decision topic."""
    offset: int
    last: int
    """Of a range the last offset, else the same."""
    is_range: bool
    """Whether it is of a range: skipped, or a run of dead letters."""
    digest: str
    """SHA-256 of the judged value, or of the range."""
    epochs: Epochs
    contradictions: tuple[str, ...]
    """How verdict, command and dead letter do not agree."""
    forgeries: tuple[str, ...]
    """Which ids do not follow from the decision's place."""


def read_entry(value: bytes) -> AuditEntry:
    """Read an audit record.

    Raises:
        AuditEntryError: not canonical JSON, not of format 1, or a field of the chain is missing or of another type.
    """
    try:
        record = canonical.decode_encoded(value)
    except MalformedEventError as error:
        raise AuditEntryError(str(error)) from error
    if not isinstance(record, dict) or record.get("format") != AUDIT_FORMAT:
        raise AuditEntryError(f"not an audit record of format {AUDIT_FORMAT}")
    decision, link, epochs = (_object(record, name) for name in ("decision", "chain", "epochs"))
    uid, topic_id = _text(record, "agentUid"), _text(decision, "topicId")
    partition, offset = _number(decision, "partition"), _number(decision, "offset")
    return AuditEntry(
        sha256=ids.sha256_hex(value),
        length=_number(link, "length"),
        previous=_digest(link, "previous"),
        namespace=_text(record, "namespace"),
        agent=_text(record, "agent"),
        agent_uid=uid,
        topic_id=topic_id,
        partition=partition,
        offset=offset,
        last=_last(record, decision, offset),
        is_range=_is_range(record, decision),
        digest=_digest(decision, "digest"),
        epochs=Epochs(_number(epochs, "namespace"), _number(epochs, "guardrail")),
        contradictions=_contradictions(record),
        forgeries=_forgeries(record, uid, topic_id, partition, offset),
    )


Json = dict[str, canonical.JsonValue]


def _is_range(record: Json, decision: Json) -> bool:
    """Tell whether it is about more than one record; no verdict of policies ever is."""
    verdict = record.get("verdict")
    return verdict == Unjudged.SKIPPED or (verdict == Unjudged.DEAD_LETTER and "lastOffset" in decision)


def _last(record: Json, decision: Json, offset: int) -> int:
    """Return the last offset that the record is about."""
    if not _is_range(record, decision):
        return offset
    last = _number(decision, "lastOffset")
    if last < offset:
        raise AuditEntryError("its field 'lastOffset' is below the range's first")
    return last


def _contradictions(record: Json) -> tuple[str, ...]:
    verdict = record.get("verdict")
    found: list[str] = []
    for field, expected in _MADE_BY.items():
        if (record.get(field) is not None) != (verdict == expected):
            said = "none" if record.get(field) is None else "one"
            found.append(f"the verdict is {verdict!r}, and of field {field!r} there is {said}")
    return tuple(found)


def _forgeries(record: Json, uid: str, topic_id: str, partition: int, offset: int) -> tuple[str, ...]:
    found: list[str] = []
    if record.get("id") != ids.audit_id(uid, topic_id, partition, offset):
        found.append("its id does not follow from the decision's place")
    command = record.get("command")
    if command is None:
        return tuple(found)
    if not isinstance(command, dict) or command.get("id") != ids.command_id(uid, topic_id, partition, offset):
        found.append("its command's id does not follow from the decision's place")
    return tuple(found)


def _object(record: Json, name: str) -> Json:
    value = record.get(name)
    if not isinstance(value, dict):
        raise AuditEntryError(f"its field {name!r} is no object")
    return value


def _text(record: Json, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise AuditEntryError(f"its field {name!r} is no text")
    return value


def _number(record: Json, name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _COUNTER:
        raise AuditEntryError(f"its field {name!r} is no counter")
    return value


def _digest(record: Json, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise AuditEntryError(f"its field {name!r} is no SHA-256")
    return value
