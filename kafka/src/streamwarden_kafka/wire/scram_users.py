"""Which SCRAM users there are: asked by a user that may not look librdkafka ends the whole process (2.16)."""

from collections.abc import Collection

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int8, Int16, Int32, Schema, TaggedFields
from typing_extensions import override

from streamwarden_kafka.connection import SCRAM_SHA_256, SCRAM_SHA_512
from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal

_MECHANISMS = {1: SCRAM_SHA_256, 2: SCRAM_SHA_512}
"""By Kafka's number."""
_NOT_FOUND = 91
"""RESOURCE_NOT_FOUND: there is no such user."""


class DescribeUserScramCredentialsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 0 of Kafka's message."""

    API_KEY = 50
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", CompactString()),
        (
            "results",
            CompactArray(
                ("user", CompactString()),
                ("code", Int16),  # of one user: that there is none refuses nothing
                ("error_message", CompactString()),
                ("credential_infos", CompactArray(("mechanism", Int8), ("iterations", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeUserScramCredentialsStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 0 of Kafka's message."""

    FLEXIBLE_VERSION = True
    API_KEY = 50
    API_VERSION = 0
    RESPONSE_TYPE = DescribeUserScramCredentialsResponse
    SCHEMA = Schema(("users", CompactArray(("name", CompactString()), ("tags", TaggedFields))), ("tags", TaggedFields))


class DescribeUserScramCredentialsRequest(Request[DescribeUserScramCredentialsStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Asks for some users, or for all."""

    API_KEY = 50

    def __init__(self, users: Collection[str]) -> None:
        self._users: list[tuple[str, dict[int, bytes]]] = [(user, {}) for user in sorted(users)]

    @override
    def build(
        self, request_struct_class: type[DescribeUserScramCredentialsStruct]
    ) -> DescribeUserScramCredentialsStruct:
        """Return the message."""
        return request_struct_class(self._users, {})


async def describe_scram_users(wire: Wire, users: Collection[str] = ()) -> dict[str, frozenset[str]]:
    """Return the users that have a password, with the mechanisms that each has one of.

    Args:
        wire: asks.
        users: only these; none: all.

    Raises:
        NotAuthorizedError: DESCRIBE on the cluster is missing.
        BrokerUnavailableError: no answer, or not now.
    """
    answer = await wire.ask_any(DescribeUserScramCredentialsRequest(users))
    if answer.error_code != NO_ERROR:
        raise refusal(answer.error_code, "list the SCRAM users")
    found = dict[str, frozenset[str]]()
    for user, code, _message, credentials, _tags in answer.results:
        if code not in {NO_ERROR, _NOT_FOUND}:
            raise refusal(code, f"look at the SCRAM user {user!r}")
        mechanisms = frozenset(_MECHANISMS[number] for number, *_ in credentials if number in _MECHANISMS)
        if mechanisms:
            found[user] = mechanisms
    return found
