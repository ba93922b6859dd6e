"""A governed agent on a real broker for the gate's integration tests: topics, users with the least rights, a signed
policy log, and the gate's process.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    Consumer,
    Producer,
    TopicCollection,
    TopicPartition,
)
from streamwarden_contract import canonical
from streamwarden_contract.acks import GateAck, decode_ack
from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_contract.names import AgentNames, InstallationNames, transactional_prefix
from streamwarden_contract.policylog import CommandTarget
from support.gate_chains import AGENT, check_chains
from support.gate_decisions import proposals
from support.gate_process import ALONE, end_gates, show_ends, start_gate
from support.kafka_tools import WAIT_S, Right, begin_transaction, holds, write_properties
from support.policy_log import (
    SigningKey,
    binding_record,
    epoch_record,
    policy_record,
    policy_spec,
    schema_record,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from confluent_kafka import Message
    from streamwarden_contract.policylog import Record
    from support.kafka_tools import Cluster
    from support.policy_log import LogRecord

INSTALLATION = InstallationNames()

UID = "uid-1"
PARTITIONS = 3
SCHEMA = '{"type":"object","properties":{"number":{"type":"integer"}},"required":["number"]}'
RULE = "decision.confidence >= 0.5"


def eventually(condition: Callable[[], object], what: str, *, timeout_s: float = WAIT_S, pause_s: float = 0.05) -> None:
    """Wait until the condition holds; fail, naming ``what``, when it does not in time. Kafka may fail meanwhile."""
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while not holds(condition):
        assert time.monotonic() < deadline, f"not in {timeout_s:g} s: {what}"
        pause.wait(pause_s)


@dataclass
class GateWorld:
    """One agent and what stands round it. Make it with ``build``."""

    cluster: Cluster
    folder: Path
    names: AgentNames
    key: SigningKey
    cluster_id: str
    agent_properties: dict[str, str] = field(default_factory=dict)
    gate_properties: dict[str, str] = field(default_factory=dict)
    installation: InstallationNames = INSTALLATION
    partitions: int = PARTITIONS
    decision_types: tuple[str, ...] = ("block",)
    epoch: int = 0
    revision: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    launcher: tuple[str, ...] = ()
    """What gates' commands are handed to."""
    module: str = ALONE
    """What their processes run."""

    @property
    def commands(self) -> str:
        """The command topic."""
        return f"{self.names.namespace}.commands"

    @property
    def policies(self) -> str:
        """The namespace's policy topic."""
        return self.names.shared.policies

    # What the operator does

    def create_topics(self) -> None:
        """Make every topic but the guardrails'."""
        shared, compact = self.names.shared, {"cleanup.policy": "compact"}
        append_time = {"message.timestamp.type": "LogAppendTime"}
        decisions = {**append_time, "max.message.bytes": "1048576"}
        self.cluster.create_topics(self.names.decisions, partitions=self.partitions, config=decisions)
        self.cluster.create_topics(self.commands, partitions=self.partitions)
        self.cluster.create_topics(shared.audit, config=append_time)
        self.cluster.create_topics(shared.dead_letters, config={"max.message.bytes": "2097152"})
        self.cluster.create_topics(shared.gates, config=compact)
        # Compacted like the operator's; and "delete", as only then Kafka lets a test delete what stands there.
        self.cluster.create_topics(shared.policies, config={"cleanup.policy": "compact,delete"})

    def create_users(self) -> None:
        """Make the agent's and the gate's user with exactly the rights that the operator gives them."""
        names, shared = self.names, self.names.shared
        self.agent_properties = self.cluster.create_user(
            names.agent_principal,
            [
                Right("WRITE", "TOPIC", names.decisions),
                Right("READ", "GROUP", names.agent_group),
                Right("WRITE", "TRANSACTIONAL_ID", transactional_prefix(names.agent_principal), prefixed=True),
            ],
        )
        self.gate_properties = self.cluster.create_user(
            names.gate_principal,
            [
                *(
                    Right("READ", "TOPIC", topic)
                    for topic in (names.decisions, shared.policies, self.installation.guardrails)
                ),
                *(
                    Right("WRITE", "TOPIC", topic)
                    for topic in (self.commands, shared.audit, shared.dead_letters, shared.gates)
                ),
                Right("READ", "GROUP", names.gate_group),
                Right("WRITE", "TRANSACTIONAL_ID", transactional_prefix(names.gate_principal), prefixed=True),
            ],
        )

    def write_files(self) -> None:
        """Write what the gate's container finds."""
        write_properties(self.folder, self.gate_properties)
        config = {"namespace": self.names.namespace, "agent": AGENT, "uid": UID}
        if self.installation != INSTALLATION:
            config["installation"] = self.installation.installation
        (self.folder / "gate.json").write_text(json.dumps(config))
        (self.folder / "public-keys.json").write_text(json.dumps(self.key.public_file))

    def commit_first_offsets(
        self, metadata: str | None = None, partitions: Iterable[int] | None = None, *, head: ChainHead | None = None
    ) -> None:
        """Commit offset 0 with the head of an empty chain (or another, or any text) for the gate's group."""
        own = (head or ChainHead()).metadata(self.topic_id(self.names.decisions), 0)
        text = own if metadata is None else metadata
        wanted = range(self.partitions) if partitions is None else partitions
        places = [TopicPartition(self.names.decisions, number, 0, text) for number in wanted]
        self.cluster.commit(self.names.gate_group, places)

    def topic_id(self, topic: str) -> str:
        """The broker's id of a topic."""
        futures = self.cluster.admin.describe_topics(TopicCollection([topic]))
        return str(futures[topic].result(WAIT_S).topic_id)

    def records(self, policies: Mapping[str, tuple[str, ...]], *, action: str = "Enforce") -> list[Record]:
        """Make the next epoch: these policies with their rules, a schema, the binding."""
        self.epoch += 1
        self.revision += len(policies) + 1
        made = [
            policy_record(
                self.names.namespace,
                name,
                policy_spec(*rules, action=action),
                revision=self.revision - number,
                epoch=self.epoch,
            )
            for number, (name, rules) in enumerate(policies.items(), start=1)
        ]
        schema = schema_record(SCHEMA, epoch=self.epoch)
        target = CommandTarget(topic=self.commands, keyed=True, schema_sha256=schema.sha256)
        binding = binding_record(
            self.names.namespace,
            AGENT,
            made,
            dict.fromkeys(self.decision_types, target),
            uid=UID,
            revision=self.revision,
            epoch=self.epoch,
            partitions=self.partitions,
            topic_id=self.topic_id(self.names.decisions),
            audit_topic_id=self.topic_id(self.names.shared.audit),
        )
        return [*made, schema, binding, epoch_record(self.epoch, revision_counter=self.revision)]

    def publish(self, *rules: str) -> None:
        """Publish the policy ``confident`` with these rules."""
        self.write_log(self.signed(self.records({"confident": rules or (RULE,)})))

    def signed(self, records: Iterable[Record], key: SigningKey | None = None) -> list[LogRecord]:
        """Sign records for the namespace's policy topic."""
        return [(key or self.key).signed(self.policies, record, cluster_id=self.cluster_id) for record in records]

    def write_log(self, records: Iterable[LogRecord]) -> None:
        """Write records onto the policy topic in one transaction."""
        properties = {**self.cluster.properties, "transactional.id": f"test-publisher-{self.names.namespace}"}
        begin_transaction(properties, self.policies, records).commit_transaction(WAIT_S)

    # The processes

    def start_gate(self, pod: str = "guard-0", **environment: str) -> subprocess.Popen[bytes]:
        """Start a gate; its log lines are appended to ``log-<pod>``."""
        process = start_gate(
            self.folder,
            self.folder,
            pod,
            self.folder / f"log-{pod}",
            module=self.module,
            launcher=self.launcher,
            environment=environment,
        )
        self.processes.append(process)
        return process

    def restart_ended_gates(self, **environment: str) -> None:
        """Do what a supervisor does: a gate that could not go on is started again."""
        for process in [each for each in self.processes if each.poll() is not None]:
            assert process.returncode == 1
            self.processes.remove(process)
            self.start_gate(**environment)

    def close(self) -> None:
        """End every gate, in order where it still can; where a test has failed, the ends of their logs are shown."""
        show_ends(self.folder.glob("log-*"))
        end_gates(self.processes)

    def log_lines(self, pod: str = "guard-0") -> list[dict[str, Any]]:
        """What a gate has logged; what libraries wrote when they died is no line of its log."""
        lines = (self.folder / f"log-{pod}").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    # What the agent does

    def propose(self, numbers: Iterable[int], **fields: object) -> None:
        """Write decisions with the agent's credentials: ``page-<number>``, allowed unless ``fields`` say otherwise."""
        self.write_as_agent(proposals(numbers, **fields))

    def write_as_agent(self, records: Iterable[tuple[bytes | None, bytes | None, list[Any]]], **config: Any) -> None:
        """Write any records with the agent's credentials."""
        partition = config.pop("partition", -1)
        producer = Producer({**self.agent_properties, "linger.ms": 2, "enable.idempotence": True, **config})
        errors: list[Any] = []
        for key, value, headers in records:
            producer.produce(
                self.names.decisions,
                value,
                key,
                partition=partition,
                headers=headers,
                on_delivery=lambda error, _: errors.append(error) if error else None,
            )
            producer.poll(0)
        assert producer.flush(WAIT_S) == 0
        assert errors == []

    def write_as_agent_in_transaction(self, numbers: Iterable[int]) -> None:
        """Write decisions in one transaction, as the SDK does: it leaves a marker in each partition."""
        self.begin_as_agent(numbers).commit_transaction(WAIT_S)

    def begin_as_agent(self, numbers: Iterable[int], pod: str = "guard-0") -> Producer:
        """Write decisions in a transaction that is still open; its producer ends it."""
        properties = {**self.agent_properties, "transactional.id": self.names.agent_transactional_id(pod)}
        return begin_transaction(properties, self.names.decisions, proposals(numbers))

    # What came of it

    def committed(self) -> dict[int, tuple[int, ChainHead]]:
        """What the gate's group has committed: position and chain head by partition."""
        found = self.cluster.places(self.names.gate_group, self.names.decisions)
        own = self.topic_id(self.names.decisions)
        return {
            each.partition: (each.offset, parse_metadata(each.metadata, topic_id=own, offset=each.offset))
            for each in found
        }

    def caught_up(self) -> bool:
        """Whether the gate has no lag, transaction markers included."""
        ends = self.cluster.end_offsets(self.names.decisions)
        return {number: place[0] for number, place in self.committed().items()} == ends

    def audit_end(self) -> int:
        """Where the audit topic ends: a quick way to see that something was judged."""
        return sum(self.cluster.end_offsets(self.names.shared.audit).values())

    def audits(self) -> list[dict[str, Any]]:
        """Every audit record."""
        return values(self.cluster.read_all(self.names.shared.audit))

    def dead_letters(self) -> list[dict[str, Any]]:
        """Every dead letter."""
        return values(self.cluster.read_all(self.names.shared.dead_letters))

    def commanded(self) -> list[str]:
        """The entities of all commands."""
        return [str((message.key() or b"").decode()) for message in self.cluster.read_all(self.commands)]

    def acks(self) -> list[GateAck]:
        """Every ack that was written, oldest first."""
        return [decode_ack(message.value() or b"") for message in self.cluster.read_all(self.names.shared.gates)]

    def last_ack(self, pod: str = "guard-0") -> GateAck | None:
        """The newest ack of one gate."""
        return next((ack for ack in reversed(self.acks()) if ack.pod == pod), None)

    def wait_in_force(self, pod: str = "guard-0") -> None:
        """Wait until a gate says that the newest epoch is in force."""

        def in_force() -> bool:
            ack = self.last_ack(pod)
            return ack is not None and (ack.state, ack.namespace_epoch) == ("InForce", self.epoch)

        eventually(in_force, f"epoch {self.epoch} in force in {pod}")

    def check_chains(self) -> None:
        """Every partition's audit chain is whole, from its genesis to the committed head."""
        written = [(message.key(), message.value()) for message in self.cluster.read_all(self.names.shared.audit)]
        committed = {number: head for number, (_, head) in self.committed().items()}
        assert committed.keys() == set(range(self.partitions))
        check_chains(written, committed)


