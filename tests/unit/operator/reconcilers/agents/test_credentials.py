"""New passwords without a gap (F42): the next one is valid before pods go by it, the one before until none does."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import SCRAM_SHA_256, SCRAM_SHA_512, Connection
from streamwarden_operator.desired.credentials import find_credential
from streamwarden_operator.errors import InvalidSpecError, KafkaUnavailableError
from streamwarden_operator.keys import key_of
from streamwarden_operator.reconcilers.agents.login_tries import AGAIN_S
from support.login_fakes import FakeLogins
from support.operator_harness import SETTINGS, Harness, agent, conditions_of, running, until, whole_namespace
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_operator.desired.credentials import Credential
    from streamwarden_operator.settings import OperatorSettings

USERS = ("risk.guard.agent", "risk.guard.gate")
SECRETS = {USERS[0]: "guard-agent-credentials", USERS[1]: "guard-gate-credentials"}
GUARD = agent()
ROTATE = "streamwarden.io/rotate-credentials"
WHERE = ("risk", "guard")


class Rotating:
    """One agent that is up, with a pod that goes by the passwords of before until it is told to end."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.hash = harness.cluster.workloads[WHERE].spec_hash

    def secret(self, user: str) -> Credential:
        found = find_credential(self.harness.cluster.secrets["risk", SECRETS[user]], user)
        assert found is not None
        return found

    async def ask(self, value: str, *, pods_of_before: bool = True) -> None:
        if pods_of_before:
            self.harness.cluster.outdated.add(WHERE)
        found = self.harness.get(GUARD)
        metadata = found.metadata.model_copy(update={"annotations": {ROTATE: value}})
        self.harness.put(found.model_copy(update={"metadata": metadata}))
        await self.harness.settle()

    async def pods_have_ended(self) -> None:
        self.harness.cluster.outdated.discard(WHERE)
        await self.look()

    async def look(self) -> None:
        self.harness.controller.changed(key_of(GUARD))
        await self.harness.settle()

    async def another_process(self) -> None:
        await self.harness.controller.stop()
        self.harness.controller = self.harness.new_controller()
        await self.harness.controller.start()
        self.harness.controller.caches_complete()
        await self.look()

    @property
    def passwords(self) -> dict[str, set[str]]:
        """By user, those that let it in."""
        users = self.harness.users
        return {user: {of[user] for of in (users.passwords, users.others) if user in of} for user in USERS}

    @property
    def told(self) -> list[str]:
        return [event.reason for event in self.harness.cluster.events]


@asynccontextmanager
async def rotating(settings: OperatorSettings = SETTINGS, *, looks_last_s: float = 0.0) -> AsyncIterator[Rotating]:
    def looks_last(harness: Harness) -> None:
        harness.looks_last_s = looks_last_s

    async with running(*whole_namespace(), settings=settings, prepare=looks_last) as harness:
        yield Rotating(harness)


@pytest.mark.parametrize("looks_last_s", [0.0, 3_600.0], ids=["looked-at-each-time", "F42-looks-that-last-hide-none"])
async def test_f42_the_password_of_before_is_valid_until_no_pod_goes_by_it(looks_last_s: float) -> None:
    async with rotating(looks_last_s=looks_last_s) as it:
        before = {user: it.secret(user).password for user in USERS}
        await it.ask("spring")
        now = {user: it.secret(user) for user in USERS}
        assert {user: found.mechanism for user, found in now.items()} == dict.fromkeys(USERS, SCRAM_SHA_256)
        assert it.passwords == {user: {before[user], now[user].password} for user in USERS}
        assert it.harness.cluster.workloads[WHERE].spec_hash != it.hash
        assert conditions_of(it.harness.get(GUARD))["AccessReady"] == ("True", "CredentialsRotating")
        await it.look()
        assert it.passwords == {user: {before[user], now[user].password} for user in USERS}
        await it.pods_have_ended()
        assert it.passwords == {user: {now[user].password} for user in USERS}
        assert conditions_of(it.harness.get(GUARD))["AccessReady"] == ("True", "OK")
        assert it.told == ["CredentialsRotationBegun", "CredentialsRotationBegun", "CredentialsRotated"]


