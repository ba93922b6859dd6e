"""A gate's processes one after another, on a Kafka in memory: each is a new loop over what is committed and noted."""

from __future__ import annotations

import json
from typing import Any

from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_gate.loop import GateLoop
from streamwarden_gate.note import Note
from streamwarden_gate.ports import Links
from support.gate_chains import check_chains
from support.gate_fakes import (
    DiedError,
    FakeCommitter,
    FakeMembership,
    FakePolicies,
    FakeReports,
    MemoryKafka,
    NoWait,
)
from support.gate_log import NAMESPACE, PARTITIONS, TOPIC_ID, MemoryLog, decision, headers, record

_AUDIT = f"{NAMESPACE}.streamwarden.audit"
_STEPS = 60
_COUNT = 12


class DeadlyWorld:
    """Decisions by number, a supervisor's note, and one process after another."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.kafka = MemoryKafka(
            {number: [] for number in range(PARTITIONS)},
            {number: (0, ChainHead().metadata(TOPIC_ID, 0)) for number in range(PARTITIONS)},
        )
        self.note = Note()
        self.unreadable: dict[int, tuple[int, ...]] = {}
        self.deadly_to_read: set[tuple[int, int]] = set()
        self.deadly_to_copy: set[tuple[int, int]] = set()
        self.batch_ends: dict[tuple[int, int], int] = {}
        self.deaths = 0
        self.reports = FakeReports()
        log.write_all()
        for number in range(_COUNT):
            entity = f"page-{number}"
            own = self.kafka.log[record(b"", key=entity.encode()).partition]
            own.append(
                record(decision(entity).encode(), key=entity.encode(), headers_=headers(entity), offset=len(own))
            )

    def live(self) -> GateLoop:
        """Run one process until it has nothing left to do, or dies."""
        membership = FakeMembership(self.kafka)
        membership.unreadable, membership.deadly_to_read = self.unreadable, self.deadly_to_read
        membership.deadly_to_copy, membership.batch_ends = self.deadly_to_copy, self.batch_ends
        self.policies = FakePolicies()
        self.policies.offer(self.log.build())
        links = Links(membership, FakeCommitter(self.kafka, membership), self.policies, self.reports, self.note)
        loop = GateLoop(links, pod="pod-0", max_batch=100, stop=NoWait(), max_staleness_s=30)
        membership.assign(*range(PARTITIONS))
        for _ in range(_STEPS):
            loop.step()
        return loop

    def run(self) -> None:
        """Do what the supervisor does: start anew after each death, and keep of the note what is certain."""
        while True:
            try:
                self.live()
            except DiedError:
                self.deaths += 1
                assert self.deaths < 20
                if not self.note.careful:
                    self.note.drop()
                self.note.careful = True
            else:
                return

    @property
    def audits(self) -> list[dict[str, Any]]:
        return [json.loads(write.value or b"") for write in self.kafka.written if write.topic == _AUDIT]

    def check(self, *skipped: tuple[int, int, int]) -> None:
        """All others were judged once; these ranges (partition, first, last offset) are audited; chains are whole."""
        ranges, judged = [], set()
        for audit in self.audits:
            at = audit["decision"]
            if audit["verdict"] == "Skipped":
                ranges.append((at["partition"], at["offset"], at["lastOffset"]))
                continue
            assert "lastOffset" not in at
            assert (at["partition"], at["offset"]) not in judged
            judged.add((at["partition"], at["offset"]))
        everything = {(number, offset) for number, own in self.kafka.log.items() for offset in range(len(own))}
        gone = {(number, offset) for number, first, last in skipped for offset in range(first, last + 1)}
        assert sorted(ranges) == sorted(skipped)
        assert judged == everything - gone
        heads = {
            number: parse_metadata(metadata, topic_id=TOPIC_ID, offset=offset)
            for number, (offset, metadata) in self.kafka.committed.items()
        }
        check_chains([(w.key, w.value) for w in self.kafka.written if w.topic == _AUDIT], heads)
        assert [head.tries for head in heads.values()] == [0] * PARTITIONS
        assert {n: offset for n, (offset, _) in self.kafka.committed.items()} == {
            n: len(own) for n, own in self.kafka.log.items()
        }