def build(
    cluster: Cluster,
    folder: Path,
    namespace: str,
    key: SigningKey,
    *,
    offsets: bool = True,
    installation: InstallationNames = INSTALLATION,
) -> GateWorld:
    """Make everything but the policy log, the guardrail topic's being there."""
    names = AgentNames(namespace, AGENT)
    world = GateWorld(cluster, folder, names, key, _cluster_id(cluster), installation=installation)
    folder.mkdir(parents=True, exist_ok=True)
    world.create_topics()
    world.create_users()
    world.write_files()
    if offsets:
        world.commit_first_offsets()
    return world


def publish_guardrails(cluster: Cluster, key: SigningKey, installation: InstallationNames = INSTALLATION) -> None:
    """Make an installation's guardrail topic as it is without guardrails."""
    topic = installation.guardrails
    cluster.create_topics(topic, config={"cleanup.policy": "compact"})
    cluster.produce(topic, [key.signed(topic, epoch_record(revision_counter=0), cluster_id=_cluster_id(cluster))])


def _cluster_id(cluster: Cluster) -> str:
    own = {name: value for name, value in cluster.properties.items() if name != "partitioner"}
    consumer = Consumer({**own, "group.id": "cluster-id"})
    found = consumer.cluster_id(WAIT_S)
    consumer.close()
    return str(found)


def values(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Read the values of records that the gate writes."""
    return [_json(message.value()) for message in messages]


def _json(value: bytes | None) -> dict[str, Any]:
    found = canonical.decode(value or b"")
    assert isinstance(found, dict)
    return found
