"""A change of users whose answer is lost: Kafka has made it, and nobody knows. All of it is looked at anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka.logins import KafkaLogins
from streamwarden_operator.adapters.kafka.scram import KafkaScramUsers
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.desired.credentials import find_credential
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.reconcilers.agents.users import AgentUsers
from streamwarden_operator.reconcilers.inventory import Inventory
from support.fakes import FakeCluster, FakeTopics
from support.fixtures import proxied_broker
from support.kafka_adapters import closed_at_the_end
from support.policy_fakes import FakePolicyLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamwarden_operator.desired.credentials import Credential
    from support.brokers import ProxiedBroker

pytestmark = [pytest.mark.broker, pytest.mark.chaos]

ALTER_USERS, AGENTS = 51, 3
"""Kafka's number of AlterUserScramCredentials."""
ANSWER_S, LIMIT_S = 5.0, 60.0
"""How long the operator waits for an answer; far more than a broker takes for one on a busy machine."""


@pytest.fixture
def apache(request: pytest.FixtureRequest) -> Iterator[ProxiedBroker]:
    """The run's Kafka, behind a proxy."""
    with proxied_broker("apache", request) as broker:
        yield broker


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a busy machine than people would for a broker."""
    monkeypatch.setattr("streamwarden_kafka.wire.connections._LONGEST_CONNECT_S", LIMIT_S)
    monkeypatch.setattr("streamwarden_operator.reconcilers.agents.users._KNOWN_WITHIN_S", LIMIT_S)


class World:
    """Agents whose users are made side by side, so that requests are shared."""

    def __init__(self, apache: ProxiedBroker, namespace: str) -> None:
        self.agents = [AgentNames(namespace, f"guard-{number}") for number in range(AGENTS)]
        self.kafka = closed_at_the_end(KafkaScramUsers(KafkaAdmin(apache.operator, timeout_s=ANSWER_S)))
        self.cluster = FakeCluster()
        self._logins = KafkaLogins(apache.operator, "", timeout_s=LIMIT_S)
        keys = PublisherKeys(HeldKeys(SigningKey.create()))
        inventory = Inventory(FakePolicyLog(), FakeTopics(), installation=InstallationNames(), keys=keys)
        self.users = AgentUsers(self.cluster, self.kafka, self._logins, inventory, apache.operator.bootstrap_servers)

    async def keep(self, rotation: str = "") -> list[object]:
        """Keep the users of all agents at the same time; returns what became of each agent."""
        looks = (self.users.keep(names, "uid", rotation=rotation) for names in self.agents)
        return await asyncio.gather(*looks, return_exceptions=True)

    async def take(self) -> list[object]:
        """Take them back."""
        owned = [await self.users.owned(names) for names in self.agents]
        gone = (self.users.take(names, found) for names, found in zip(self.agents, owned, strict=True))
        return await asyncio.gather(*gone, return_exceptions=True)

    def secrets(self) -> dict[str, Credential]:
        """Return what Secrets have, by user."""
        found = {
            user: find_credential(
                self.cluster.secrets.get((names.namespace, f"{names.agent}-{role}-credentials")), user
            )
            for names in self.agents
            for role, user in (("agent", names.agent_principal), ("gate", names.gate_principal))
        }
        return {user: credential for user, credential in found.items() if credential is not None}

    async def let_in(self, by: Mapping[str, Credential]) -> set[str]:
        """Return the users whom Kafka lets in by these."""
        return {user for user, found in by.items() if await self._logins.check(user, found.password, found.mechanism)}

    async def mechanisms(self) -> dict[str, frozenset[str]]:
        """Return those of each of our users that Kafka has."""
        found = await self.kafka.observe()
        return {user: found[user] for user in self.names if user in found}

    @property
    def names(self) -> set[str]:
        return {user for names in self.agents for user in (names.agent_principal, names.gate_principal)}


def failures(outcomes: list[object]) -> list[object]:
    return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]


def are_unknown(outcomes: list[object]) -> bool:
    """Tell whether what failed is said to be an outage, and not that Kafka has refused it."""
    failed = failures(outcomes)
    return bool(failed) and all(isinstance(outcome, KafkaUnavailableError) for outcome in failed)


async def test_users_whose_making_is_not_answered_are_ours_and_have_the_password_of_their_secrets(
    apache: ProxiedBroker, unique: str
) -> None:
    world = World(apache, unique)
    swallowed = apache.proxy.swallow(ALTER_USERS)
    outcomes = await world.keep()
    swallowed.wait_answered(LIMIT_S)
    assert are_unknown(outcomes)
    noted = world.secrets()

    assert failures(await world.keep()) == []
    now = world.secrets()
    assert {user: now[user] for user in noted} == noted
    assert await world.let_in(world.secrets()) == world.names
    assert set((await world.mechanisms()).values()) == {frozenset({"SCRAM-SHA-512"})}
    assert [event.reason for event in world.cluster.events] == []


async def test_a_rotation_whose_answer_is_lost_goes_on_and_the_password_of_before_lets_in_until_it_is_taken(
    apache: ProxiedBroker, unique: str
) -> None:
    world = World(apache, unique)
    assert failures(await world.keep()) == []
    before = world.secrets()
    swallowed = apache.proxy.swallow(ALTER_USERS)
    outcomes = await world.keep("spring")
    swallowed.wait_answered(LIMIT_S)
    assert are_unknown(outcomes)
    assert await world.let_in(before) == world.names

    assert failures(await world.keep("spring")) == []
    assert await world.let_in(before) == await world.let_in(world.secrets()) == world.names
    assert set((await world.mechanisms()).values()) == {frozenset({"SCRAM-SHA-256", "SCRAM-SHA-512"})}
    asked = [event.message for event in world.cluster.events if event.reason == "CredentialsRotationBegun"]
    assert len(asked) == len(set(asked)) == len(world.names)


async def test_users_whose_deletion_is_not_answered_are_gone_at_the_next_look(
    apache: ProxiedBroker, unique: str
) -> None:
    world = World(apache, unique)
    assert failures(await world.keep()) == []
    swallowed = apache.proxy.swallow(ALTER_USERS)
    outcomes = await world.take()
    swallowed.wait_answered(LIMIT_S)
    assert are_unknown(outcomes)

    assert failures(await world.take()) == []
    assert await world.mechanisms() == {}
    assert world.secrets() == {}
