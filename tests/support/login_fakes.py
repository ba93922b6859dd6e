"""Logins in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.fakes import FakeScramUsers


class FakeLogins:
    """Logins of the users that a ``FakeScramUsers`` has."""

    def __init__(self, users: FakeScramUsers) -> None:
        self._users = users
        self.tries: list[str] = []

    async def check(self, user: str, password: str) -> bool:
        self.tries.append(user)
        return self._users.passwords.get(user) == password
