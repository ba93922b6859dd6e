"""What brokers say of a group. Asked in a process of its own: librdkafka ends it where they answer too late."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from support.kafka_tools import Cluster

_ANSWER_S = 30.0


class Group(NamedTuple):
    """A group as it is now."""

    state: str
    members: list[str]
    """Their ids."""


def describe_group(cluster: Cluster, name: str) -> Group:
    """Ask the group's coordinator."""
    asked = subprocess.run(
        [sys.executable, "-P", __file__],
        input=json.dumps([dict(cluster.properties), name]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=2 * _ANSWER_S,
    )
    return Group(*json.loads(asked.stdout))


def _main() -> None:
    properties, name = json.load(sys.stdin)
    client = AdminClient(properties)  # kept: requests of a client that is garbage are dropped
    found = client.describe_consumer_groups([name])[name].result(_ANSWER_S)
    json.dump([found.state.name, [member.member_id for member in found.members]], sys.stdout)


if __name__ == "__main__":
    _main()