async def test_f42_pods_are_given_what_they_log_in_with() -> None:
    async with rotating() as it:
        await it.ask("spring")
        text = it.harness.cluster.secrets["risk", SECRETS[USERS[1]]]["client.properties"]
        found = Connection.parse(text)
        assert (found.username, found.mechanism) == (USERS[1], SCRAM_SHA_256)
        assert it.harness.users.others[USERS[1]] == found.password


async def test_f42_the_secret_has_a_password_before_kafka_does_and_pods_come_last() -> None:
    async with rotating() as it:
        start = len(it.harness.effects)
        await it.ask("spring")
        await it.pods_have_ended()
        made = [effect[:2] for effect in it.harness.effects[start:] if effect[0] in {"cluster", "users"}]
        assert [effect for effect in made if effect[1] != "status"] == [
            ("cluster", "secret"),
            ("users", "upsert"),
            ("cluster", "secret"),
            ("users", "upsert"),
            ("cluster", "workload"),
            ("users", "delete"),
            ("users", "delete"),
        ]


async def test_f42_nothing_else_of_the_agent_changes_and_the_next_value_goes_back() -> None:
    async with rotating() as it:
        acls, binding = set(it.harness.acls.acls), it.harness.binding()
        for value, mechanism in (("spring", SCRAM_SHA_256), ("summer", SCRAM_SHA_512)):
            await it.ask(value)
            await it.pods_have_ended()
            assert {it.secret(user).mechanism for user in USERS} == {mechanism}
        # Its groups and transactional ids are named after the users, and those stay.
        assert (it.harness.acls.acls, it.harness.binding()) == (acls, binding)


async def test_f42_the_same_value_asks_once_and_a_second_look_writes_nothing() -> None:
    async with rotating() as it:
        await it.ask("spring")
        await it.pods_have_ended()
        before, writes = it.passwords, list(it.harness.effects)
        await it.look()
        await it.another_process()
        assert it.passwords == before
        assert [effect for effect in it.harness.effects[len(writes) :] if effect[1] != "status"] == []


async def test_f42_a_value_that_comes_during_a_rotation_waits_for_its_end() -> None:
    async with rotating() as it:
        await it.ask("spring")
        during = it.passwords
        await it.ask("summer")
        assert it.passwords == during
        await it.pods_have_ended()
        await it.look()
        assert {it.secret(user).request for user in USERS} == {"summer"}


@pytest.mark.parametrize(
    "ends_at",
    [
        pytest.param(("users", "upsert"), id="F42-the-secret-is-written-and-kafka-was-not-told"),
        pytest.param(("cluster", "apply_workload"), id="F42-kafka-was-told-and-no-pod-replaced"),
        pytest.param(("users", "delete"), id="F42-pods-are-replaced-and-the-password-of-before-is-there"),
    ],
)
@pytest.mark.parametrize("offered", [{SCRAM_SHA_512, SCRAM_SHA_256}, {SCRAM_SHA_512}], ids=["two", "one"])
async def test_a_rotation_goes_on_where_it_ended(
    monkeypatch: pytest.MonkeyPatch, ends_at: tuple[str, str], offered: set[str]
) -> None:
    async with rotating() as it:
        it.harness.logins.offered = offered

        async def ends(*_: object) -> None:
            raise KafkaUnavailableError("the process ends here")

        with monkeypatch.context() as patched:
            patched.setattr(getattr(it.harness, ends_at[0]), ends_at[1], ends)
            it.harness.cluster.outdated.discard(WHERE)
            found = it.harness.get(GUARD)
            metadata = found.metadata.model_copy(update={"annotations": {ROTATE: "spring"}})
            it.harness.put(found.model_copy(update={"metadata": metadata}))
            key = key_of(GUARD)
            if (ends_at, len(offered)) != (("users", "delete"), 1):  # in place nothing is taken away
                await _until_failing(it.harness, key)
            await it.harness.controller.stop()
        await it.another_process()
        await it.look()
        assert it.passwords == {user: {it.secret(user).password} for user in USERS}
        assert {it.secret(user).request for user in USERS} == {"spring"}
        assert it.harness.cluster.workloads[WHERE].spec_hash != it.hash


