"""Whether audit chains are whole: what is missing, added, changed, told twice, or told in another order.

A chain is all audit records of one decision partition of an agent. Each record holds the SHA-256 of the one before it;
the length and hash of the last one travel as the metadata of the offset that the gate commits. So whoever edits, drops
or adds a record must also hold the gate's credentials, and write every later record anew.

What is kept of a chain does not grow with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streamwarden_contract.audit import GENESIS, ChainHead, audit_key
from streamwarden_contract.audit_entries import AuditEntry, AuditEntryError, Epochs, read_entry
from streamwarden_contract.audit_faults import AuditFaultKind, Faults, Place
from streamwarden_contract.names import AGENT_NAME_PATTERN

_BRANCHES = 16
"""Forks that are followed of one chain: their later records are told as part of them, not as further forks."""
_NO_EPOCHS = Epochs(0, 0)
_KEY = re.compile(rf"(?P<agent>{AGENT_NAME_PATTERN.strip('^$')})/(?P<partition>0|[1-9][0-9]{{0,8}})")


class ChainId(NamedTuple):
    """Whose chain, and of which decision partition."""

    agent: str
    partition: int


class Judged(NamedTuple):
    """What the newest record of a chain says was judged."""

    chain: ChainId
    topic_id: str
    offset: int
    digest: str
    last: int | None = None
    """Of a range its last offset."""


@dataclass(slots=True)
class Chain:
    """One chain as read so far."""

    id: ChainId
    namespace: str
    head: ChainHead | None = None
    """What the gate had committed before the chain was read; None: not known."""
    begins_at: int = 0
    """Length at the first record read: 1 where the chain is there from its beginning; 0 before the first."""
    records: int = 0
    length: int = 0
    sha256: str = GENESIS
    agent_uid: str = ""
    topic_id: str = ""
    last_offset: int = -1
    """Of the newest judged decision."""
    epochs: Epochs = _NO_EPOCHS
    faults: Faults = field(default_factory=Faults)
    deleted: int = 0
    """Length of a chain of which retention has deleted every record: no fault."""
    remade: list[str] = field(default_factory=list)
    """Where agent or decision topic were made again: no fault. The first few."""
    _head_seen: bool = False
    """A record was read at the head's length."""
    _head_found: bool = False
    """And one of them was the head's."""
    _newest: Place | None = None
    _branches: dict[str, int] = field(default_factory=dict)
    """Length by hash, of the newest record of each fork."""

    def take(self, place: Place, value: bytes, *, log_start: int) -> Judged | None:
        """Add the next record, as the audit topic has it.

        Args:
            place: where it stands.
            value: its value.
            log_start: the first offset that the topic's partition still holds.

        Returns:
            What it says was judged, where it is the chain's next record.
        """
        try:
            entry = read_entry(value)
        except AuditEntryError as error:
            self.records += 1
            self.faults.add(AuditFaultKind.UNREADABLE, place, str(error))
            return None
        return self.take_entry(place, entry, log_start=log_start)

    def take_entry(self, place: Place, entry: AuditEntry, *, log_start: int) -> Judged | None:
        """Do the same with a record that was read already."""
        self.records += 1
        if (entry.namespace, entry.agent, entry.partition) != (self.namespace, *self.id):
            self.faults.add(AuditFaultKind.UNREADABLE, place, "its key is another chain's than its content")
            return None
        self._check_itself(place, entry)
        if self._is_made_again(entry):
            self._begin_anew(place)
        self._look_for_head(entry)
        if not self._follows(place, entry, log_start):
            return None
        self._check_order(place, entry)
        self._advance(place, entry)
        last = entry.last if entry.is_range else None
        return Judged(self.id, entry.topic_id, entry.offset, entry.digest, last)

    def finish(self, committed: Place, now: ChainHead, *, log_start: int) -> None:
        """Compare the chain with what the gate has committed.

        Args:
            committed: where the offset is committed.
            now: what is committed after the last record was read; ``head`` is what was before the first.
            log_start: the first offset that the chain's partition of the audit topic still holds.
        """
        head = self.head or ChainHead()
        if self.records == 0 and log_start > 0:
            self.deleted = head.length
            return
        if head.length > self.length:
            message = f"the gate has committed {head.length} records, and the chain ends at {self.length}"
            self.faults.add(AuditFaultKind.TRUNCATED, committed, message)
        elif self._head_seen and not self._head_found:
            message = f"the gate has committed another record at length {head.length}"
            self.faults.add(AuditFaultKind.REWRITTEN, committed, message)
        if self.length > max(head.length, now.length):
            message = f"the chain ends at {self.length}, and the gate has committed {now.length} records"
            self.faults.add(AuditFaultKind.UNCOMMITTED, self._newest or committed, message)
        elif self.length == now.length and (self.sha256 != now.sha256 and now != head):
            message = f"the gate has committed another record at length {now.length}"
            self.faults.add(AuditFaultKind.REWRITTEN, committed, message)

    def _check_itself(self, place: Place, entry: AuditEntry) -> None:
        for message in entry.forgeries:
            self.faults.add(AuditFaultKind.FORGED, place, message)
        for message in entry.contradictions:
            self.faults.add(AuditFaultKind.CONTRADICTORY, place, message)

    def _is_made_again(self, entry: AuditEntry) -> bool:
        """Tell whether a new chain begins, as of an agent or a decision topic that was made again."""
        begins = entry.length == 1 and entry.previous == GENESIS
        return self.length > 0 and begins and (entry.agent_uid, entry.topic_id) != (self.agent_uid, self.topic_id)

    def _follows(self, place: Place, entry: AuditEntry, log_start: int) -> bool:
        """Tell whether the chain goes on with this record, also where something is wrong between them."""
        length = entry.length
        if self.length == 0 and log_start > 0 and length > 1:
            self.begins_at = length
            return True
        self.begins_at = self.begins_at or length
        if length == self.length + 1:
            if entry.previous != self.sha256:
                message = f"was written after another record than the one that stands at length {self.length}"
                self.faults.add(AuditFaultKind.EDITED, place, message)
            return True
        if length > self.length:
            first, last = self.length + 1, length - 1
            missing = f"length {first} is" if first == last else f"lengths {first} to {last} are"
            message = f"{missing} missing before this record"
            self.faults.add(AuditFaultKind.GAP, place, message)
            return True
        self._take_aside(place, entry)
        return False

    def _take_aside(self, place: Place, entry: AuditEntry) -> None:
        """Say once of each fork that it is there, and follow it."""
        if entry.sha256 == self.sha256:
            message = f"the record at length {entry.length} stands here a second time"
            self.faults.add(AuditFaultKind.REPEATED, place, message)
            return
        if self._branches.pop(entry.previous, None) is None:
            message = f"the chain has a record at length {entry.length} already, and is at {self.length}"
            self.faults.add(AuditFaultKind.FORK, place, message)
        self._branches[entry.sha256] = entry.length
        if len(self._branches) > _BRANCHES:
            del self._branches[next(iter(self._branches))]

    def _look_for_head(self, entry: AuditEntry) -> None:
        if self.head is not None and entry.length == self.head.length:
            self._head_seen = True
            self._head_found = self._head_found or entry.sha256 == self.head.sha256

    def _check_order(self, place: Place, entry: AuditEntry) -> None:
        if entry.topic_id == self.topic_id and entry.offset <= self.last_offset:
            message = f"the decision at offset {entry.offset} comes after the one at {self.last_offset}"
            self.faults.add(AuditFaultKind.REPEATED, place, message)
        if entry.epochs.namespace < self.epochs.namespace or entry.epochs.guardrail < self.epochs.guardrail:
            message = f"judged under epochs {tuple(entry.epochs)}, after records under {tuple(self.epochs)}"
            self.faults.add(AuditFaultKind.ROLLED_BACK, place, message)

    def _advance(self, place: Place, entry: AuditEntry) -> None:
        if self.agent_uid and self.length:
            self._note_remade(place, entry)
        self.length, self.sha256, self._newest = entry.length, entry.sha256, place
        self.agent_uid, self.topic_id = entry.agent_uid, entry.topic_id
        self.last_offset, self.epochs = entry.last, entry.epochs

    def _note_remade(self, place: Place, entry: AuditEntry) -> None:
        if entry.topic_id != self.topic_id:
            self._remade("the decision topic was made again", place)
        elif entry.agent_uid != self.agent_uid:
            self._remade("the agent was made again", place)

    def _remade(self, what: str, place: Place) -> None:
        if len(self.remade) < _BRANCHES:
            self.remade.append(f"{what} before {place.text}")

    def _begin_anew(self, place: Place) -> None:
        self._remade("agent or decision topic were made again, and the chain begins anew", place)
        self.length, self.sha256, self.last_offset, self.epochs = 0, GENESIS, -1, _NO_EPOCHS
        self._head_seen = self._head_found = False
        self._branches.clear()


