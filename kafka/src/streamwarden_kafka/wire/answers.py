"""What Kafka calls each request that goes over the wire client, and whether an answer refuses something. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka.protocol.types import Array, Schema

from streamwarden_kafka.outcomes import Outcome

CONNECT = "Connect"
"""Not one of Kafka's: a connection, with its login."""

REQUESTS: Mapping[int, str] = {
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    13: "LeaveGroup",
    29: "DescribeAcls",
    31: "DeleteAcls",
    32: "DescribeConfigs",
    40: "ExpireDelegationToken",
    41: "DescribeDelegationToken",
    46: "ListPartitionReassignments",
    48: "DescribeClientQuotas",
    49: "AlterClientQuotas",
    50: "DescribeUserScramCredentials",
    65: "DescribeTransactions",
}
"""Kafka's names, by API key: all that is sent."""

_NO_ERROR = 0
_CODE = "error_code"


def request_name(request: Any) -> str:  # noqa: ANN401  # aiokafka has no types
    """Return Kafka's name of a request; ``Other`` of one that only tests send."""
    return REQUESTS.get(request.API_KEY, "Other")


def outcome_of(answer: Any) -> Outcome:  # noqa: ANN401  # aiokafka has no types
    """Tell whether an answer refuses nothing, or one of its items at least."""
    schema: Schema = answer.SCHEMA
    values = [answer.get_item(name) for name in schema.names]
    return "refused" if any(code != _NO_ERROR for code in _codes(schema, values)) else "ok"


def _codes(schema: Schema, values: Sequence[Any]) -> Iterator[int]:
    """Return the error codes in a piece of an answer, wherever they stand."""
    for name, kind, value in zip(schema.names, schema.fields, values, strict=True):
        if name == _CODE:
            yield value
        elif isinstance(kind, Array) and isinstance(kind.array_of, Schema):
            for item in value or ():
                yield from _codes(kind.array_of, item)
