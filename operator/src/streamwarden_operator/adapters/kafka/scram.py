"""The SCRAM users of one Kafka cluster."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialsDescription,
    UserScramCredentialUpsertion,
)
from streamwarden_kafka.batching import Batcher
from streamwarden_kafka.codes import code_of
from streamwarden_kafka.connection import SCRAM_MECHANISMS, SCRAM_SHA_512

from streamwarden_operator.adapters.kafka.errors import translated

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from concurrent.futures import Future

    from streamwarden_kafka.admin import KafkaAdmin

    _Users = dict[str, UserScramCredentialsDescription]
    _Futures = dict[str, Future[UserScramCredentialsDescription]]

_BY_NAME = {name: ScramMechanism[name.replace("-", "_")] for name in SCRAM_MECHANISMS}

ITERATIONS = 8192
"""Kafka's least is 4,096. Our passwords are random, so more would only slow down connecting."""


_TOGETHER = 8
"""Changes of one request: the client salts each password first, some milliseconds of CPU, in the time of the answer."""

_Alteration = UserScramCredentialUpsertion | UserScramCredentialDeletion


class KafkaScramUsers:
    """Implements ``ports.ScramUsers``; what is asked at the same time shares requests."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._lists: Batcher[str, Mapping[str, frozenset[str]]] = Batcher(lambda _: self._list())
        self._looks: Batcher[str, Mapping[str, frozenset[str] | KafkaException]] = Batcher(self._look)
        self._alterations: Batcher[_Alteration, Mapping[_Alteration, object]] = Batcher(self._alter_all)

    async def observe(self, users: Collection[str] | None = None) -> Mapping[str, frozenset[str]]:
        """Return the users that have a password, with its mechanisms; who asks at the same time shares a request.

        Args:
            users: only these: thousands need not be told for the two of one agent. None: all.
        """
        if users is None:
            with translated("list the SCRAM users"):
                return await self._lists.get(())
        if not users:
            return {}
        with translated("look at SCRAM users"):
            found = await self._looks.get(users)
            named = {user: _unless_refused(found[user]) for user in users}
        return {user: mechanisms for user, mechanisms in named.items() if mechanisms}

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
        return _unless_refused((await self._looks.get([user]))[user])

    async def _look(self, users: Collection[str]) -> Mapping[str, frozenset[str] | KafkaException]:
        """Return the mechanisms of each of many users, or what Kafka refused."""
        names = sorted(users)
        futures = self._admin.client.describe_user_scram_credentials(names, request_timeout=self._admin.timeout_s)
        found: dict[str, frozenset[str] | KafkaException] = {}
        for user, result in (await self._admin.settle(cast("_Futures", futures))).items():
            if not isinstance(result, KafkaException):
                found[user] = _mechanisms(result)
            else:
                found[user] = frozenset() if code_of(result) == KafkaError.RESOURCE_NOT_FOUND else result
        return found

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


def _unless_refused(found: frozenset[str] | KafkaException) -> frozenset[str]:
    """Return the mechanisms of a user.

    Raises:
        KafkaException: Kafka does not tell them.
    """
    if isinstance(found, KafkaException):
        raise found
    return found


def _mechanisms(found: UserScramCredentialsDescription) -> frozenset[str]:
    known = {mechanism: name for name, mechanism in _BY_NAME.items()}
    mechanisms = (ScramMechanism(credential.mechanism) for credential in found.scram_credential_infos)
    return frozenset(known[mechanism] for mechanism in mechanisms if mechanism in known)
