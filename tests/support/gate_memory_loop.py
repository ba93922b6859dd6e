"""The gate's loop on a Kafka in memory, with decisions that are written and judged by number."""

from __future__ import annotations

import json
from typing import Any

from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_gate.loop import GateLoop
from streamwarden_gate.ports import Links
from support.gate_chains import check_chains
from support.gate_fakes import FakeCommitter, FakeMembership, FakePolicies, FakeReports, MemoryKafka, NoWait
from support.gate_log import NAMESPACE, PARTITIONS, TOPIC_ID, MemoryLog, decision, headers, record

AUDIT, COMMANDS = f"{NAMESPACE}.streamwarden.audit", "risk.commands"


class World:
    """A loop, and what it stands between; decisions are written and judged by number."""

    def __init__(self, log: MemoryLog, *, max_batch: int = 100, max_rate: int = 100_000) -> None:
        self.log = log
        self.kafka = MemoryKafka(
            {number: [] for number in range(PARTITIONS)},
            {number: (0, ChainHead().metadata(TOPIC_ID, 0)) for number in range(PARTITIONS)},
        )
        self.membership = FakeMembership(self.kafka)
        self.committer = FakeCommitter(self.kafka, self.membership)
        self.policies, self.reports = FakePolicies(), FakeReports()
        links = Links(self.membership, self.committer, self.policies, self.reports)
        self.note = links.note
        self.stop = NoWait()
        self.loop = GateLoop(
            links, pod="pod-0", max_batch=max_batch, stop=self.stop, max_staleness_s=30, max_rate=max_rate
        )
        log.write_all()
        self.policies.offer(log.build())
        self.membership.assign(*range(PARTITIONS))

    def write(self, *numbers: int) -> None:
        for number in numbers:
            entity = f"page-{number}"
            partition = record(b"", key=entity.encode()).partition
            own = self.kafka.log[partition]
            given = headers(entity)
            own.append(record(decision(entity).encode(), key=entity.encode(), headers_=given, offset=len(own)))

    def write_marker(self, number: int) -> None:
        """End a transaction of the agent, in the partition of this decision."""
        self.kafka.log[record(b"", key=f"page-{number}".encode()).partition].append(None)

    def steps(self, count: int = 4) -> None:
        for _ in range(count):
            self.loop.step()

    @property
    def judged(self) -> list[str]:
        """Entities of the audit records, in the order they were written."""
        return [audit["decision"]["entity"] for audit in self.audits]

    @property
    def audits(self) -> list[dict[str, Any]]:
        return [json.loads(write.value or b"") for write in self.kafka.written if write.topic == AUDIT]

    def check(self, *numbers: int) -> None:
        """Each decision has one audit record and one command, its chain is whole, and its place is committed."""
        expected = sorted(f"page-{number}" for number in numbers)
        assert sorted(self.judged) == expected
        assert sorted((w.key or b"").decode() for w in self.kafka.written if w.topic == COMMANDS) == expected
        self.check_places()

    def check_places(self) -> None:
        """All chains are whole, and everything that was written is committed."""
        committed = self.kafka.committed
        check_chains(
            [(write.key, write.value) for write in self.kafka.written if write.topic == AUDIT],
            {
                number: parse_metadata(metadata, topic_id=TOPIC_ID, offset=offset)
                for number, (offset, metadata) in committed.items()
            },
        )
        assert {number: offset for number, (offset, _) in committed.items()} == {
            number: len(own) for number, own in self.kafka.log.items()
        }

    def place_of(self, number: int) -> tuple[int, int]:
        """Return partition and offset of a decision."""
        partition = record(b"", key=f"page-{number}".encode()).partition
        keys = [each.key if each else None for each in self.kafka.log[partition]]
        return partition, keys.index(f"page-{number}".encode())
