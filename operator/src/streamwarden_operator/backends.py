"""Everything outside but the Kubernetes side: Kafka and the schema registry, as the controller is given them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from streamwarden_contract.names import InstallationNames
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.outcomes import OnAnswered, ignore

from streamwarden_operator.adapters.kafka.acls import KafkaAcls
from streamwarden_operator.adapters.kafka.gate_acks import KafkaGateAcks, OnAck
from streamwarden_operator.adapters.kafka.lags import KafkaLags
from streamwarden_operator.adapters.kafka.logins import KafkaLogins
from streamwarden_operator.adapters.kafka.offsets import KafkaOffsets
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog
from streamwarden_operator.adapters.kafka.quotas import KafkaClientQuotas
from streamwarden_operator.adapters.kafka.scram import KafkaScramUsers
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.adapters.schema_registry import ConfluentRegistry
from streamwarden_operator.errors import LeadershipLostError
from streamwarden_operator.ports import (
    Acls,
    ClientQuotas,
    GateAcks,
    Lags,
    Logins,
    Offsets,
    PolicyLog,
    SchemaRegistry,
    ScramUsers,
    Topics,
)
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.write_guard import WriteGuard, always

_LISTINGS = 1.5
"""Resync intervals for which a listing of ACLs is good. They are listed once in each; later, one was missed."""


class AckSource(GateAcks, Protocol):
    """Reads what gates report while it runs."""

    on_ack: OnAck
    on_complete: Callable[[str], None]
    on_restart: Callable[[str], None]

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    def watch(self, namespace: str) -> None: ...


class Publisher(PolicyLog, Protocol):
    """A policy log that tells who has taken it over, and can be let go of."""

    async def fenced(self) -> LeadershipLostError:
        """Return once another publisher has fenced this one, though nothing is published."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Backends:
    """Everything outside but the Kubernetes side."""

    topics: Topics
    acls: Acls
    users: ScramUsers
    logins: Logins
    offsets: Offsets
    quotas: ClientQuotas
    log: Publisher
    acks: AckSource
    registry: SchemaRegistry | None = None
    lags: Lags | None = None
    """None: nothing scales, every agent has one pod."""
    looks_last_s: float = 0.0
    """How long a look at what an agent has in Kafka is good for. 0: each reconcile looks."""
    closing: tuple[Callable[[], Awaitable[None]], ...] = ()
    """Lets go of connections, at the end."""


def connect(
    kafka: Connection,
    registry_url: str | None,
    settings: OperatorSettings,
    *,
    on_answered: OnAnswered = ignore,
    on_wire_answered: OnAnswered = ignore,
    guard: WriteGuard = always,
) -> Backends:
    """Make the real backends; they connect by themselves.

    Args:
        kafka: the operator's connection.
        registry_url: base URL of the schema registry; None where there is none.
        settings: the operator's.
        on_answered: called after each request of the admin client, in its own thread.
        on_wire_answered: called after each request that goes over connections of our own.
        guard: asked before each write.
    """
    timeout_s, names = settings.admin_timeout.total_seconds(), InstallationNames(settings.installation)
    admin = KafkaAdmin(kafka, timeout_s=timeout_s, guard=guard)
    admin.on_answered, admin.on_wire_answered = on_answered, on_wire_answered
    offsets = KafkaOffsets(admin)
    quotas = KafkaClientQuotas(admin)
    acls = KafkaAcls(admin, longest_s=_LISTINGS * settings.resync_interval.total_seconds())
    users = KafkaScramUsers(admin)
    lags = KafkaLags(kafka, on_answered=on_wire_answered)
    registry = None if registry_url is None else ConfluentRegistry(registry_url, timeout_s=timeout_s, guard=guard)
    closing = (offsets.close, quotas.close, acls.close, users.close, lags.close)
    return Backends(
        topics=KafkaTopics(admin),
        acls=acls,
        users=users,
        logins=KafkaLogins(
            kafka,
            settings.pod_bootstrap_servers or kafka.bootstrap_servers,
            timeout_s=timeout_s,
            guard=guard,
            on_answered=on_wire_answered,
        ),
        offsets=offsets,
        quotas=quotas,
        log=KafkaPolicyLog(
            kafka,
            transactional_id=names.publisher_transactional_id,
            timeout_s=timeout_s,
            guard=guard,
            on_wire_answered=on_wire_answered,
        ),
        acks=KafkaGateAcks(kafka, group=names.reader_group("gate-acks"), timeout_s=timeout_s, guard=guard),
        registry=registry,
        lags=lags,
        looks_last_s=settings.resync_interval.total_seconds(),
        closing=closing if registry is None else (*closing, registry.close),
    )
