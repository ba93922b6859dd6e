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
    from support.stack_fixture import RunningStack


@dataclass(frozen=True)
class KafkaPorts:
    """Everything that Kafka offers the operator."""

    topics: Topics
    acls: Acls
    users: ScramUsers
    offsets: Offsets


def real_ports(stack: RunningStack, *, timeout_s: float = 10.0) -> KafkaPorts:
    admin = KafkaAdmin(stack.operator, timeout_s=timeout_s)
    return KafkaPorts(KafkaTopics(admin), KafkaAcls(admin), KafkaScramUsers(admin), KafkaOffsets(admin))


def fake_ports() -> KafkaPorts:
    topics = FakeTopics()
    return KafkaPorts(topics, FakeAcls(), FakeScramUsers(), FakeOffsets(topics))


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.broker)])
def kafka(request: pytest.FixtureRequest) -> KafkaPorts:
    """The ports, in memory and on the session's broker."""
    if request.param == "fake":
        return fake_ports()
    return real_ports(cast("RunningStack", request.getfixturevalue("stack")))
