"""How far agents and gates are behind, and when a loop has come to rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamwarden_operator.ports import Offsets, PartitionOffsets

    from streamwarden_cli.session.roles import AgentTopics


@dataclass(frozen=True, slots=True)
class GroupReading:
    """One group on its topics."""

    partitions: tuple[PartitionOffsets, ...]

    @property
    def lag_records(self) -> int | None:
        """Records (markers included) that the group has not committed; None: unknown, which is not zero.

        Unknown is a partition with records of which nothing is committed. Open transactions count.
        """
        total = 0
        for partition in self.partitions:
            if partition.high == partition.low:
                continue
            if partition.committed is None:
                return None
            total += max(0, partition.high - partition.committed)
        return total


@dataclass(frozen=True, slots=True)
class AgentReading:
    """An agent and its gate."""

    label: str
    agent: GroupReading
    gate: GroupReading


Reading = tuple[AgentReading, ...]


async def read_lags(offsets: Offsets, agents: Iterable[AgentTopics]) -> Reading:
    """Read all groups of these agents.

    Raises:
        OperatorError: Kafka does not answer.
    """

    async def group(name: str, topics: Iterable[str]) -> GroupReading:
        found = await asyncio.gather(*(offsets.observe(name, topic) for topic in sorted(topics)))
        return GroupReading(tuple(partition for topic in found for partition in topic))

    async def agent(topics: AgentTopics) -> AgentReading:
        names = topics.names
        read = await asyncio.gather(group(names.agent_group, topics.reads), group(names.gate_group, [names.decisions]))
        return AgentReading(topics.label, *read)

    return tuple(await asyncio.gather(*(agent(topics) for topics in agents)))


def is_at_rest(readings: Sequence[Reading]) -> bool:
    """Tell whether the last two readings are equal and show no lag.

    One reading is not enough: its groups are not read at one moment, and a record may pass between them.
    """
    match readings:
        case [*_, before, last]:
            groups = [group for agent in last for group in (agent.agent, agent.gate)]
            return before == last and bool(groups) and all(group.lag_records == 0 for group in groups)
        case _:
            return False
