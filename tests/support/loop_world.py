"""One running loop for a table of faults: an agent, its gate and a real Kafka between them, for all rows.

A row breaks something, what came of it is compared as a whole, and then the loop must give a good decision's command.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamwarden_cli.audit.verifying import Wanted, verify
from streamwarden_contract import events
from streamwarden_contract.acks import decode_ack
from streamwarden_contract.decision import decode_failure
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.records import headers_of
from support import gate_world
from support.agent_process import configure, pages
from support.gate_process import ALONE
from support.gate_world import eventually
from support.kafka_tools import Right

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from confluent_kafka import Message
    from streamwarden_contract.decision import Failure
    from support.agent_process import DeployedAgent
    from support.gate_world import GateWorld
    from support.kafka_tools import Cluster, Followed
    from support.policy_log import SigningKey

    Records = dict[str, list[Message]]

ENTITY = "page-0001"
Mark = dict[str, int]
"""How many records each topic had."""


@dataclass(frozen=True)
class Seen:
    """What came of something: nothing, unless said otherwise."""

    audits: tuple[tuple[str, str], ...] = ()
    """Verdict and reason of each audit record; of a dead letter, why it is one."""
    dead_letters: tuple[str, ...] = ()
    """Their reasons."""
    failures: tuple[tuple[str, int, str], ...] = ()
    """Stage, attempts and error of each event that the agent gave up on."""
    commands: tuple[str, ...] = ()
    """The entity of each."""


def dead_letter(reason: str) -> Seen:
    """One record was refused for this."""
    return Seen(audits=(("DeadLetter", reason),), dead_letters=(reason,))


def denied(reason: str) -> Seen:
    """One decision was denied for this."""
    return Seen(audits=(("Deny", reason),))


def given_up(stage: str, attempts: int, error: str) -> Seen:
    """The agent gave up on one event, which is a dead letter by the gate."""
    return Seen((("DeadLetter", "AgentFailure"),), ("AgentFailure",), ((stage, attempts, error),))


@dataclass
class Loop:
    """What runs, and what a row may do to it. Make it with ``build``, and start it."""

    gate: GateWorld
    agent: DeployedAgent
    topics: Followed
    in_force: int = 0
    """The epoch of the last policies that were good."""
    waiting: int = 0
    """Decisions that cannot be judged before something is mended."""
    sound: bool = True
    """Whether the last row left it as it was."""

    def start(self) -> None:
        """Start both with a good policy."""
        self.publish()
        self.gate.start_gate()
        self.agent.start()
        self.gate.wait_in_force()

    def close(self) -> None:
        self.topics.close()
        self.agent.close()
        self.gate.close()

    # What a row does

    def publish(self, *rules: str) -> None:
        """Publish a policy that allows what the agent decides, or one of these rules, and wait for it where one can."""
        self.gate.publish(*rules)
        if self.gate.processes:
            self.gate.wait_in_force()
        self.in_force = self.gate.epoch

    def observe(self, value: bytes | None = None, *, poison: bool = False) -> None:
        """Let an event come that the agent decides about, or one with this value.

        All are about one entity: what comes after a bad one has to get past it.
        """
        [(key, good, headers)] = pages([1], poison=poison)
        self.agent.cluster.produce(self.agent.topic, [(key, good if value is None else value, headers)])

    def observe_and_wait(self) -> None:
        """Let something happen, and wait until it is decided, and no longer: what follows waits for its mending."""
        before = len(self._all_of(self.gate.names.decisions))
        self.waiting += 1
        self.observe()
        eventually(lambda: len(self._all_of(self.gate.names.decisions)) > before, "the decision")

    def restart_gate(self, **environment: str) -> None:
        """End the gate in order, and start another."""
        process = self.gate.processes[-1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        self.gate.processes.pop()  # one that has not ended is killed with the world
        self.gate.start_gate(**environment)

    def kill_gate(self) -> None:
        """Kill the gate, and start another."""
        process = self.gate.processes.pop()
        process.kill()
        process.wait(10)
        self.gate.start_gate()

    def kill_agent(self) -> None:
        """Kill the agent, and start another."""
        process = self.agent.processes.pop()
        process.kill()
        process.wait(10)
        self.agent.start()

    # What came of it

    def wait_ack(self, state: str, reason: str, epoch: int) -> None:
        """Wait until the gate says this of its policies."""

        def says_so() -> bool:
            ack = decode_ack(self._all_of(self.gate.names.shared.gates)[-1].value() or b"")
            return (ack.state, ack.reason, ack.namespace_epoch) == (state, reason, epoch)

        eventually(says_so, f"{state} {reason} under epoch {epoch}")

    def mark(self) -> Mark:
        """Remember where every topic ends."""
        return {topic: len(records) for topic, records in self.topics.read().items()}

    def wait_seen(self, expected: Seen, since: Mark) -> None:
        """Wait until this, and nothing else, has come since then."""
        with suppress(AssertionError):  # the comparison below says more
            eventually(lambda: self.seen(since) == expected, "")
        assert self.seen(since) == expected

    def seen(self, since: Mark) -> Seen:
        """Tell what has come since then."""
        new = self._new(since)
        return Seen(
            audits=tuple((each["verdict"], each["deadLetter"] or each["reason"]) for each in self._audits(new)),
            dead_letters=tuple(each["reason"] for each in self._dead_letters(new)),
            failures=tuple((each.stage, each.attempts, each.error) for each, _ in self._failures(new)),
            commands=tuple((each.key() or b"").decode() for each in new[self.gate.commands]),
        )

    def audits(self, since: Mark) -> list[dict[str, Any]]:
        """The audit records since then."""
        return self._audits(self._new(since))

    def dead_letters(self, since: Mark) -> list[dict[str, Any]]:
        """The dead letters since then."""
        return self._dead_letters(self._new(since))

    def failures(self, since: Mark) -> list[tuple[Failure, Message]]:
        """The events that the agent has given up on since then, each with the record that says so."""
        return self._failures(self._new(since))

    def check_audit(self, *, untrue_offsets: bool = False) -> None:
        """Each committed decision, of whatever kind, is in exactly one audit record, and the chains are whole.

        Of records that batches give ``untrue_offsets`` that cannot always be told; it is told of all others.
        """
        wanted = Wanted(namespace=self.gate.names.namespace, decisions=True)
        report = verify(Connection.of(self.gate.cluster.properties), wanted, lambda _read, _offsets: None)
        assert report.fault_count == 0, [*report.lines()]
        unsure = [each for each in report.not_checked if not (untrue_offsets and "with untrue offsets" in each)]
        assert unsure == []
        compared = sum(chain.coverage.compared for chain in report.chains if chain.coverage is not None)
        audits = gate_world.values(self._all_of(self.gate.names.shared.audit))
        assert compared == sum("lastOffset" not in audit["decision"] for audit in audits)

    def command_ids(self) -> list[object]:
        """The ids of all commands."""
        return [dict(headers_of(each))["ce_id"] for each in self._all_of(self.gate.commands)]

    def inputs_at(self, partition: int, offset: int) -> list[Message]:
        """The agent's input at this place."""
        inputs = self.agent.cluster.read_all(self.agent.topic)
        return [each for each in inputs if (each.partition(), each.offset()) == (partition, offset)]

    def give_a_good_decision(self, since: Mark) -> None:
        """The loop works: an event's command comes by the last good policies, with those that waited, and no more."""
        self.observe()
        count, self.waiting = self.waiting + 1, 0
        self.wait_seen(Seen(audits=(("Allow", "RulesHold"),) * count, commands=(ENTITY,) * count), since)
        assert {audit["epochs"]["namespace"] for audit in self.audits(since)} == {self.in_force}

    def _audits(self, new: Records) -> list[dict[str, Any]]:
        return gate_world.values(new[self.gate.names.shared.audit])

    def _dead_letters(self, new: Records) -> list[dict[str, Any]]:
        return gate_world.values(new[self.gate.names.shared.dead_letters])

    def _failures(self, new: Records) -> list[tuple[Failure, Message]]:
        written = new.get(self.gate.names.decisions, [])
        given_up = [each for each in written if ("ce_type", events.FAILURE_TYPE.encode()) in headers_of(each)]
        return [(decode_failure(each.value() or b""), each) for each in given_up]

    def _all_of(self, topic: str) -> list[Message]:
        return self.topics.read()[topic]

    def _new(self, since: Mark) -> Records:
        return {topic: records[since[topic] :] for topic, records in self.topics.read().items()}


