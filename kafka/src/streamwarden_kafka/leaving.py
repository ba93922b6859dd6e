"""Leaving a group in the name of a member that cannot."""

import structlog

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError


def leave_for(connection: Connection, group: str, gone: str) -> None:
    """Leave a group in the name of a member that cannot, as its process died or its client hangs.

    Else all others wait for its session's end; while its client still sends heartbeats, for ``max.poll.interval.ms``.
    Where it cannot be done that is only said.
    """
    from streamwarden_kafka.wire.leaving import leave_group  # 20 MB that hardly any process needs

    try:
        leave_group(connection, f"{group}-leave", group, gone)
    except KafkaClientError as error:
        structlog.get_logger(__name__).warning("the group still waits for a member that is gone", error=str(error))
