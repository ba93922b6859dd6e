"""The Lease's deadline over a Kafka in memory; ``tests/integration/operator/test_strangers.py`` has a real one."""

from __future__ import annotations

from support.lease_deadline import stops_by_its_own_clock
from support.memory_kafka import MemoryKafka


async def test_f11_past_its_lease_s_time_a_leader_writes_nothing_though_nobody_else_would_stop_it() -> None:
    await stops_by_its_own_clock(MemoryKafka())
