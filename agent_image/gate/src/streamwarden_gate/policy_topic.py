"""One policy topic, record by record: what is signed and closed by an epoch, and what was refused.

Pure: bytes in, state out. Records wait until a signed epoch record closes them. What is refused changes nothing but
the list of refusals, so the last good records stay.
"""

import base64
from dataclasses import dataclass
from typing import Protocol

from streamwarden_contract import policylog
from streamwarden_contract.acks import SignedEpoch
from streamwarden_contract.errors import PolicyLogError
from streamwarden_contract.events import Headers
from streamwarden_contract.policylog import EpochRecord, Record

from streamwarden_gate.reasons import RefusalReason

_SIGNATURE_BYTES = 64


class Keys(policylog.Verifier, Protocol):
    """The public keys that are valid now."""

    def knows(self, key_id: str) -> bool:
        """Tell whether a key of this id is valid now."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something of the log is not believed."""

    reason: RefusalReason
    message: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A verified record and the exact bytes it was read from."""

    record: Record
    value: bytes


class PolicyTopic:
    """The state of one policy topic, as far as one agent's gate needs it."""

    def __init__(self, topic: str, *, agent: str, cluster_id: str, keys: Keys) -> None:
        """Begin with nothing read.

        Args:
            topic: its name.
            agent: whose binding is taken: those of others are neither verified nor kept.
            cluster_id: Kafka's.
            keys: the public keys.
        """
        self.topic = topic
        self._binding = f"{policylog.BINDING_PREFIX}{agent}"
        self.epoch: EpochRecord | None = None
        """The record that closed the newest set; None as long as there is none."""
        self.signed_epoch: SignedEpoch | None = None
        """The same as it was signed, for acks."""
        self.refused: dict[str, Refusal] = {}
        """By key: records that were not believed and that no believed one has replaced since."""
        self._cluster_id = cluster_id
        self._keys = keys
        self._epoch_value: bytes | None = None
        self._closed: dict[str, _Entry] = {}
        self._pending: dict[str, _Entry | None] = {}
        """None stands for a tombstone."""

    def record(self, key: str) -> Record | None:
        """Return one record of the closed set."""
        entry = self._closed.get(key)
        return None if entry is None else entry.record

    def feed(self, key: bytes | None, value: bytes | None, headers: Headers | None) -> Refusal | None:
        """Take one record, in the order of offsets, and return why it was refused, if it was."""
        if key is None:
            return Refusal(RefusalReason.UNREADABLE, f"{self.topic}: a record has no key")
        name = key.decode("utf-8", errors="replace")
        if name.startswith(policylog.BINDING_PREFIX) and name != self._binding:
            return None  # an edit writes one of each agent, and each gate would verify them all
        if value is None:
            self._pending[name] = None
            return None
        if self._is_known(name, value):
            self.refused.pop(name, None)
            return None
        try:
            record = self._verified(key, value, headers)
            self._check_order(name, record)
        except _RefusedError as error:
            refusal = Refusal(error.reason, f"{self.topic} {name[:300]}: {error}")
            self.refused[name] = refusal
            return refusal
        self.refused.pop(name, None)
        if isinstance(record, EpochRecord):
            self._close(record)
            self._epoch_value = value
            self.signed_epoch = _signed_epoch(value, headers)
        else:
            self._pending[name] = _Entry(record, value)
        return None

    def _current(self, name: str) -> _Entry | None:
        """What the key holds once everything read so far is closed."""
        return self._pending[name] if name in self._pending else self._closed.get(name)

    def _is_known(self, name: str, value: bytes) -> bool:
        """Tell whether this is, byte for byte, what is believed already: a log that is read again changes nothing."""
        if name == policylog.EPOCH_KEY:
            return value == self._epoch_value
        current = self._current(name)
        return current is not None and current.value == value

    def _verified(self, key: bytes, value: bytes, headers: Headers | None) -> Record:
        signature, key_id = _signature_of(headers)
        message = policylog.signed_message(cluster_id=self._cluster_id, topic=self.topic, key=key, value=value)
        if not self._keys.knows(key_id):
            raise _RefusedError(RefusalReason.UNKNOWN_KEY, f"signed with the key {key_id[:64]!r}, which is not valid")
        if not self._keys.verify(key_id, signature, message):
            raise _RefusedError(RefusalReason.BAD_SIGNATURE, "its signature is not by the key that it names")
        try:
            return policylog.decode_record(key, value)
        except PolicyLogError as error:
            raise _RefusedError(RefusalReason.UNREADABLE, str(error)) from error

    def _check_order(self, name: str, record: Record) -> None:
        """Refuse what is older than what is believed: a signed record can be written again by whoever has its bytes."""
        closed = self.epoch
        if closed is not None and record.epoch <= closed.epoch:
            raise _RefusedError(
                RefusalReason.ROLLED_BACK, f"it is of epoch {record.epoch}, and epoch {closed.epoch} is closed already"
            )
        if isinstance(record, EpochRecord):
            if closed is not None and record.revision_counter < closed.revision_counter:
                raise _RefusedError(RefusalReason.ROLLED_BACK, "its revision counter is lower than the last one")
            return
        previous = self._current(name)
        if previous is not None and _revision(record) < _revision(previous.record):
            raise _RefusedError(
                RefusalReason.ROLLED_BACK,
                f"it has revision {_revision(record)}, and {_revision(previous.record)} is known already",
            )

    def _close(self, epoch: EpochRecord) -> None:
        """Activate what was published up to this epoch; anything of a later one goes on waiting."""
        waiting: dict[str, _Entry | None] = {}
        for name, entry in self._pending.items():
            if entry is None:
                self._closed.pop(name, None)
                self.refused.pop(name, None)
            elif entry.record.epoch > epoch.epoch:
                waiting[name] = entry
            else:
                self._closed[name] = entry
        self._pending = waiting
        self.epoch = epoch


class _RefusedError(Exception):
    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _signature_of(headers: Headers | None) -> tuple[bytes, str]:
    signatures = [value for name, value in headers or () if name == policylog.SIGNATURE_HEADER]
    key_ids = [value for name, value in headers or () if name == policylog.KEY_ID_HEADER]
    if len(signatures) != 1 or len(key_ids) != 1:
        raise _RefusedError(RefusalReason.UNSIGNED, "it does not carry exactly one signature and one key id")
    signature, key_id = signatures[0], key_ids[0]
    if not isinstance(signature, bytes) or len(signature) != _SIGNATURE_BYTES or not isinstance(key_id, bytes):
        raise _RefusedError(RefusalReason.UNSIGNED, "its signature is not 64 bytes, or its key id is empty")
    return signature, key_id.decode("utf-8", errors="replace")


def _signed_epoch(value: bytes, headers: Headers | None) -> SignedEpoch:
    """Keep a verified epoch record as it was signed."""
    signature, key_id = _signature_of(headers)
    return SignedEpoch(value=value.decode(), signature=base64.b64encode(signature).decode(), key_id=key_id)


def _revision(record: Record) -> int:
    revision = getattr(record, "revision", 0)
    return revision if isinstance(revision, int) else 0
