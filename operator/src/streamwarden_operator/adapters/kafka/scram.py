"""The SCRAM users of one Kafka cluster."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from streamwarden_kafka.batching import Batcher
from streamwarden_kafka.codes import code_of
from streamwarden_kafka.connection import SCRAM_MECHANISMS, SCRAM_SHA_512
from streamwarden_kafka.wire.scram_users import describe_scram_users

from streamwarden_operator.adapters.kafka.errors import translated

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from streamwarden_kafka.admin import KafkaAdmin

    _Mechanisms = Mapping[str, frozenset[str]]

_BY_NAME = {name: ScramMechanism[name.replace("-", "_")] for name in SCRAM_MECHANISMS}

ITERATIONS = 4096
"""Kafka's least. They slow down whoever guesses; our passwords are random, so more would only slow down who logs in."""


_TOGETHER = 8
"""Changes of one request: the client salts each password first, some milliseconds of CPU, in the time of the answer."""

_CLIENT_ID = "streamwarden-operator-users"

_Alteration = UserScramCredentialUpsertion | UserScramCredentialDeletion


class KafkaScramUsers:
    """Implements ``ports.ScramUsers``; what is asked at the same time shares requests."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._wire = admin.wire(_CLIENT_ID)
        self._lists: Batcher[str, _Mechanisms] = Batcher(lambda _: describe_scram_users(self._wire))
        self._looks: Batcher[str, _Mechanisms] = Batcher(partial(describe_scram_users, self._wire))
        self._alterations: Batcher[_Alteration, Mapping[_Alteration, object]] = Batcher(self._alter_all)

    async def observe(self, users: Collection[str] | None = None) -> _Mechanisms:
        """Return the users that have a password, with its mechanisms; who asks at the same time shares a request.

        Args:
            users: only these: thousands need not be told for the two of one agent. None: all.
        """
        with translated("list the SCRAM users"):
            if users is None:
                return await self._lists.get(())
            found = await self._looks.get(users) if users else {}
        return {user: found[user] for user in users if user in found}

    async def close(self) -> None:
        """Let go of all connections."""
        await self._wire.close()

    async def upsert(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> None:
        """Make a user, or give it this password of a mechanism; its open connections stay."""
        credential = ScramCredentialInfo(_BY_NAME[mechanism], ITERATIONS)
        with translated(f"set the password of user {user!r}"):
            await self._alter(UserScramCredentialUpsertion(user, credential, password.encode()))
        await self._until_shown(user, mechanism, there=True)

    async def delete(self, user: str, mechanism: str = "") -> None:
        """Take a password away, or all that a user has; what is absent is success."""
        self._admin.guard()  # before it is looked at
        found = [mechanism] if mechanism else sorted(await self._mechanisms_of(user))
        for each in found:
            await self._take(user, each)

    async def _take(self, user: str, mechanism: str) -> None:
        with translated(f"delete user {user!r}"):
            try:
                await self._alter(UserScramCredentialDeletion(user, _BY_NAME[mechanism]))
            except KafkaException as error:
                if code_of(error) != KafkaError.RESOURCE_NOT_FOUND:
                    raise
        await self._until_shown(user, mechanism, there=False)

    async def _until_shown(self, user: str, mechanism: str, *, there: bool) -> None:
        """Wait for the broker. That it also knows a new password cannot be seen: a login tells."""

        async def shown() -> bool:
            return (mechanism in await self._mechanisms_of(user)) == there

        with translated("list the SCRAM users"):
            await self._admin.until(shown, f"change of user {user!r}")

    async def _mechanisms_of(self, user: str) -> frozenset[str]:
        return (await self.observe([user])).get(user, frozenset())

    async def _alter(self, alteration: _Alteration) -> None:
        answer = (await self._alterations.get([alteration]))[alteration]
        if isinstance(answer, KafkaException):
            raise answer

    async def _alter_all(self, alterations: Collection[_Alteration]) -> Mapping[_Alteration, object]:
        """Make many changes at once; of one user one in each request, as its answer is by user. Errors are answers."""
        left, answers = list(alterations), dict[_Alteration, object]()
        while left:
            by_user = dict(islice(((alteration.user, alteration) for alteration in left), _TOGETHER))
            settled = await self._admin.settle(
                self._admin.writer.alter_user_scram_credentials(
                    list(by_user.values()), request_timeout=self._admin.timeout_s
                )
            )
            answers.update((alteration, settled[user]) for user, alteration in by_user.items())
            left = [alteration for alteration in left if alteration not in answers]
        return answers
