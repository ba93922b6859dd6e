"""Whether audit chains are whole: what is missing, added, changed, told twice, or told in another order.

A chain is all audit records of one decision partition of an agent. Each record holds the SHA-256 of the one before it;
the length and hash of the last one travel as the metadata of the offset that the gate commits. So whoever edits, drops
or adds a record must also hold the gate's credentials, and write every later record anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from streamwarden_contract import canonical, ids
from streamwarden_contract.audit import FORMAT, GENESIS, ChainHead, audit_key
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.ids import sha256_hex

_REMEMBERED = 10_000
"""Hashes kept of each chain, to tell a fork from an edit."""


class AuditFaultKind(StrEnum):
    """What is wrong with a chain."""

    UNREADABLE = "Unreadable"
    """The record is no audit record of a known format, or not of this chain."""
    GAP = "Gap"
    """Records are missing before this one."""
    EDITED = "Edited"
    """The record before this one is not the one that it was written after."""
    FORK = "Fork"
    """Two records follow the same one."""
    REPEATED = "Repeated"
    """A decision is judged a second time, or out of order."""
    ROLLED_BACK = "RolledBack"
    """It was judged under older policies than a record before it."""
    FORGED = "Forged"
    """An id is not the one that follows from the decision's place."""
    TRUNCATED = "Truncated"
    """The gate has committed a longer chain, or another one, than the topic holds."""
    NOT_AUDITED = "NotAudited"
    """A decision that the gate has committed has no audit record."""
    ALTERED = "Altered"
    """The decision on its topic is not the one that was judged."""


@dataclass(frozen=True, slots=True)
class AuditFault:
    """One thing that is wrong."""

    kind: AuditFaultKind
    where: str
    """The place of the record that shows it."""
    message: str


