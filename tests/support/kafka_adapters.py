"""The operator's ports to Kafka, in memory and for real: the same behaviour tests run against both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

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


Adapter = TypeVar("Adapter", bound=KafkaOffsets | KafkaAcls | KafkaScramUsers)

_OPEN: list[KafkaOffsets | KafkaAcls | KafkaScramUsers] = []


def real_ports(
    stack: RunningStack | Broker, *, timeout_s: float = 10.0, user: str = "", password: str = ""
) -> KafkaPorts:
    """Return the real ones, of the operator or another user; ``close_ports`` lets go of what they have opened."""
    connection = stack.operator.as_user(user, password) if user else stack.operator
    admin = KafkaAdmin(connection, timeout_s=timeout_s)
    return KafkaPorts(
        KafkaTopics(admin),
        closed_at_the_end(KafkaAcls(admin)),
        closed_at_the_end(KafkaScramUsers(admin)),
        closed_at_the_end(KafkaOffsets(admin)),
    )


def closed_at_the_end(opened: Adapter) -> Adapter:
    """Have ``close_ports`` let go of an adapter, too."""
    _OPEN.append(opened)
    return opened


async def close_ports() -> None:
    while _OPEN:
        await _OPEN.pop().close()


def fake_ports() -> KafkaPorts:
    topics = FakeTopics()
    return KafkaPorts(topics, FakeAcls(), FakeScramUsers(), FakeOffsets(topics))


FAKE, REAL = "fake", pytest.param("real", marks=pytest.mark.broker)


@pytest.fixture(params=[FAKE, REAL])
def kafka(request: pytest.FixtureRequest) -> KafkaPorts:
    """The ports, in memory and on the session's broker."""
    return _ports(request)


def _ports(request: pytest.FixtureRequest) -> KafkaPorts:
    if request.param == "fake":
        return fake_ports()
    return real_ports(cast("RunningStack", request.getfixturevalue("stack")))