class Running:
    """The loop of a table of faults, started when it is first asked for."""

    def __init__(self, build: Callable[[], Loop]) -> None:
        self._build = build
        self._loop: Loop | None = None

    def sound_loop(self) -> Loop:
        """Return the loop for the next row: the one there is, unless the row before has failed."""
        if self._loop is None or not self._loop.sound:
            self.close()
            self._loop = self._build()
            self._loop.start()
        self._loop.sound = False
        return self._loop

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()


def build(
    cluster: Cluster, folder: Path, namespace: str, key: SigningKey, *, module: str = ALONE, of_gates: bool = False
) -> Loop:
    """Make topics, users, rights and files of an agent and its gate.

    Args:
        cluster: where.
        folder: for files.
        namespace: of both.
        key: signs the policies.
        module: what the gate's process runs.
        of_gates: whether only topics that gates write are read here: a batch of others may end who decodes it. What an
            agent gives up on is seen by its dead letter alone, then.
    """
    world = gate_world.build(cluster, folder / "gate", namespace, key)
    world.decision_types = ("block", "block-page")
    world.module = module
    topic = f"{namespace}.pages"
    cluster.create_topics(topic, partitions=world.partitions)
    cluster.grant(world.names.agent_principal, [Right("READ", "TOPIC", topic)])
    retry = {"maxAttempts": 2, "backoff": {"initial": "10ms"}}
    agent = configure(cluster, folder / "agent", world.names, topic, world.agent_properties, retry=retry)
    shared = world.names.shared
    written = (world.commands, shared.audit, shared.dead_letters, shared.gates)
    return Loop(world, agent, cluster.follow(*written, *(() if of_gates else (world.names.decisions,))))
