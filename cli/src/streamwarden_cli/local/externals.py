"""Users for the principals outside Streamwarden that contracts name: in ``dev`` somebody must make them."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from typing import TYPE_CHECKING

from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE
from streamwarden_kafka.private_files import write_private
from streamwarden_operator.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamwarden_contract.models import TopicContract
    from streamwarden_kafka.connection import Connection
    from streamwarden_operator.ports import ScramUsers

    from streamwarden_cli.local.state import StateFolder

_PASSWORD_BYTES = 24
_PAUSE_S = 1.0
"""Before it is tried again."""


def external_users(contracts: Iterable[TopicContract]) -> frozenset[str]:
    """Return the users that contracts name, without ``User:``."""
    named = (principal for c in contracts for principal in (*c.spec.access.producers, *c.spec.access.consumers))
    return frozenset(principal.removeprefix("User:") for principal in named)


class Externals:
    """Keeps Kafka's users and the files with their passwords in step with the contracts."""

    def __init__(self, state: StateFolder, users: ScramUsers, kafka: Connection) -> None:
        self._state = state
        self._users = users
        self._kafka = kafka
        self._made: set[str] = set()

    async def settle(self, wanted: frozenset[str], say: Callable[[str], None], *, pause_s: float = _PAUSE_S) -> None:
        """Do what ``apply`` does, as often as it takes, and say why it waits: Kafka may be away, or slow.

        Raises:
            OperatorError: to try again would not help.
        """
        said = ""
        while True:
            try:
                return await self.apply(wanted)
            except UnavailableError as error:
                if str(error) != said:
                    said = str(error)
                    say(f"users that contracts name in access are not all made yet: {said}; it is tried again")
                await asyncio.sleep(pause_s)

    async def apply(self, wanted: frozenset[str]) -> None:
        """Make who is missing, and delete who is named no longer.

        Raises:
            OperatorError: Kafka does not answer.
        """
        for user in sorted(self._made - wanted):
            await self._users.delete(user)
            shutil.rmtree(self._state.external / user, ignore_errors=True)
            self._made.discard(user)
        for user in sorted(wanted - self._made):
            password = secrets.token_urlsafe(_PASSWORD_BYTES)
            await self._users.upsert(user, password)
            text = self._kafka.as_user(user, password).render()
            write_private(self._state.external / user / CLIENT_PROPERTIES_FILE, text)
            self._made.add(user)
