"""ACLs by Kafka's own numbers.

librdkafka has no names for some, and takes none of those back. Asked by a user that may not look it gives an empty list
(2.16): who believes it takes "may not look" for "there are none".
"""

import asyncio
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import NamedTuple, TypeVar

from aiokafka.protocol.admin import DeleteAclsRequest, DescribeAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import AbstractType, Array, Int8, Int16, Int32, Schema, String
from typing_extensions import override

from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal

A = TypeVar("A")

_ANY = 1
"""In a filter: resources, patterns, operations and permissions of any kind."""


class NumberedAcl(NamedTuple):
    """An ACL as the protocol has it."""

    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    """With its type: ``User:...``."""
    host: str
    operation: int
    permission: int


class _Undecoded(AbstractType):  # type: ignore[misc]  # aiokafka has no types
    """The rest of an answer: of a thousand agents it has tens of thousands of ACLs, which nobody is to wait for."""

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        """Return all that is left."""
        return data.read()


_RESOURCES = Array(
    ("resource_type", Int8),
    ("resource_name", String()),
    ("pattern_type", Int8),
    ("acls", Array(("principal", String()), ("host", String()), ("operation", Int8), ("permission_type", Int8))),
)


class DescribeAclsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 1 of Kafka's message, the last one without tagged fields; its resources are left as they came."""

    API_KEY = 29
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", String()),
        ("resources", _Undecoded),
    )


class DescribeAclsStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 1 of Kafka's message: the oldest that Kafka 4 answers."""

    API_KEY = 29
    API_VERSION = 1
    RESPONSE_TYPE = DescribeAclsResponse
    SCHEMA = DescribeAclsRequest_v1.SCHEMA


class DescribeAclsRequest(Request[DescribeAclsStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Asks for all ACLs, or those of one principal."""

    API_KEY = 29

    def __init__(self, principal: str | None) -> None:
        self._principal = principal

    @override
    def build(self, request_struct_class: type[DescribeAclsStruct]) -> DescribeAclsStruct:
        """Return the message."""
        return request_struct_class(_ANY, None, _ANY, self._principal, None, _ANY, _ANY)


async def list_acls(wire: Wire, read: Callable[[NumberedAcl], A], principal: str | None = None) -> frozenset[A]:
    """Return the ACLs of a principal (``User:...``), or (None) all of them.

    Args:
        wire: asks.
        read: makes of each what the caller wants; in a thread, as of a thousand agents there are tens of thousands.
        principal: whose.

    Raises:
        NotAuthorizedError: DESCRIBE on the cluster is missing.
        BrokerUnavailableError: no answer, or not now.
    """
    answer = await wire.ask_any(DescribeAclsRequest(principal))
    if answer.error_code != NO_ERROR:
        raise refusal(answer.error_code, "list the ACLs")
    return await asyncio.to_thread(lambda: frozenset(map(read, _decoded(answer.resources))))


def _decoded(data: bytes) -> Iterator[NumberedAcl]:
    for kind, name, pattern, acls in _RESOURCES.decode(BytesIO(data)):
        for acl in acls:
            yield NumberedAcl(kind, name, pattern, *acl)


async def delete_acl(wire: Wire, acl: NumberedAcl) -> None:
    """Delete an ACL; an absent one is success.

    Raises:
        BrokerUnavailableError: no answer, or not now.
    """
    answer = await (await wire.any_broker()).ask(DeleteAclsRequest(*acl))
    for code, *_ in answer.filter_responses:
        if code != NO_ERROR:
            raise refusal(code, f"remove an ACL of {acl.principal}")
