"""The SCRAM users of one Kafka cluster."""

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
from streamwarden_kafka.connection import SCRAM_MECHANISMS, SCRAM_SHA_512

from streamwarden_operator.adapters.kafka.errors import translated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from streamwarden_kafka.admin import KafkaAdmin

    _Users = dict[str, UserScramCredentialsDescription]
    _Futures = dict[str, Future[UserScramCredentialsDescription]]

_BY_NAME = {name: ScramMechanism[name.replace("-", "_")] for name in SCRAM_MECHANISMS}

ITERATIONS = 8192
"""Kafka's least is 4,096. Our passwords are random, so more would only slow down connecting."""


class KafkaScramUsers:
    """Implements ``ports.ScramUsers``."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._lists: Batcher[str, Mapping[str, frozenset[str]]] = Batcher(lambda _: self._list())

    async def observe(self) -> Mapping[str, frozenset[str]]:
        """Return the users that have a password, with its mechanisms; who asks at the same time shares a request."""
        with translated("list the SCRAM users"):
            return await self._lists.get(())

    async def upsert(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> None:
        """Make a user, or give it this password of a mechanism; its open connections stay."""
        credential = ScramCredentialInfo(_BY_NAME[mechanism], ITERATIONS)
        with translated(f"set the password of user {user!r}"):
            await self._alter(UserScramCredentialUpsertion(user, credential, password.encode()))
        await self._until_shown(user, mechanism, there=True)

    async def delete(self, user: str, mechanism: str = "") -> None:
        """Take a password away, or all that a user has; what is absent is success."""
        self._admin.guard()  # before it is looked at
        with translated(f"look at user {user!r}"):
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

    async def _list(self) -> Mapping[str, frozenset[str]]:
        future = self._admin.client.describe_user_scram_credentials(request_timeout=self._admin.timeout_s)
        users = await self._admin.one(cast("Future[_Users]", future))  # without names it is one future, not a dict
        return {name: mechanisms for name, found in users.items() if (mechanisms := _mechanisms(found))}

    async def _until_shown(self, user: str, mechanism: str, *, there: bool) -> None:
        """Wait for the broker. That it also knows a new password cannot be seen: a login tells."""

        async def shown() -> bool:
            return (mechanism in await self._mechanisms_of(user)) == there

        with translated(f"look at user {user!r}"):
            await self._admin.until(shown, f"change of user {user!r}")

    async def _mechanisms_of(self, user: str) -> frozenset[str]:
        futures = self._admin.client.describe_user_scram_credentials([user], request_timeout=self._admin.timeout_s)
        try:
            found = await self._admin.all(cast("_Futures", futures))
        except KafkaException as error:
            if code_of(error) != KafkaError.RESOURCE_NOT_FOUND:
                raise
            return frozenset()
        return _mechanisms(found[user])

    async def _alter(self, alteration: UserScramCredentialAlteration) -> None:
        await self._admin.all(
            self._admin.writer.alter_user_scram_credentials([alteration], request_timeout=self._admin.timeout_s)
        )


def _mechanisms(found: UserScramCredentialsDescription) -> frozenset[str]:
    known = {mechanism: name for name, mechanism in _BY_NAME.items()}
    mechanisms = (ScramMechanism(credential.mechanism) for credential in found.scram_credential_infos)
    return frozenset(known[mechanism] for mechanism in mechanisms if mechanism in known)
