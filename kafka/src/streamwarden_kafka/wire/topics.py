"""What librdkafka does not tell of topics: the types of their configurations, and replicas that are being moved."""

from collections.abc import Collection
from typing import Final

from aiokafka.errors import ClusterAuthorizationFailedError
from aiokafka.protocol.admin import ListPartitionReassignmentsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String
from typing_extensions import override

from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal

_TOPIC = 2
"""The kind of resource, in the protocol."""

CONFIG_TYPES: Final = ("UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD")
"""Kafka's names of the types of configurations, by their number in the protocol."""

_SYNONYM = Array(("name", String()), ("value", String()), ("source", Int8))
_CONFIG = Array(
    ("name", String()),
    ("value", String()),
    ("read_only", Boolean),
    ("config_source", Int8),
    ("is_sensitive", Boolean),
    ("synonyms", _SYNONYM),
    ("config_type", Int8),
    ("documentation", String()),
)


class DescribeConfigsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 3 of Kafka's message."""

    API_KEY = 32
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("error_code", Int16),
                ("error_message", String()),
                ("resource_type", Int8),
                ("resource_name", String()),
                ("configs", _CONFIG),
            ),
        ),
    )


class DescribeConfigsStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 3 of Kafka's message: the first one with types, and the last one without tagged fields."""

    API_KEY = 32
    API_VERSION = 3
    RESPONSE_TYPE = DescribeConfigsResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(("resource_type", Int8), ("resource_name", String()), ("configuration_keys", Array(String()))),
        ),
        ("include_synonyms", Boolean),
        ("include_documentation", Boolean),
    )


class DescribeTopicConfigRequest(Request[DescribeConfigsStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Asks for all configurations of one topic."""

    API_KEY = 32

    def __init__(self, topic: str) -> None:
        self._topic = topic

    @override
    def build(self, request_struct_class: type[DescribeConfigsStruct]) -> DescribeConfigsStruct:
        """Return the message."""
        return request_struct_class([(_TOPIC, self._topic, None)], False, False)


async def describe_config_types(wire: Wire, topic: str) -> dict[str, str]:
    """Return the type of each configuration that a topic can have, as in ``CONFIG_TYPES``: they are one for all topics.

    Nothing where the broker does not know of the topic (yet), or will not say.

    Raises:
        BrokerUnavailableError: no answer.
    """
    answer = await (await wire.any_broker()).ask(DescribeTopicConfigRequest(topic))
    return {
        name: CONFIG_TYPES[kind] if 0 <= kind < len(CONFIG_TYPES) else CONFIG_TYPES[0]
        for code, _message, _type, _name, configs in answer.results
        if code == NO_ERROR
        for name, _value, _read_only, _source, _sensitive, _synonyms, kind, _documentation in configs
    }


async def leaving_replicas(
    wire: Wire, partitions: Collection[Partition], *, timeout_s: float
) -> dict[Partition, frozenset[int]]:
    """Return which brokers hold a replica only as long as a reassignment lasts; of other partitions nothing.

    Nothing at all where the user may not ask: that takes DESCRIBE on the cluster.

    Args:
        wire: the Kafka.
        partitions: which ones.
        timeout_s: how long the controller may take.

    Raises:
        BrokerUnavailableError: no answer, or not now.
    """
    by_topic: dict[str, list[int]] = {}
    for topic, number in sorted(partitions):
        by_topic.setdefault(topic, []).append(number)
    request = ListPartitionReassignmentsRequest(
        int(timeout_s * 1000), [(topic, numbers, {}) for topic, numbers in by_topic.items()], {}
    )
    answer = await (await wire.any_broker()).ask(request)
    if answer.error_code == ClusterAuthorizationFailedError.errno:
        return {}
    if answer.error_code != NO_ERROR:
        raise refusal(answer.error_code, "list what is being reassigned")
    return {
        (topic, number): frozenset(removing)
        for topic, found, _tags in answer.topics or ()
        for number, _replicas, _adding, removing, _part_tags in found
    }