@dataclass(slots=True)
class Chain:
    """One chain as read so far."""

    key: bytes
    """``<agent>/<decision partition>``."""
    begins_at: int = 0
    """Length at the first record read: 1 where the chain is there from its beginning; 0 before the first."""
    records: int = 0
    length: int = 0
    sha256: str = GENESIS
    agent_uid: str = ""
    topic_id: str = ""
    last_offset: int = -1
    """Of the newest judged decision."""
    epochs: tuple[int, int] = (0, 0)
    judged: dict[int, str] = field(default_factory=dict)
    """SHA-256 of the judged value by offset, of the decision topic that there is now."""
    faults: list[AuditFault] = field(default_factory=list)
    restarts: int = 0
    """How often the chain began anew, for an agent or decision topic that was made again."""
    _hashes: dict[str, None] = field(default_factory=dict)

    def take(self, where: str, value: bytes) -> None:
        """Add the next record of the chain, as the audit topic has it."""
        record = self._decode(where, value)
        if record is None:
            return
        decision, link = _part(record, "decision"), _part(record, "chain")
        length, previous = _number(link, "length"), link.get("previous")
        uid, topic_id = record.get("agentUid"), decision.get("topicId")
        again = length == 1 and previous == GENESIS and (uid, topic_id) != (self.agent_uid, self.topic_id)
        if self.records and again:
            self._begin_anew()
        if self.records:
            self._check_link(where, length, previous)
            self._check_order(where, record, decision)
        else:
            self.begins_at = length
        self._check_ids(where, record, decision)
        self._advance(value, length, record, decision)

    def check_head(self, head: ChainHead, heads: Mapping[int, str]) -> None:
        """Compare the chain with what the gate had committed before it was read.

        Args:
            head: the metadata of the gate's committed offset.
            heads: hash by length, of the records that were read.
        """
        if head.length == 0:
            return
        if head.length > self.length:
            message = f"the gate has committed {head.length} records, and the topic ends at {self.length}"
        elif head.length in heads and heads[head.length] != head.sha256:
            message = f"the gate has committed another record at length {head.length}"
        else:
            return
        self.faults.append(AuditFault(AuditFaultKind.TRUNCATED, "committed offset", message))

    def _decode(self, where: str, value: bytes) -> dict[str, canonical.JsonValue] | None:
        try:
            record = canonical.decode(value)
        except MalformedEventError as error:
            return self._fault(AuditFaultKind.UNREADABLE, where, str(error))
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            return self._fault(AuditFaultKind.UNREADABLE, where, f"not an audit record of format {FORMAT}")
        agent, partition = record.get("agent"), _part(record, "decision").get("partition")
        if not isinstance(agent, str) or not isinstance(partition, int) or audit_key(agent, partition) != self.key:
            return self._fault(AuditFaultKind.UNREADABLE, where, "its key is another chain's than its content")
        return record

    def _check_link(self, where: str, length: int, previous: object) -> None:
        if previous == self.sha256 and length == self.length + 1:
            return
        if previous in self._hashes or (previous == GENESIS and length == 1):
            self._fault(AuditFaultKind.FORK, where, f"follows a record that length {length} followed already")
        elif length > self.length + 1:
            missing = length - self.length - 1
            self._fault(AuditFaultKind.GAP, where, f"{missing} records are missing before length {length}")
        else:
            message = f"was written after another record than the one before it, at length {self.length}"
            self._fault(AuditFaultKind.EDITED, where, message)

    def _check_order(
        self, where: str, record: Mapping[str, canonical.JsonValue], decision: Mapping[str, canonical.JsonValue]
    ) -> None:
        offset = _number(decision, "offset")
        if decision.get("topicId") == self.topic_id and offset <= self.last_offset:
            message = f"the decision at offset {offset} comes after the one at {self.last_offset}"
            self._fault(AuditFaultKind.REPEATED, where, message)
        epochs = _epochs(record)
        if epochs[0] < self.epochs[0] or epochs[1] < self.epochs[1]:
            message = f"judged under the epochs {epochs}, after some under {self.epochs}"
            self._fault(AuditFaultKind.ROLLED_BACK, where, message)

    def _check_ids(
        self, where: str, record: Mapping[str, canonical.JsonValue], decision: Mapping[str, canonical.JsonValue]
    ) -> None:
        place = (str(record.get("agentUid")), str(decision.get("topicId")))
        numbers = (_number(decision, "partition"), _number(decision, "offset"))
        if record.get("id") != ids.audit_id(*place, *numbers):
            self._fault(AuditFaultKind.FORGED, where, "its id does not follow from the decision's place")
        command = record.get("command")
        if (command is not None) != (record.get("verdict") == "Allow"):
            self._fault(AuditFaultKind.FORGED, where, f"verdict {record.get('verdict')} and command do not agree")
        elif isinstance(command, dict) and command.get("id") != ids.command_id(*place, *numbers):
            self._fault(AuditFaultKind.FORGED, where, "its command's id does not follow from the decision's place")

    def _advance(
        self,
        value: bytes,
        length: int,
        record: Mapping[str, canonical.JsonValue],
        decision: Mapping[str, canonical.JsonValue],
    ) -> None:
        topic_id = str(decision.get("topicId"))
        if topic_id != self.topic_id:
            self.judged.clear()
        self._hashes[self.sha256] = None
        if len(self._hashes) > _REMEMBERED:
            del self._hashes[next(iter(self._hashes))]
        self.records += 1
        self.length, self.sha256 = length, sha256_hex(value)
        self.agent_uid, self.topic_id = str(record.get("agentUid")), topic_id
        self.last_offset, self.epochs = _number(decision, "offset"), _epochs(record)
        self.judged[self.last_offset] = str(decision.get("digest"))

    def _begin_anew(self) -> None:
        self.restarts += 1
        self.length, self.sha256, self.last_offset, self.epochs = 0, GENESIS, -1, (0, 0)
        self._hashes.clear()

    def _fault(self, kind: AuditFaultKind, where: str, message: str) -> None:
        self.faults.append(AuditFault(kind, where, message))
