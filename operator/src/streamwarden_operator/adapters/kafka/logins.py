"""Whether a user can log in: tried, as nothing else tells whether Kafka has a password."""

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from streamwarden_kafka.connection import SCRAM_SHA_512, Connection, Protocol
from streamwarden_kafka.errors import LoginRefusedError, MechanismNotOfferedError
from streamwarden_kafka.outcomes import OnAnswered, ignore
from streamwarden_kafka.wire.connections import Wire
from streamwarden_kafka.wire.tokens import end_own_tokens

from streamwarden_operator.adapters.kafka.errors import translated

_ASK_AGAIN_S = 600.0
"""Tokens are switched on by a restart of brokers."""


class KafkaLogins:
    """Implements ``ports.Logins`` with one connection a try."""

    def __init__(
        self,
        connection: Connection,
        pod_bootstrap_servers: str,
        *,
        timeout_s: float,
        guard: Callable[[], None] = lambda: None,
        on_answered: OnAnswered = ignore,
    ) -> None:
        """Prepare.

        Args:
            connection: the operator's. Where it logs in by SASL, so do we; a listener without it takes everybody.
            pod_bootstrap_servers: as the pods reach Kafka, for an operator that logs in by other means.
            timeout_s: longest wait for one answer.
            guard: asked before anything is changed; it raises where nothing may be.
            on_answered: called after each request, and each login.
        """
        if connection.protocol not in {Protocol.SASL_PLAINTEXT, Protocol.SASL_SSL}:
            connection = Connection.scram(pod_bootstrap_servers, "", "")
        self._connection = connection
        self._timeout_s = timeout_s
        self._guard = guard
        self._on_answered = on_answered
        self._without_tokens_until_s = -math.inf

    async def check(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> bool:
        """Tell whether Kafka takes this password of a user.

        Raises:
            KafkaUnavailableError: no broker answers, or none takes logins of this kind.
        """
        with translated(f"log in as user {user!r}"):
            return await self._try(user, password, mechanism)

    async def end_tokens(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> int:
        """End all delegation tokens of a user, logged in as itself: nobody else may. Return how many there were.

        Where Kafka has none of anybody, which is its default, nobody logs in for it for some minutes.

        Raises:
            KafkaUnavailableError: no broker answers, or the user does not get in.
        """
        self._guard()
        if time.monotonic() < self._without_tokens_until_s:
            return 0
        with translated(f"end the delegation tokens of user {user!r}"):
            async with self._wire(user, password, mechanism) as wire:
                ended = await end_own_tokens(await wire.any_broker(), user)
        if ended is None:
            self._without_tokens_until_s = time.monotonic() + _ASK_AGAIN_S
        return ended or 0

    async def offers(self, user: str, mechanism: str) -> bool:
        """Tell whether Kafka takes logins by a mechanism: with a password that nobody has.

        Raises:
            KafkaUnavailableError: no broker answers.
        """
        with translated(f"ask for logins by {mechanism}"):
            try:
                await self._try(user, secrets.token_urlsafe(), mechanism)
            except MechanismNotOfferedError:
                return False
        return True

    async def _try(self, user: str, password: str, mechanism: str) -> bool:
        async with self._wire(user, password, mechanism) as wire:
            try:
                await wire.any_broker()
            except LoginRefusedError:
                return False
        return True

    def _wire(self, user: str, password: str, mechanism: str) -> Wire:
        connection = replace(self._connection.as_user(user, password), mechanism=mechanism)
        return Wire(connection, "streamwarden-operator-login", timeout_s=self._timeout_s, on_answered=self._on_answered)
