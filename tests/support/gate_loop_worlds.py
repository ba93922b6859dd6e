"""Where the gate's loop is tried: on fakes, or on a Kafka behind a proxy, with the same faults."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka.protocol.group import LeaveGroupRequest
from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_devstack.proxy import Api
from streamwarden_gate.committer import KafkaCommitter
from streamwarden_gate.membership import KafkaMembership
from streamwarden_gate.snapshot import Identity, Snapshot
from streamwarden_gate.stop import Stop
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.records import TopicFacts
from streamwarden_kafka.wire.connections import Wire
from support import gate_fakes, gate_world
from support.gate_chains import AGENT
from support.gate_decisions import proposals
from support.gate_fakes import (
    FakeCommitter,
    FakeMembership,
    MemoryGroup,
    MemoryKafka,
    NoWait,
)
from support.gate_log import NAMESPACE, PARTITIONS, TOPIC_ID, MemoryKeys, MemoryLog, record
from support.gate_loops import DENIED, SILENT_ANSWERS, Gate
from support.gate_world import INSTALLATION, RULE, UID, GateWorld
from support.kafka_groups import describe_group
from support.kafka_tools import Cluster, Right
from support.policy_log import SigningKey, epoch_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from confluent_kafka import Producer
    from streamwarden_gate.active import ActiveSet
    from support.brokers import ProxiedBroker

_LEAVE_TIMEOUT_S = 10.0


@dataclass
class MemoryWorld:
    """On fakes."""

    gates: list[Gate] = field(default_factory=list)
    kafka: MemoryKafka = field(init=False)
    members: dict[int, FakeMembership] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kafka = MemoryKafka(
            {number: [] for number in range(PARTITIONS)},
            {number: (0, ChainHead().metadata(TOPIC_ID, 0)) for number in range(PARTITIONS)},
        )
        self._group = MemoryGroup(PARTITIONS)
        log = MemoryLog()
        log.write_all()
        self._active = log.build()

    def propose(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            confidence = 0.9 if number % DENIED else 0.1
            (made,) = proposals([number], parameters={"score": 0.5}, confidence=confidence)
            key, value, headers = made
            own = self.kafka.log[record(b"", key=key).partition]
            own.append(record(value, key=key, headers_=headers, offset=len(own)))

    def start_gate(self, pod: str = "guard-0") -> Gate:
        member = FakeMembership(self.kafka, self._group)
        gate = Gate(pod, member, FakeCommitter(self.kafka, member, pod), self._active, NoWait())
        self.members[id(gate)] = member
        self.gates.append(gate)
        return gate

    def put_out(self, gate: Gate) -> None:
        self._group.leave(self.members[id(gate)])

    def wait_for_rebalance(self) -> None:
        """It begins at once."""

    def lose_an_outcome(self, *, committed: bool) -> None:
        self.kafka.endings = [gate_fakes.unknown_though_committed if committed else gate_fakes.unknown_and_lost]

    def silence_coordinator(self) -> Callable[[], bool]:
        for member in self.members.values():
            member.silent = SILENT_ANSWERS
        return lambda: all(member.silent == 0 for member in self.members.values())

    def audits(self) -> list[tuple[bytes | None, bytes | None]]:
        audit = f"{NAMESPACE}.streamwarden.audit"
        return [(write.key, write.value) for write in self.kafka.written if write.topic == audit]

    def commanded(self) -> list[str]:
        return [(write.key or b"").decode() for write in self.kafka.written if write.topic == f"{NAMESPACE}.commands"]

    def committed(self) -> dict[int, tuple[int, ChainHead]]:
        return {
            number: (offset, parse_metadata(text, topic_id=TOPIC_ID, offset=offset))
            for number, (offset, text) in self.kafka.committed.items()
        }

    def ends(self) -> dict[int, int]:
        return {number: len(own) for number, own in self.kafka.log.items()}


class KafkaWorld:
    """On a Kafka behind a proxy, with the users and rights that the operator makes; policies come without a topic."""

    def __init__(self, broker: ProxiedBroker, folder: Path, namespace: str) -> None:
        self.gates: list[Gate] = []
        self.name = broker.name
        self._proxy = broker.proxy
        self._operator = broker.operator
        self._made = gate_world.build(Cluster(broker.operator.librdkafka()), folder, namespace, SigningKey())
        self._connection = Connection.of(self._made.gate_properties)
        self._active = active_set(self._made)

    def propose_in_small_batches(self, numbers: Iterable[int]) -> None:
        """Write decisions that are allowed, some tens in a batch, as an agent does that decides all the while."""
        self._made.write_as_agent(proposals(numbers), **{"batch.size": 16 * 1024})

    def propose(self, numbers: Iterable[int]) -> None:
        wanted = list(numbers)
        self._made.propose(number for number in wanted if number % DENIED)
        self._made.propose((number for number in wanted if not number % DENIED), confidence=0.1)

    def begin(self, numbers: Iterable[int]) -> Producer:
        """Write decisions in a transaction of the agent that stays open."""
        return self._made.begin_as_agent(numbers)

    def start_gate(self, pod: str = "guard-0") -> Gate:
        names = self._made.names
        membership = KafkaMembership(self._connection, names.gate_group, names.decisions)
        transactional_id = names.gate_transactional_id(pod)
        committer = KafkaCommitter(self._connection, transactional_id, names.decisions, membership.member.metadata)
        gate = Gate(pod, membership, committer, self._active, Stop())
        self.gates.append(gate)
        return gate

    def put_out(self, gate: Gate) -> None:
        assert isinstance(gate.membership, KafkaMembership)
        member_id = gate.membership.member._consumer.memberid()
        assert member_id

        async def leave() -> int:
            wire = Wire(self._operator, "test", timeout_s=_LEAVE_TIMEOUT_S)
            try:
                broker = await wire.any_broker()  # there is one, so it is the coordinator
                answer = await broker.ask(LeaveGroupRequest(self._made.names.gate_group, member_id))
                return int(answer.error_code)
            finally:
                await wire.close()
                await asyncio.sleep(0)  # its connections end in the loop's next round

        assert asyncio.run(leave()) == 0

    @contextmanager
    def without_right_to_group(self) -> Iterator[None]:
        """Take the gate's right to its own group away inside the block."""
        rights, user = [Right("READ", "GROUP", self._made.names.gate_group)], self._made.names.gate_principal
        self._made.cluster.revoke(user, rights)
        try:
            yield
        finally:
            self._made.cluster.grant(user, rights)

    def wait_for_rebalance(self) -> None:
        group = self._made.names.gate_group

        def rebalances() -> bool:
            return describe_group(self._made.cluster, group).state == "PREPARING_REBALANCING"

        gate_world.eventually(rebalances, "the group rebalances")

    def lose_an_outcome(self, *, committed: bool) -> None:
        self._proxy.swallow(Api.END_TXN if committed else Api.PRODUCE)

    def lose_answer_to_offsets(self) -> None:
        """Let the answer to a transaction's offsets be lost: when it is given up it is as old as one may get."""
        self._proxy.swallow(Api.TXN_OFFSET_COMMIT)

    def silence_coordinator(self) -> Callable[[], bool]:
        fault = self._proxy.swallow(Api.OFFSET_FETCH, SILENT_ANSWERS)

        def was_asked() -> bool:
            fault.wait_answered(0)
            return True

        return was_asked

    def audits(self) -> list[tuple[bytes | None, bytes | None]]:
        return [(found.key(), found.value()) for found in self._made.cluster.read_all(self._made.names.shared.audit)]

    def commanded(self) -> list[str]:
        return self._made.commanded()

    def committed(self) -> dict[int, tuple[int, ChainHead]]:
        return self._made.committed()

    def ends(self) -> dict[int, int]:
        return self._made.cluster.end_offsets(self._made.names.decisions)


def active_set(world: GateWorld) -> ActiveSet:
    """Make the set that a gate's feed would, without a policy topic."""
    identity = Identity(world.names.namespace, AGENT, UID, "guard-0")
    snapshot = Snapshot(identity, cluster_id=world.cluster_id, keys=MemoryKeys(world.key))
    guardrails = world.key.signed(
        INSTALLATION.guardrails, epoch_record(revision_counter=0), cluster_id=world.cluster_id
    )
    assert snapshot.feed(INSTALLATION.guardrails, *guardrails) is None
    for key, value, headers in world.signed(world.records({"confident": (RULE,)})):
        assert snapshot.feed(world.policies, key, value, headers) is None
    decisions, audit = world.names.decisions, world.names.shared.audit
    facts = {
        decisions: TopicFacts(world.topic_id(decisions), world.partitions),
        audit: TopicFacts(world.topic_id(audit), 1),
    }
    return snapshot.build(facts, None)
