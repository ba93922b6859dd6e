"""Two installations and ten of each kind of strangers' things on one Kafka: dumps of all of it are equal (X80).

One suite for a Kafka in memory and a real one: operators start, are killed, look elsewhere, meet one who deletes, are
uninstalled. Each test brings up what it needs, where no other has, and leaves both installations as they were.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_kafka.connection import SCRAM_SHA_512
from streamwarden_operator.desired.acls import acls_of
from streamwarden_operator.desired.credentials import find_credential
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import AclPlan
from streamwarden_operator.write_guard import always
from support.installations import SETTLED_S, Dies, Installation
from support.operator_harness import SETTINGS, agent, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.installations import Dump, SharedKafka

STRANGERS = {
    "billing.invoice.agent": "billing.invoices",
    "billing.invoice.gate": "billing.invoice.decisions",
    "risk.ghost.agent": "billing.streamwarden.audit",
    "risk.ghost.gate": "risk.ghost.decisions",
    "risk.guard": "risk.strange",
    "shop.cart.gate": "shop.strange",
    "tools.cart.agent": "tools.strange",
    "first": "first-audit",
    "alice": "legacy.events",
    "strimzi": "plain",
}
"""Ten users and their topics, as like ours as names can be."""
KINDS = ("topic", "user", "acl", "quota", "group", "subject")


class Shared:
    """The Kafka, what was on it before anybody came, and the installations."""

    def __init__(self, kafka: SharedKafka) -> None:
        self.kafka = kafka
        self.first = Installation(kafka, "first", "risk", "shop")
        self.second = Installation(kafka, "second", "risk", "tools")
        self.passwords: dict[str, str] = {}
        self.bare: Dump = {}
        self.strangers: Dump = {}
        self.after_first: Dump = {}

    async def first_stands(self) -> None:
        """Make strangers, and then let the first installation have run, where that has not been."""
        if self.after_first:
            return
        self.bare = await self.kafka.dump()
        self.passwords = await self.kafka.make(STRANGERS)
        self.strangers = await self.kafka.dump()
        async with self.first.running() as operator:
            await self.first.settled(operator, "risk", "shop")
            self.after_first = await self.unharmed(self.strangers)

    async def both_stand(self) -> None:
        """Let the second have run too: its namespace ``risk`` is the first's."""
        await self.first_stands()
        if not self.second.has_access("tools"):
            async with self.second.running() as operator:
                await self.second.settled(operator, "tools")

    async def unharmed(self, before: Dump) -> Dump:
        """Return all that there is, once everything of before is as it was, and every stranger gets in."""
        after = await self.kafka.dump()
        for known in (self.strangers, before):
            assert changed(known, after) == {}, changed(known, after)
        backends = self.kafka.connect(SETTINGS, always)
        tries = [backends.logins.check(user, password, SCRAM_SHA_512) for user, password in self.passwords.items()]
        refused = [
            user for user, gets_in in zip(self.passwords, await asyncio.gather(*tries), strict=True) if not gets_in
        ]
        for close in backends.closing:
            await close()
        assert refused == [], refused
        return after


def changed(before: Dump, after: Dump) -> Dump:
    """Return what was there before and is not so now, as it is now; None where it is gone."""
    return {key: after.get(key) for key, value in before.items() if after.get(key) != value}


def added(before: Dump, after: Dump) -> list[tuple[str, str]]:
    """Return the names of what was not there before."""
    return sorted(after.keys() - before.keys())


def not_of(names: Iterable[tuple[str, str]], *prefixes: str) -> list[tuple[str, str]]:
    """Return those names that do not begin so: a principal, in an ACL or a quota, is named by its user."""
    plain = {key: key[1].removeprefix("User:").removeprefix("user=") for key in names}
    return sorted(key for key, name in plain.items() if not name.startswith(prefixes))


def without(dump: Dump, *prefixes: str) -> Dump:
    """Return a dump without what begins so: it may change."""
    return {key: dump[key] for key in not_of(dump, *prefixes)}


