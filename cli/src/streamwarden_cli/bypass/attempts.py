"""Every way round the gate that an agent could try with its own credentials, and the broker's answers.

The attempts are real: on a cluster that lets one through, it has done what it says.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from streamwarden_contract.names import SYSTEM, AgentNames, InstallationNames, transactional_prefix
from streamwarden_kafka.codes import FORBIDDEN, error_of

from streamwarden_cli.bypass.intruder import Intruder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from streamwarden_kafka.connection import Connection

_WORKERS = 4
_SUCCEEDED = "SUCCEEDED"
_NO_ANSWER = "NO_ANSWER"


@dataclass(frozen=True, slots=True)
class Target:
    """The agent that tries, and what lies around it."""

    names: AgentNames
    commands: tuple[str, ...]
    """Topics of its commands."""
    others: tuple[AgentNames, ...] = ()
    """Other agents."""
    pod: str = ""
    """The gate's pod: its transactional id ends in it. By default the first one."""
    installation: str = SYSTEM

    @property
    def gate_pod(self) -> str:
        return self.pod or f"{self.names.agent}-0"

    @property
    def fixed(self) -> InstallationNames:
        """The names that exist once an installation."""
        return InstallationNames(self.installation)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way round the gate."""

    name: str
    act: Callable[[Intruder], None]
    """Returns when it worked; raises ``KafkaException`` with the broker's answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt."""

    attempt: str
    code: str
    """Kafka's name of the error; ``SUCCEEDED`` where there was none."""
    refused: bool


def build_attempts(target: Target) -> list[Attempt]:
    """List every attempt for one agent. What would destroy most comes last."""
    return [
        *_writes(target),
        *_reads(target),
        *_groups(target),
        *_transactions(target),
        *_administration(target),
    ]


def run_attempts(attempts: Sequence[Attempt], connection: Connection) -> list[Answer]:
    """Carry the attempts out with these credentials; answers come in the same order."""
    intruder = Intruder(connection)
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="bypass") as pool:
        return list(pool.map(partial(_answer, intruder), attempts))


def _answer(intruder: Intruder, attempt: Attempt) -> Answer:
    try:
        attempt.act(intruder)
    except KafkaException as error:
        known = error_of(error)
        # Anything else, a timeout as well, is no refusal.
        return Answer(attempt.name, known.name(), known.code() in FORBIDDEN)
    except TimeoutError:
        return Answer(attempt.name, _NO_ANSWER, refused=False)
    return Answer(attempt.name, _SUCCEEDED, refused=False)


def _writes(target: Target) -> Iterator[Attempt]:
    shared = target.names.shared
    topics = {
        **dict.fromkeys(target.commands, "a command topic"),
        shared.audit: "the audit topic",
        shared.approvals: "the approvals topic",
        shared.dead_letters: "the dead-letter topic",
        shared.policies: "the policy topic",
        target.fixed.guardrails: "the guardrail policy topic",
        shared.gates: "the gates topic",
        **{other.decisions: "another agent's decision topic" for other in target.others},
    }
    for topic, what in topics.items():
        yield Attempt(f"write to {what}, {topic}", partial(Intruder.write, topic=topic))


def _reads(target: Target) -> Iterator[Attempt]:
    shared = target.names.shared
    topics = {
        **{other.decisions: "another agent's decisions" for other in target.others},
        target.names.decisions: "its own decisions",
        shared.audit: "the audit topic",
        shared.dead_letters: "the dead-letter topic",
        shared.policies: "the policy topic",
        target.fixed.guardrails: "the guardrail policy topic",
        shared.gates: "the gates topic",
    }
    for topic, what in topics.items():
        yield Attempt(f"read {what}, {topic}", partial(Intruder.read, topic=topic, group=target.names.agent_group))


def _groups(target: Target) -> Iterator[Attempt]:
    gate, decisions = target.names.gate_group, target.names.decisions
    own_id = target.names.agent_transactional_id("bypass")
    yield Attempt(f"join the gate's group, {gate}", partial(Intruder.join, group=gate, topic=decisions))
    yield Attempt(f"commit the gate's offsets of {decisions}", partial(Intruder.commit, group=gate, topic=decisions))
    yield Attempt(
        "commit the gate's offsets in a transaction of its own",
        partial(Intruder.commit_in_transaction, transactional_id=own_id, group=gate, topic=decisions),
    )
    yield Attempt(f"delete the gate's group, {gate}", partial(Intruder.delete_group, group=gate))


def _transactions(target: Target) -> Iterator[Attempt]:
    names = target.names
    stem = transactional_prefix(names.agent_principal).removesuffix(".")
    ids = {
        names.gate_transactional_id(target.gate_pod): "the gate's transactional id",
        names.gate_transactional_id("x"): "another id under the gate's prefix",
        names.gate_principal: "the gate's prefix without its dot",
        f"{stem}x": "an id that begins like its own but for the dot",
        f"{names.namespace}.{names.agent}.": "an id that both prefixes continue",
        **{
            other.gate_transactional_id(f"{other.agent}-0"): "another gate's transactional id"
            for other in target.others
        },
        **{
            other.agent_transactional_id(f"{other.agent}-0"): "another agent's transactional id"
            for other in target.others
        },
        target.fixed.publisher_transactional_id: "the policy publisher's transactional id",
    }
    for transactional_id, what in ids.items():
        yield Attempt(f"use {what}, {transactional_id}", partial(Intruder.fence, transactional_id=transactional_id))


def _administration(target: Target) -> Iterator[Attempt]:
    names = target.names
    own, shared = names.decisions, names.shared
    topics = (*target.commands, own, shared.audit)
    yield Attempt("give itself an ACL", partial(Intruder.add_acl, user=names.agent_principal))
    yield Attempt("take the gate's ACLs away", partial(Intruder.drop_acls, user=names.gate_principal))
    yield Attempt("set the gate's password", partial(Intruder.set_password, user=names.gate_principal))
    yield Attempt("make a user", partial(Intruder.set_password, user="intruder"))
    yield Attempt("change the broker's configuration", Intruder.configure_broker)
    yield Attempt("make a topic", partial(Intruder.make_topic, topic=f"{names.namespace}.intruder"))
    for topic in topics:
        yield Attempt(f"change the configuration of {topic}", partial(Intruder.configure_topic, topic=topic))
        yield Attempt(f"add partitions to {topic}", partial(Intruder.add_partitions, topic=topic))
    for topic in topics:
        yield Attempt(f"delete the topic {topic}", partial(Intruder.delete_topic, topic=topic))


def all_refused(answers: Collection[Answer]) -> bool:
    """Tell whether there was an attempt, and none got through."""
    return bool(answers) and all(answer.refused for answer in answers)
