"""Leaving a group in the name of a member that died: nobody waits for its session to end."""

import asyncio

from aiokafka.protocol.group import LeaveGroupRequest

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal
from streamwarden_kafka.wire.groups import find_coordinator

_REQUEST_TIMEOUT_S = 3.0
"""Waiting longer would cost what it saves."""
_UNKNOWN_MEMBER = 25


def leave_group(connection: Connection, client_id: str, group: str, member_id: str) -> None:
    """Let a dead member leave its group; one that is not there any more has left. Not for use inside an event loop.

    Raises:
        BrokerUnavailableError: it could not be done; then its session ends by itself.
        ConnectionSettingsError: the configuration cannot be used.
    """
    asyncio.run(_leave(Wire(connection, client_id, timeout_s=_REQUEST_TIMEOUT_S), group, member_id))


async def _leave(wire: Wire, group: str, member_id: str) -> None:
    async with wire:
        await leave_through(wire, group, member_id)


async def leave_through(wire: Wire, group: str, member_id: str) -> None:
    """Do so over connections that there are."""
    node = await find_coordinator(wire, await wire.any_broker(), group)
    answer = await (await wire.broker(node)).ask(LeaveGroupRequest(group, member_id))
    if answer.error_code not in {NO_ERROR, _UNKNOWN_MEMBER}:
        raise refusal(answer.error_code, f"leave the group {group!r}")
