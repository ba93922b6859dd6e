"""Delegation tokens of a user: no client that we have offers them. A token lets in like its user's password does."""

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Bytes, Int16, Int32, Int64, Schema, String
from typing_extensions import override

from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.wire.connections import NO_ERROR, Broker, refusal

_USER = "User"
_SWITCHED_OFF = 61
_NOT_FOUND = 62
_AT_ONCE = -1
"""As a period until its end."""

_PRINCIPALS = Array(("principal_type", String()), ("principal_name", String()))


class DescribeDelegationTokenResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 1 of Kafka's message."""

    API_KEY = 41
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "tokens",
            Array(
                ("principal_type", String()),
                ("principal_name", String()),
                ("issued_ms", Int64),
                ("expires_ms", Int64),
                ("longest_ms", Int64),
                ("token_id", String()),
                ("hmac", Bytes),
                ("renewers", _PRINCIPALS),
            ),
        ),
        ("throttle_time_ms", Int32),
    )


class DescribeDelegationTokenStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 1 of Kafka's message: the last one without tagged fields, and the oldest that brokers know."""

    API_KEY = 41
    API_VERSION = 1
    RESPONSE_TYPE = DescribeDelegationTokenResponse
    SCHEMA = Schema(("owners", _PRINCIPALS))


class DescribeDelegationTokenRequest(Request[DescribeDelegationTokenStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Asks for a user's tokens, which it may always see itself."""

    API_KEY = 41

    def __init__(self, user: str) -> None:
        self._owners = [(_USER, user)]

    @override
    def build(self, request_struct_class: type[DescribeDelegationTokenStruct]) -> DescribeDelegationTokenStruct:
        """Return the message."""
        return request_struct_class(self._owners)


class ExpireDelegationTokenResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 1 of Kafka's message."""

    API_KEY = 40
    API_VERSION = 1
    SCHEMA = Schema(("error_code", Int16), ("expires_ms", Int64), ("throttle_time_ms", Int32))


class ExpireDelegationTokenStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 1 of Kafka's message."""

    API_KEY = 40
    API_VERSION = 1
    RESPONSE_TYPE = ExpireDelegationTokenResponse
    SCHEMA = Schema(("hmac", Bytes), ("expires_in_ms", Int64))


class ExpireDelegationTokenRequest(Request[ExpireDelegationTokenStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Ends a token, which nobody may but its owner and those whom it names."""

    API_KEY = 40

    def __init__(self, hmac: bytes) -> None:
        self._hmac = hmac

    @override
    def build(self, request_struct_class: type[ExpireDelegationTokenStruct]) -> ExpireDelegationTokenStruct:
        """Return the message."""
        return request_struct_class(self._hmac, _AT_ONCE)


async def end_own_tokens(broker: Broker, user: str) -> int | None:
    """End all tokens of the user that is logged in, and return how many there were; None: Kafka has none of anybody.

    Raises:
        BrokerUnavailableError: no answer, or not now.
    """
    try:
        answer = await broker.ask(DescribeDelegationTokenRequest(user))
    except BrokerUnavailableError as error:
        if isinstance(error.__cause__, IncompatibleBrokerVersion):
            return None
        raise
    if answer.error_code == _SWITCHED_OFF:
        return None
    if answer.error_code != NO_ERROR:
        raise refusal(answer.error_code, f"list the delegation tokens of user {user!r}")
    for _, _, _, _, _, _, hmac, _ in answer.tokens:
        ended = await broker.ask(ExpireDelegationTokenRequest(hmac))
        if ended.error_code not in {NO_ERROR, _NOT_FOUND}:
            raise refusal(ended.error_code, f"end a delegation token of user {user!r}")
    return len(answer.tokens)
