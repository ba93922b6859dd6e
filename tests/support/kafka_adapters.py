"""The operator's ports to Kafka, in memory and for real: the same behaviour tests run against both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka.acls import KafkaAcls
from streamwarden_operator.adapters.kafka.offsets import KafkaOffsets
from streamwarden_operator.adapters.kafka.scram import KafkaScramUsers
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from support.acl_fakes import FakeAcls
from support.fakes import FakeOffsets, FakeTopics
from support.login_fakes import FakeScramUsers

if TYPE_CHECKING:
    from streamwarden_operator.ports import Acls, Offsets, ScramUsers, Topics
    from support.brokers import Broker
    from support.stack_fixture import RunningStack


@dataclass(frozen=True)
class KafkaPorts:
    """Everything that Kafka offers the operator."""

    topics: Topics
    acls: Acls
    users: ScramUsers
    offsets: Offsets


_OPEN: list[KafkaOffsets] = []


def real_ports(stack: RunningStack | Broker, *, timeout_s: float = 10.0) -> KafkaPorts:
    """Return the real ones; ``close_ports`` lets go of what they have opened."""
    admin = KafkaAdmin(stack.operator, timeout_s=timeout_s)
    _OPEN.append(offsets := KafkaOffsets(admin))
    return KafkaPorts(KafkaTopics(admin), KafkaAcls(admin), KafkaScramUsers(admin), offsets)


async def close_ports() -> None:
    while _OPEN:
        await _OPEN.pop().close()


def fake_ports() -> KafkaPorts:
    topics = FakeTopics()
    return KafkaPorts(topics, FakeAcls(), FakeScramUsers(), FakeOffsets(topics))


FAKE, REAL = "fake", pytest.param("real", marks=pytest.mark.broker)
KFAKE = pytest.param("kfake", marks=pytest.mark.kfake)


@pytest.fixture(params=[FAKE, REAL])
def kafka(request: pytest.FixtureRequest) -> KafkaPorts:
    """The ports, in memory and on the session's broker."""
    return _ports(request)


@pytest.fixture(params=[FAKE, KFAKE, REAL])
def kafka_or_kfake(request: pytest.FixtureRequest) -> KafkaPorts:
    """The same, and on kfake, which has rights as Kafka has them; of users, topics and offsets it shows too little."""
    return _ports(request)


def _ports(request: pytest.FixtureRequest) -> KafkaPorts:
    if request.param == "fake":
        return fake_ports()
    if request.param == "kfake":
        return real_ports(cast("Broker", request.getfixturevalue("kfake")))
    return real_ports(cast("RunningStack", request.getfixturevalue("stack")))
