"""Ids derived from where a record stands, so that a retry makes the same id and nobody can choose one."""

import hashlib

_LENGTH = 32


def _derive(purpose: str, *parts: str | int) -> str:
    """Hash the parts so that no two different lists of parts collide: each is preceded by its length."""
    digest = hashlib.sha256()
    for part in (purpose, *(str(part) for part in parts)):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()[:_LENGTH]


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
    """
    return _derive("decision", agent_uid, topic, partition, offset, ordinal)


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
