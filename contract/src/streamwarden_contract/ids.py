"""Ids derived from where a record stands, so that a retry makes the same id and nobody can choose one."""

import hashlib
from functools import lru_cache

_LENGTH = 32
_PREFIXES = tuple(length.to_bytes(4, "big") for length in range(32))


def _derive(purpose: str, owner: str, topic: str, *numbers: int) -> str:
    """Hash the parts so that no two different lists of parts collide: each is preceded by its length."""
    digest = _begun(purpose, owner, topic).copy()
    for number in numbers:
        digits = b"%d" % number
        digest.update(_PREFIXES[len(digits)] + digits)
    return digest.hexdigest()[:_LENGTH]


@lru_cache(maxsize=256)
def _begun(*parts: str) -> "hashlib._Hash":
    """Hash what all ids of one topic share, once."""
    return hashlib.sha256(b"".join(_framed(part) for part in parts))


def _framed(part: str) -> bytes:
    encoded = part.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def command_id(agent_uid: str, topic_id: str, partition: int, offset: int) -> str:
    """Return the id of the command that a decision at this position becomes: 32 hexadecimal digits."""
    return _derive("command", agent_uid, topic_id, partition, offset)


def audit_id(agent_uid: str, topic_id: str, partition: int, offset: int) -> str:
    """Return the id of the audit record of the decision at this position."""
    return _derive("audit", agent_uid, topic_id, partition, offset)


def dead_letter_id(agent_uid: str, topic_id: str, partition: int, offset: int) -> str:
    """Return the id of the dead letter of the record at this position."""
    return _derive("dead-letter", agent_uid, topic_id, partition, offset)


def decision_id(agent_uid: str, topic: str, partition: int, offset: int, ordinal: int) -> str:
    """Return the id that the SDK gives the ``ordinal``-th decision on the input at this position.

    It is the agent's claim: gates derive their own ids from what they see themselves.

    Args:
        agent_uid: whose decision it is.
        topic: the input topic's id, so that a topic that is made again gives other ids; its name where no id is known.
        partition: of the input.
        offset: of the input.
        ordinal: from 0.
    """
    return _derive("decision", agent_uid, topic, partition, offset, ordinal)


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