async def test_f42_what_kafka_was_not_told_it_is_told_at_the_next_turn_of_the_same_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rotating() as it:
        it.harness.logins.offered = {SCRAM_SHA_512}  # in place: that it has some password says nothing
        upsert, refused = it.harness.users.upsert, list[str]()

        async def refused_once(user: str, password: str, mechanism: str) -> None:
            if not refused:
                refused.append(user)
                raise KafkaUnavailableError("no answer from Kafka")
            await upsert(user, password, mechanism)

        monkeypatch.setattr(it.harness.users, "upsert", refused_once)
        await it.ask("spring")
        await until(lambda: not it.harness.controller.failing)
        assert refused == [USERS[0]]
        assert it.passwords == {user: {it.secret(user).password} for user in USERS}


async def _until_failing(harness: Harness, key: object) -> None:
    await until(lambda: key in harness.controller.failing)


async def test_f42_where_kafka_takes_one_mechanism_the_password_is_replaced_in_place_and_the_gap_is_said() -> None:
    async with rotating() as it:
        it.harness.logins.offered = {SCRAM_SHA_512}
        before = it.passwords
        await it.ask("spring")
        assert it.passwords == {user: {it.secret(user).password} for user in USERS}
        assert it.passwords != before
        assert {it.secret(user).mechanism for user in USERS} == {SCRAM_SHA_512}
        said = [event.message for event in it.harness.cluster.events]
        assert all("in place, as Kafka takes no logins by SCRAM-SHA-256" in message for message in said)
        assert len(said) == 2


async def test_f42_no_pod_is_replaced_before_kafka_takes_the_new_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rotating() as it:

        async def not_yet(*_: object) -> bool:
            return False

        monkeypatch.setattr("streamwarden_operator.reconcilers.agents.users._KNOWN_WITHIN_S", 0.0)
        with monkeypatch.context() as patched:
            patched.setattr(it.harness.logins, "check", not_yet)
            found = it.harness.get(GUARD)
            metadata = found.metadata.model_copy(update={"annotations": {ROTATE: "spring"}})
            it.harness.put(found.model_copy(update={"metadata": metadata}))
            await _until_failing(it.harness, key_of(GUARD))
            assert it.harness.cluster.workloads[WHERE].spec_hash == it.hash
            access = {part.type: part for part in it.harness.get(GUARD).status.conditions}["AccessReady"]
            assert (access.status, "no pod is replaced for it" in access.message) == ("Unknown", True)
        await it.look()
        assert it.harness.cluster.workloads[WHERE].spec_hash != it.hash


async def test_f42_a_password_that_somebody_gave_a_user_besides_is_taken_away() -> None:
    async with rotating() as it:
        before = it.passwords
        it.harness.users.others[USERS[1]] = "a way in"
        await it.look()
        assert it.passwords == before
        assert it.told == ["CredentialsRotated"]


async def test_f42_a_strangers_user_that_logs_in_by_sha_256_is_a_strangers() -> None:
    async with running(
        *whole_namespace(), prepare=lambda harness: harness.users.others.update({USERS[1]: "theirs"})
    ) as harness:
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "ResourceConflict")
        assert (harness.users.passwords, harness.users.others) == ({}, {USERS[1]: "theirs"})


