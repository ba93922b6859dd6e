"""Who has a transactional id now: librdkafka tells a producer that it was fenced only when it writes again."""

from typing import NamedTuple

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from typing_extensions import override

from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal
from streamwarden_kafka.wire.groups import TRANSACTION, find_coordinator

_NOT_FOUND = 105
"""TRANSACTIONAL_ID_NOT_FOUND."""
_TOPICS = CompactArray(("topic", CompactString()), ("partitions", CompactArray(Int32)), ("tags", TaggedFields))


class DescribeTransactionsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 0 of Kafka's message."""

    API_KEY = 65
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transactions",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString()),
                ("state", CompactString()),
                ("timeout_ms", Int32),
                ("start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("topics", _TOPICS),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeTransactionsStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 0 of Kafka's message (3.0 and later)."""

    FLEXIBLE_VERSION = True
    API_KEY = 65
    API_VERSION = 0
    RESPONSE_TYPE = DescribeTransactionsResponse
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString())), ("tags", TaggedFields))


class DescribeTransactionsRequest(Request[DescribeTransactionsStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Asks for one transactional id."""

    API_KEY = 65

    def __init__(self, transactional_id: str) -> None:
        self._transactional_id = transactional_id

    @override
    def build(self, request_struct_class: type[DescribeTransactionsStruct]) -> DescribeTransactionsStruct:
        """Return the message."""
        return request_struct_class([self._transactional_id], {})


class Holder(NamedTuple):
    """A producer that has a transactional id: whoever opens one with it gets another epoch, or another producer id."""

    producer_id: int
    epoch: int


async def holder_of(wire: Wire, transactional_id: str) -> Holder | None:
    """Return who has a transactional id now; None where nobody has ever had it, or so long ago that Kafka forgot.

    Raises:
        NotAuthorizedError: DESCRIBE on the transactional id is missing.
        BrokerUnavailableError: no answer, or not now.
    """
    node = await find_coordinator(wire, await wire.any_broker(), transactional_id, TRANSACTION)
    answer = await (await wire.broker(node)).ask(DescribeTransactionsRequest(transactional_id))
    [(code, _, _, _, _, producer_id, epoch, _, _)] = answer.transactions
    if code == _NOT_FOUND:
        return None
    if code != NO_ERROR:
        raise refusal(code, f"describe the transactional id {transactional_id!r}")
    return Holder(producer_id, epoch)
