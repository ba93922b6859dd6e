"""F42 on a real Kafka: clients log in all the while, and each is let in by the password that its Secret held."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiokafka.protocol.metadata import MetadataRequest
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_kafka.connection import SCRAM_SHA_256, SCRAM_SHA_512
from streamwarden_kafka.wire.connections import Wire
from streamwarden_operator.adapters.kafka.logins import KafkaLogins
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.desired.credentials import find_credential
from streamwarden_operator.reconcilers.agents.users import AgentUsers
from streamwarden_operator.reconcilers.inventory import Inventory
from support.fakes import FakeCluster, FakeTopics
from support.kafka_adapters import real_ports
from support.policy_fakes import FakePolicyLog
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_kafka.wire.connections import Broker
    from streamwarden_operator.desired.credentials import Credential
    from support.stack_fixture import RunningStack

pytestmark = pytest.mark.broker


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a busy machine than people would for a broker."""
    monkeypatch.setattr("streamwarden_kafka.wire.connections._LONGEST_CONNECT_S", 60.0)
    monkeypatch.setattr("streamwarden_operator.reconcilers.agents.users._KNOWN_WITHIN_S", 60.0)


class OneMechanism(KafkaLogins):
    """Logins of a Kafka whose listener takes SCRAM-SHA-512 alone."""

    @override
    async def offers(self, user: str, mechanism: str) -> bool:
        return mechanism == SCRAM_SHA_512


class World:
    """The users of one agent."""

    def __init__(self, stack: RunningStack, namespace: str, kind: type[KafkaLogins]) -> None:
        self.names = AgentNames(namespace, "guard")
        self.logins = kind(stack.operator, "", timeout_s=60)
        self.kafka, self._cluster = real_ports(stack, timeout_s=60).users, FakeCluster()
        keys = PublisherKeys(HeldKeys(SigningKey.create()))
        inventory = Inventory(FakePolicyLog(), FakeTopics(), installation=InstallationNames(), keys=keys)
        self.users = AgentUsers(self._cluster, self.kafka, self.logins, inventory, stack.bootstrap_servers)
        self._stack = stack

    @property
    def credential(self) -> Credential:
        secret = self._cluster.secrets[self.names.namespace, "guard-gate-credentials"]
        found = find_credential(secret, self.names.gate_principal)
        assert found is not None
        return found

    def client(self) -> Client:
        return Client(self.logins, self.names.gate_principal, self.credential)

    @property
    def told(self) -> list[tuple[str, str]]:
        """Events: reason and message."""
        return [(event.reason, event.message) for event in self._cluster.events]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Broker]:
        """Log in as the gate does, and stay."""
        made = self._stack.operator.as_user(self.names.gate_principal, self.credential.password)
        async with Wire(replace(made, mechanism=self.credential.mechanism), "gate", timeout_s=60) as wire:
            yield await wire.any_broker()

    async def mechanisms(self) -> set[frozenset[str]]:
        found = await self.kafka.observe()
        return {found[user] for user in (self.names.agent_principal, self.names.gate_principal)}


class Client:
    """Logs in again and again with what its Secret held when it was started, as a pod without a connection does."""

    def __init__(self, logins: KafkaLogins, user: str, credential: Credential) -> None:
        self._logins, self._user, self._credential = logins, user, credential
        self.answers: list[bool] = []

    async def is_let_in(self) -> bool:
        return await self._logins.check(self._user, self._credential.password, self._credential.mechanism)

    async def run(self) -> None:
        while True:
            self.answers.append(await self.is_let_in())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Client]:
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def more(self, answers: int = 5) -> None:
        """Wait for as many further answers."""
        wanted = len(self.answers) + answers
        async with asyncio.timeout(120):
            while len(self.answers) < wanted:  # noqa: ASYNC110  # what is waited for gives no signal
                await asyncio.sleep(0.01)


async def test_f42_with_two_mechanisms_no_client_is_turned_away_at_any_moment(stack: RunningStack, unique: str) -> None:
    world = World(stack, unique, KafkaLogins)
    await world.users.keep(world.names, "uid")
    for value, mechanism in (("spring", SCRAM_SHA_256), ("summer", SCRAM_SHA_512)):
        async with world.client().running() as before:
            await before.more()
            kept = await world.users.keep(world.names, "uid", rotation=value)
            async with world.client().running() as after:
                await asyncio.gather(before.more(), after.more())
                assert await world.mechanisms() == {frozenset({SCRAM_SHA_256, SCRAM_SHA_512})}
                assert (set(before.answers), set(after.answers)) == ({True}, {True})
                await world.users.take_passwords_beside(world.names, kept)
                await after.more()
                assert set(after.answers) == {True}
                await before.more()
                assert before.answers[-1] is False
        assert await world.mechanisms() == {frozenset({mechanism})}
    await world.users.take(world.names, await world.users.owned(world.names))
    assert not {world.names.agent_principal, world.names.gate_principal} & (await world.kafka.observe()).keys()


async def test_f42_with_one_mechanism_clients_of_before_are_turned_away_and_new_ones_never(
    stack: RunningStack, unique: str
) -> None:
    world = World(stack, unique, OneMechanism)
    await world.users.keep(world.names, "uid")
    async with world.client().running() as before:
        await before.more()
        assert set(before.answers) == {True}
        kept = await world.users.keep(world.names, "uid", rotation="spring")
        async with world.client().running() as after:
            await asyncio.gather(before.more(), after.more())
            assert (before.answers[-1], set(after.answers), kept.beside) == (False, {True}, {})
    assert await world.mechanisms() == {frozenset({SCRAM_SHA_512})}


async def test_f42_replaced_in_place_a_connection_outlives_its_password_and_an_event_says_what_nobody_can(
    stack: RunningStack, unique: str
) -> None:
    world = World(stack, unique, OneMechanism)
    await world.users.keep(world.names, "uid")
    assert world.told == []
    async with world.connected() as living:
        before = world.client()
        await world.users.keep(world.names, "uid", rotation="spring")
        assert not await before.is_let_in()
        answer = await living.ask(MetadataRequest([], allow_auto_topic_creation=False))
        assert len(answer.brokers) == 1
        assert await world.client().is_let_in()
    how = (
        "gets a new password (asked for by the annotation streamwarden.io/rotate-credentials='spring'), in place, as "
        "Kafka takes no logins by SCRAM-SHA-256: pods of before keep their connections, and open no new ones until "
        "they are replaced"
    )
    users = (world.names.agent_principal, world.names.gate_principal)
    assert world.told == [("CredentialsRotationBegun", f"the user {user} {how}") for user in users]


async def test_f42_it_is_known_which_mechanisms_kafka_takes_logins_by(stack: RunningStack, unique: str) -> None:
    logins = KafkaLogins(stack.operator, "", timeout_s=60)
    assert await logins.offers(unique, SCRAM_SHA_256)
    assert await logins.offers(unique, SCRAM_SHA_512)
    assert not await logins.offers(unique, "PLAIN")
