from __future__ import annotations

import pytest
from support.gate_log import MemoryLog
from support.gate_memory_loop import World


@pytest.fixture
def log() -> MemoryLog:
    """A complete log: one policy, one schema, the binding, both epochs; nothing read yet."""
    return MemoryLog()


@pytest.fixture
def world(log: MemoryLog) -> World:
    """The loop over that log, with all partitions, and nothing decided yet."""
    return World(log)