class AuditTopic:
    """All chains of a namespace, told apart by their records' keys."""

    def __init__(self, namespace: str, *, agent: str = "", heads: Mapping[ChainId, ChainHead] | None = None) -> None:
        """Prepare.

        Args:
            namespace: whose audit topic it is.
            agent: the only one to look at; empty: all of them.
            heads: what gates have committed.
        """
        self.namespace = namespace
        self.faults = Faults()
        """Of records that belong to no chain."""
        self._agent = agent
        self._chains: dict[bytes, Chain] = {}
        for found, head in (heads or {}).items():
            self._chains[audit_key(*found)] = Chain(found, namespace, head)

    @property
    def chains(self) -> list[Chain]:
        """In the order of agents and partitions."""
        return sorted(self._chains.values(), key=lambda chain: chain.id)

    def take(self, place: Place, key: bytes | None, value: bytes | None, *, log_start: int) -> Judged | None:
        """Add the topic's next record to its chain; see ``Chain.take``."""
        chain = self._chains.get(key or b"")
        if chain is None:
            chain = self._begin(place, key or b"", value or b"")
        return None if chain is None else chain.take(place, value or b"", log_start=log_start)

    def _begin(self, place: Place, key: bytes, value: bytes) -> Chain | None:
        """Begin a chain; unreadable records begin none, or whoever writes them could fill our memory."""
        match = _KEY.fullmatch(key.decode(errors="replace"))
        if match is None:
            self.faults.add(AuditFaultKind.UNREADABLE, place, "its key names no chain")
            return None
        if self._agent and match["agent"] != self._agent:
            return None
        try:
            read_entry(value)
        except AuditEntryError as error:
            self.faults.add(AuditFaultKind.UNREADABLE, place, str(error))
            return None
        chain = Chain(ChainId(match["agent"], int(match["partition"])), self.namespace)
        self._chains[key] = chain
        return chain
