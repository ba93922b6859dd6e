"""Makes delegation tokens, as an agent's own code could: written from Kafka's published format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Bytes, Int16, Int32, Int64, Schema, String
from streamwarden_kafka.wire.connections import Wire
from typing_extensions import override

if TYPE_CHECKING:
    from streamwarden_kafka.connection import Connection

_LONGEST = -1
"""As a lifetime: what the broker allows."""


class _CreateResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 38
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        ("principal_type", String()),
        ("principal_name", String()),
        ("issued_ms", Int64),
        ("expires_ms", Int64),
        ("longest_ms", Int64),
        ("token_id", String()),
        ("hmac", Bytes),
        ("throttle_time_ms", Int32),
    )


class _CreateStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 38
    API_VERSION = 1
    RESPONSE_TYPE = _CreateResponse
    SCHEMA = Schema(
        ("renewers", Array(("principal_type", String()), ("principal_name", String()))), ("lifetime_ms", Int64)
    )


class _CreateRequest(Request[_CreateStruct]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 38

    @override
    def build(self, request_struct_class: type[_CreateStruct]) -> _CreateStruct:
        return request_struct_class([], _LONGEST)


async def make_token(connection: Connection) -> int:
    """Make one of the user's own; return Kafka's error code."""
    async with Wire(connection, "test", timeout_s=10) as wire:
        answer = await (await wire.any_broker()).ask(_CreateRequest())
    return int(answer.error_code)
