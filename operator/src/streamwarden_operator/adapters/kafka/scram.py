"""The SCRAM-SHA-512 users of one Kafka cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialsDescription,
    UserScramCredentialUpsertion,
)
from streamwarden_kafka.batching import Batcher
from streamwarden_kafka.codes import code_of

from streamwarden_operator.adapters.kafka.errors import translated

if TYPE_CHECKING:
    from concurrent.futures import Future

    from streamwarden_kafka.admin import KafkaAdmin

    _Users = dict[str, UserScramCredentialsDescription]
    _Futures = dict[str, Future[UserScramCredentialsDescription]]

ITERATIONS = 8192
"""Kafka's least is 4,096. Our passwords are random, so more would only slow down connecting."""


class KafkaScramUsers:
    """Implements ``ports.ScramUsers``."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._lists: Batcher[str, frozenset[str]] = Batcher(lambda _: self._list())

    async def observe(self) -> frozenset[str]:
        """Return the users that have a SCRAM-SHA-512 credential; who asks at the same time shares a request."""
        with translated("list the SCRAM users"):
            return await self._lists.get(())

    async def upsert(self, user: str, password: str) -> None:
        """Make a user, or give it this password; its open connections stay."""
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        with translated(f"set the password of user {user!r}"):
            await self._alter(UserScramCredentialUpsertion(user, credential, password.encode()))
        await self._until_shown(user, there=True)

    async def delete(self, user: str) -> None:
        """Delete a user; an absent one is success."""
        with translated(f"delete user {user!r}"):
            try:
                await self._alter(UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))
            except KafkaException as error:
                if code_of(error) != KafkaError.RESOURCE_NOT_FOUND:
                    raise
        await self._until_shown(user, there=False)

    async def _list(self) -> frozenset[str]:
        future = self._admin.client.describe_user_scram_credentials(request_timeout=self._admin.timeout_s)
        users = await self._admin.one(cast("Future[_Users]", future))  # without names it is one future, not a dict
        return frozenset(name for name, found in users.items() if _has_sha_512(found))

    async def _until_shown(self, user: str, *, there: bool) -> None:
        """Wait for the broker. That it also knows a new password cannot be seen: clients try again."""

        async def shown() -> bool:
            return await self._exists(user) == there

        with translated(f"look at user {user!r}"):
            await self._admin.until(shown, f"change of user {user!r}")

    async def _exists(self, user: str) -> bool:
        futures = self._admin.client.describe_user_scram_credentials([user], request_timeout=self._admin.timeout_s)
        try:
            found = await self._admin.all(cast("_Futures", futures))
        except KafkaException as error:
            if code_of(error) != KafkaError.RESOURCE_NOT_FOUND:
                raise
            return False
        return _has_sha_512(found[user])

    async def _alter(self, alteration: UserScramCredentialAlteration) -> None:
        await self._admin.all(
            self._admin.writer.alter_user_scram_credentials([alteration], request_timeout=self._admin.timeout_s)
        )


def _has_sha_512(found: UserScramCredentialsDescription) -> bool:
    return any(
        ScramMechanism(credential.mechanism) is ScramMechanism.SCRAM_SHA_512
        for credential in found.scram_credential_infos
    )
