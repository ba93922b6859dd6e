"""A row of the table of faults of one running loop, and what most rows do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamwarden_contract.partitioner import partition_of
from support.gate_decisions import proposals
from support.gate_world import PARTITIONS
from support.loop_world import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.loop_world import Loop, Mark

KEY, VALUE, HEADERS = proposals([7])[0]
assert KEY is not None
assert VALUE is not None
RIGHT_PARTITION = partition_of(KEY, PARTITIONS)
NOTHING = Seen()
_NO_SETTINGS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Fault:
    """One row."""

    name: str
    happens: Callable[[Loop], object]
    expected: Seen = NOTHING
    ack: str = ""
    """Why the gate says that it rejects the policies; it keeps those that were good, or has none after its start."""
    mended: Callable[[Loop], None] | None = None
    """Without this the loop goes on by itself."""
    also: Callable[[Loop, Mark], None] | None = None
    """What else must be so, of what has come since then."""


def written(
    *,
    key: bytes | None = KEY,
    value: bytes | None = VALUE,
    headers: list[Any] = HEADERS,
    partition: int = -1,
    how: Mapping[str, Any] = _NO_SETTINGS,
) -> Callable[[Loop], None]:
    """Write a record onto the decision topic with the agent's credentials: a good one, but for what is named."""
    return lambda loop: loop.gate.write_as_agent([(key, value, headers)], partition=partition, **how)


def replaced(old: bytes, new: bytes) -> bytes:
    """Return the good value with a part replaced."""
    assert VALUE is not None
    assert old in VALUE
    return VALUE.replace(old, new)


def good_policies(loop: Loop) -> None:
    loop.publish()
