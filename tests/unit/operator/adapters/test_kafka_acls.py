"""How often Kafka is asked for all of its ACLs, and what is known between two times."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    AclBinding,
    AclOperation,
    ResourceType,
)
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka import acls as kafka_acls
from streamwarden_operator.adapters.kafka.acls import KafkaAcls
from streamwarden_operator.adapters.kafka.unnamed_acls import numbered
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.ports import Acl, AclPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamwarden_kafka.wire.acls import NumberedAcl

LONGEST_S = 450.0
STRANGE = Acl("User:mallory", "TOPIC", "risk.blocks", "WRITE")
OURS = Acl("User:risk.guard.gate", "TOPIC", "risk.blocks", "WRITE")
OTHER = Acl("User:risk.guard.gate", "TOPIC", "risk.pages", "READ")


class Broker:
    """An admin client with ACLs behind it."""

    def __init__(self) -> None:
        self.acls: set[Acl] = {OTHER}
        self.listings = 0
        """Of all ACLs."""
        self.refuses = False
        self.meanwhile: Callable[[], None] = lambda: None
        """Called once, when a listing has been made and is not told yet."""

    def poll(self, _timeout: float) -> None:
        """Nothing is queued."""

    async def list_acls(
        self, _wire: object, read: Callable[[NumberedAcl], Acl], principal: str | None = None
    ) -> frozenset[Acl]:
        found = [acl for acl in self.acls if principal in {None, acl.principal}]
        if principal is None:
            self.listings += 1
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()
        return frozenset(read(each) for acl in found for each in numbered(acl))

    def create_acls(self, bindings: Sequence[Any], **_: object) -> dict[Any, Future[None]]:
        if self.refuses:
            return {binding: _refusal() for binding in bindings}
        self.acls |= set(map(_acl, bindings))
        return {binding: _answer(None) for binding in bindings}

    def delete_acls(self, filters: Sequence[Any], **_: object) -> dict[Any, Future[None]]:
        self.acls -= set(map(_acl, filters))
        return {each: _answer(None) for each in filters}


def _acl(binding: AclBinding) -> Acl:
    kind, operation = ResourceType(binding.restype).name, AclOperation(binding.operation).name
    return Acl(binding.principal, kind, binding.name, operation)


def _answer(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def _refusal() -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "no")))
    return future


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def acls(broker: Broker, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> KafkaAcls:
    monkeypatch.setattr(kafka_acls, "list_acls", broker.list_acls)
    admin = KafkaAdmin(Connection("127.0.0.1:1"))
    admin.client = cast("Any", broker)
    return KafkaAcls(admin, longest_s=LONGEST_S, clock_s=clock)


async def test_a_resync_of_300_agents_lists_the_acls_once(acls: KafkaAcls, broker: Broker, clock: Clock) -> None:
    await acls.observe()
    broker.listings = 0
    for _ in range(3):
        clock.now_s += 300
        await acls.look_again()
        for _ in range(300):
            clock.now_s += 0.1
            assert await acls.observe() == broker.acls
    assert broker.listings == 3


async def test_agents_that_come_up_within_seconds_share_one_listing_and_see_what_each_was_given(
    acls: KafkaAcls, broker: Broker, clock: Clock
) -> None:
    for number in range(100):
        clock.now_s += 0.04
        assert await acls.observe(lately=True) == broker.acls
        await acls.apply(AclPlan(add=frozenset({Acl(f"User:risk.a{number}.gate", "TOPIC", "risk.blocks", "WRITE")})))
    assert (broker.listings, len(broker.acls)) == (1, 101)
    assert await acls.observe() == broker.acls


async def test_before_something_is_given_for_the_first_time_a_stranger_of_some_seconds_ago_is_seen(
    acls: KafkaAcls, broker: Broker, clock: Clock
) -> None:
    await acls.observe()
    broker.acls.add(STRANGE)
    clock.now_s += 6
    assert STRANGE not in await acls.observe()
    assert STRANGE in await acls.observe(lately=True)


async def test_a_stranger_is_seen_when_it_is_looked_again_and_told_once(acls: KafkaAcls, broker: Broker) -> None:
    assert await acls.look_again() == frozenset()
    assert broker.listings == 0  # nobody has asked for ACLs yet
    await acls.observe()
    broker.acls.add(STRANGE)
    await acls.apply(AclPlan(add=frozenset({OURS}), remove=frozenset({OTHER})))
    assert await acls.look_again() == {STRANGE}
    assert await acls.look_again() == frozenset()
    assert await acls.observe() == {STRANGE, OURS}
    broker.acls.clear()
    assert await acls.look_again() == {STRANGE, OURS}


async def test_a_stranger_that_a_reconcile_has_seen_is_told_to_all_the_same(
    acls: KafkaAcls, broker: Broker, clock: Clock
) -> None:
    await acls.observe()
    broker.acls.add(STRANGE)
    clock.now_s += 6
    await acls.observe(lately=True)
    assert await acls.look_again() == {STRANGE}


async def test_what_is_given_or_taken_while_a_listing_is_made_stays_so(acls: KafkaAcls, broker: Broker) -> None:
    await acls.observe()
    changes: list[asyncio.Task[None]] = []

    def change() -> None:
        changes.append(asyncio.create_task(acls.apply(AclPlan(add=frozenset({OURS}), remove=frozenset({OTHER})))))

    broker.meanwhile = change
    assert await acls.look_again() == frozenset()  # it had OTHER, and not OURS
    await asyncio.gather(*changes)
    assert await acls.observe() == {OURS} == broker.acls
    assert await acls.look_again() == frozenset()


async def test_after_a_change_that_failed_they_are_listed_anew(acls: KafkaAcls, broker: Broker) -> None:
    await acls.observe()
    broker.refuses, broker.acls = True, {OTHER, STRANGE}
    with pytest.raises(OperatorError):
        await acls.apply(AclPlan(add=frozenset({OURS})))
    assert await acls.observe() == {OTHER, STRANGE}
    assert broker.listings == 2


async def test_a_listing_that_was_missed_is_made_by_who_asks(acls: KafkaAcls, broker: Broker, clock: Clock) -> None:
    await acls.observe()
    broker.acls.add(STRANGE)
    clock.now_s += LONGEST_S
    assert STRANGE in await acls.observe()
