"""SCRAM users and their logins, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_kafka.connection import SCRAM_MECHANISMS, SCRAM_SHA_256, SCRAM_SHA_512
from streamwarden_operator.errors import KafkaUnavailableError
from support.fakes import FakeKafka

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class FakeScramUsers(FakeKafka):
    """SCRAM users and, unlike Kafka, their passwords in the clear."""

    def __init__(self) -> None:
        super().__init__()
        self.passwords: dict[str, str] = {}
        """By SCRAM-SHA-512."""
        self.others: dict[str, str] = {}
        """By SCRAM-SHA-256."""

    def of(self, mechanism: str) -> dict[str, str]:
        return {SCRAM_SHA_512: self.passwords, SCRAM_SHA_256: self.others}[mechanism]

    async def observe(self, users: Collection[str] | None = None) -> Mapping[str, frozenset[str]]:
        self._answer()
        there = self.passwords.keys() | self.others.keys()
        users = there if users is None else there & set(users)
        return {user: frozenset(each for each in SCRAM_MECHANISMS if user in self.of(each)) for user in users}

    async def upsert(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> None:
        self._answer()
        self.writes.append(("upsert", user, mechanism))
        self.of(mechanism)[user] = password

    async def delete(self, user: str, mechanism: str = "") -> None:
        self._answer()
        self.writes.append(("delete", user, mechanism))
        for each in [mechanism] if mechanism else SCRAM_MECHANISMS:
            self.of(each).pop(user, None)


class FakeLogins:
    """Logins of the users that a ``FakeScramUsers`` has."""

    def __init__(self, users: FakeScramUsers) -> None:
        self._users = users
        self.tries: list[str] = []
        self.offered = set(SCRAM_MECHANISMS)
        self.tokens: dict[str, int] = {}
        """Delegation tokens by user."""

    async def check(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> bool:
        self.tries.append(user)
        return mechanism in self.offered and self._users.of(mechanism).get(user) == password

    async def end_tokens(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> int:
        if self._users.of(mechanism).get(user) != password:
            raise KafkaUnavailableError(f"the user {user} does not get in")
        return self.tokens.pop(user, 0)

    async def offers(self, user: str, mechanism: str) -> bool:  # noqa: ARG002  # somebody must be named
        return mechanism in self.offered