@pytest.fixture
def without_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the operator log in by means that it cannot try passwords with."""

    async def cannot(*_: object) -> bool:
        raise InvalidSpecError("sasl.mechanism: not with 'OAUTHBEARER', as yet")

    for name in ("check", "offers", "end_tokens"):
        monkeypatch.setattr(FakeLogins, name, cannot)


@pytest.mark.usefixtures("without_logins")
async def test_f42_an_operator_that_cannot_try_passwords_makes_agents_and_replaces_no_password() -> None:
    async with rotating() as it:
        assert conditions_of(it.harness.get(GUARD))["AccessReady"] == ("True", "OK")
        before = it.passwords
        await it.ask("spring")
        assert (it.passwords, set(it.told)) == (before, {"CredentialsRotationRefused"})
        assert conditions_of(it.harness.get(GUARD))["AccessReady"] == ("True", "OK")
        del it.harness.cluster.secrets["risk", SECRETS[USERS[0]]]
        await it.look()
        assert it.passwords == {user: {it.secret(user).password} for user in USERS}


async def test_f42_passwords_are_replaced_by_age() -> None:
    quarter = SETTINGS.model_copy(update={"credentials_max_age": timedelta(days=90)})
    async with rotating(quarter) as it:
        for user in USERS:
            data = it.harness.cluster.secrets["risk", SECRETS[user]]
            old = {**data, "rotation.json": '{"since": "2026-01-01T00:00:00Z"}'}
            it.harness.cluster.secrets["risk", SECRETS[user]] = old
        await it.look()
        assert {it.secret(user).mechanism for user in USERS} == {SCRAM_SHA_256}
        made = datetime.fromisoformat(it.secret(USERS[0]).since)
        assert datetime.now(UTC) - made < timedelta(hours=1)


async def test_f42_an_age_that_was_never_noted_counts_from_the_first_look_and_no_pod_is_replaced() -> None:
    quarter = SETTINGS.model_copy(update={"credentials_max_age": timedelta(days=90)})
    async with rotating(quarter) as it:
        for user in USERS:
            del it.harness.cluster.secrets["risk", SECRETS[user]]["rotation.json"]
        before = it.passwords
        await it.look()
        assert it.passwords == before
        assert all(it.secret(user).since for user in USERS)
        assert it.harness.cluster.workloads[WHERE].spec_hash == it.hash


@pytest.mark.parametrize("since", ["yesterday", "2026-01-01T00:00:00", "2999-01-01T00:00:00Z"])
async def test_f42_an_age_that_says_nothing_counts_from_the_next_look_and_not_never(since: str) -> None:
    quarter = SETTINGS.model_copy(update={"credentials_max_age": timedelta(days=90)})
    async with rotating(quarter) as it:
        for user in USERS:
            it.harness.cluster.secrets["risk", SECRETS[user]]["rotation.json"] = json.dumps({"since": since})
        before = it.passwords
        await it.look()
        assert it.passwords == before
        ages = [datetime.now(UTC) - datetime.fromisoformat(it.secret(user).since) for user in USERS]
        assert all(timedelta(seconds=-1) < age < timedelta(hours=1) for age in ages)


async def test_x87_passwords_altered_under_pods_that_run_are_all_found_by_the_next_look_and_told() -> None:
    """A look tried one of the two: the other one waited for the next resync."""
    async with rotating() as it:
        it.harness.acks.say(ack_of(it.harness.binding()))
        await until(lambda: conditions_of(it.harness.get(GUARD))["Ready"] == ("True", "OK"))
        right = it.passwords
        it.harness.users.passwords.update(dict.fromkeys(USERS, "altered"))
        last = it.harness.access.users.tries.last
        last |= {user: last[user] - AGAIN_S for user in USERS}
        await it.look()
        assert it.passwords == right
        assert it.told == ["PasswordAltered"] * 2


async def test_x87_a_resync_finds_a_password_that_somebody_has_altered() -> None:
    settings = SETTINGS.model_copy(update={"resync_interval": timedelta(milliseconds=200)})
    async with rotating(settings) as it:
        it.harness.acks.say(ack_of(it.harness.binding()))
        await until(lambda: conditions_of(it.harness.get(GUARD))["Ready"] == ("True", "OK"))
        right = it.passwords
        it.harness.users.passwords[USERS[0]] = "altered"
        await until(lambda: it.passwords == right)
        await until(lambda: it.told == ["PasswordAltered"])