class StrangersBehaviour:
    """Give it a fixture ``shared``, one for all of its tests."""

    async def test_an_operator_that_starts_changes_nothing_of_strangers(self, shared: Shared) -> None:
        await shared.first_stands()
        strange = added(shared.bare, shared.strangers)
        assert {kind: sum(each == kind for each, _ in strange) for kind in KINDS} == {
            **dict.fromkeys(KINDS, 10),
            "acl": 20,
        }
        made = added(shared.strangers, shared.after_first)
        assert not_of(made, "risk.guard.", "risk.streamwarden.", "shop.", "first.") == [
            ("subject", "risk.commands-value"),
            ("topic", "risk.commands"),
            ("topic", "risk.pages"),
        ]

    async def test_a_second_installation_is_told_what_is_taken_and_the_first_never_notices(
        self, shared: Shared
    ) -> None:
        await shared.first_stands()
        async with shared.first.running() as first:
            await shared.first.settled(first, "risk", "shop")
            before, writes = await shared.kafka.dump(), len(shared.first.cluster.writes)
            async with shared.second.running() as second:
                await shared.second.settled(second, "tools")
                await until(
                    lambda: shared.second.conditions("risk").get("Ready") == ("False", "NamespaceTaken"), SETTLED_S
                )
                for resource in list(shared.first.cluster.resources.values()):
                    first.changed(key_of(resource))
                await shared.first.settled(first, "risk", "shop")
                after = await shared.unharmed(before)
        assert not_of(added(before, after), "tools.", "second.") == []
        assert shared.first.cluster.writes[writes:] == []
        assert ("risk", "guard") not in shared.second.cluster.workloads

    @pytest.mark.parametrize("at_write", [1, 3, 6, 9, 12, 16])
    async def test_an_operator_that_is_killed_at_a_write_leaves_others_as_they_are(
        self, shared: Shared, at_write: int
    ) -> None:
        await shared.both_stand()
        before = await shared.kafka.dump()
        namespace = f"tools{at_write}"
        shared.second.put_namespace(namespace)
        dies = Dies(at_write)
        async with shared.second.running(dies):
            await until(lambda: dies.dead, SETTLED_S)
        await shared.unharmed(without(before, "second."))
        async with shared.second.running() as operator:
            await shared.second.settled(operator, "tools", namespace)
            after = await shared.unharmed(without(before, "second."))
        assert not_of(added(before, after), f"{namespace}.", "second.") == []

    async def test_an_operator_that_watches_less_than_before_takes_nothing_away(self, shared: Shared) -> None:
        await shared.first_stands()
        before = await shared.kafka.dump()
        gone = [resource for (_, where, _), resource in shared.first.cluster.resources.items() if where == "risk"]
        for resource in gone:
            shared.first.cluster.remove(resource)  # as it looks to who does not watch the namespace
        async with shared.first.running(watch_namespaces=("shop",)) as operator:
            await shared.first.settled(operator, "shop")
            after = await shared.unharmed(before)
        for resource in gone:
            shared.first.cluster.put(resource)
        assert added(before, after) == []

    async def test_who_deletes_users_that_he_does_not_know_is_told_and_not_fought_and_nothing_commands(
        self, shared: Shared
    ) -> None:
        users, key = ("tools.guard.agent", "tools.guard.gate"), Key("AgentDeployment", "tools", "guard")
        await shared.both_stand()
        before = await shared.kafka.dump()
        async with shared.second.running() as operator:
            await shared.second.settled(operator, "tools")
            backends = operator._backends

            async def is_shut_out() -> bool:
                """Do what Strimzi's User Operator does, and let the operator look at all that is left."""
                await backends.acls.apply(AclPlan(remove=acls_of(await backends.acls.observe(), *users)))
                for user in users:
                    await backends.users.delete(user)
                shared.second.touch("tools")
                operator.changed(key)
                await until(lambda: operator.idle, SETTLED_S)
                left = set(users) & set(await backends.users.observe())
                has_rights = acls_of(await backends.acls.observe(), *users)
                said = shared.second.conditions("tools")["AccessReady"]
                return not left and not has_rights and said == ("False", "ResourceConflict")

            async with asyncio.timeout(SETTLED_S):
                while not await is_shut_out():
                    pass
            assert await is_shut_out()
            secret = shared.second.cluster.secrets["tools", "guard-gate-credentials"]
            credential = find_credential(secret, users[1])
            assert credential is not None
            assert not await backends.logins.check(users[1], credential.password, credential.mechanism)
        reasons = [event.reason for event in shared.second.cluster.events if event.key == key]
        assert 1 <= reasons.count("UsersDeleted") <= len(users), "each is made again once, mostly both at once"
        assert reasons.count("ResourceConflict") == 1
        async with shared.second.running() as operator:
            await shared.second.settled(operator, "tools")
            await shared.unharmed(before)

    async def test_an_uninstalled_operator_leaves_all_but_its_own_agents_access_and_may_come_back(
        self, shared: Shared
    ) -> None:
        """One agent is deleted under it, the other while it is away: that one's access is swept at the next start."""
        await shared.first_stands()
        before = await shared.kafka.dump()
        async with shared.first.running() as operator:
            await shared.first.settled(operator, "risk", "shop")
            found: Any = shared.first.cluster.get(type(agent()), "risk", "guard")
            ending = found.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
            shared.first.cluster.put(found.model_copy(update={"metadata": ending}))
            operator.changed(key_of(found))
            await until(lambda: len(shared.first.cluster.list(type(agent()))) == 1 and operator.idle, SETTLED_S)
        for resource in list(shared.first.cluster.resources.values()):
            shared.first.cluster.remove(resource)
        principals = ("risk.guard.agent", "risk.guard.gate", "shop.guard.agent", "shop.guard.gate")
        async with shared.first.running() as operator:
            users = operator._backends.users
            async with asyncio.timeout(SETTLED_S):
                while set(principals) & set(await users.observe()) or not operator.idle:  # noqa: ASYNC110  # Kafka tells nobody
                    await asyncio.sleep(0.05)
        own = ("risk.guard.", "shop.guard.", "first.", "risk.streamwarden.", "shop.streamwarden.")
        after = await shared.unharmed(without(before, *own))
        gone = {key for key, value in changed(before, after).items() if value is None}
        assert {kind for kind, _ in gone} == {"user", "acl", "quota"}
        assert not_of(gone, *principals) == []
        assert {("user", principal) for principal in principals} <= gone
        for namespace in ("risk", "shop"):
            shared.first.put_namespace(namespace)
        async with shared.first.running() as operator:
            await shared.first.settled(operator, "risk", "shop")
            await shared.unharmed(without(before, *own))
