from __future__ import annotations

import pytest
from streamwarden_gate import loop
from support.gate_fakes import Clock
from support.gate_log import MemoryLog
from support.gate_memory_loop import World


@pytest.fixture(autouse=True)
def _time_ends_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch be what was read, however busy the machine is; a test that time ends one says so itself."""
    monkeypatch.setattr(loop, "_MAX_BATCH_S", 60)


@pytest.fixture
def log() -> MemoryLog:
    """A complete log: one policy, one schema, the binding, both epochs; nothing read yet."""
    return MemoryLog()


@pytest.fixture
def world(log: MemoryLog) -> World:
    """The loop over that log, with all partitions, and nothing decided yet."""
    return World(log)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that the loop goes by from now on: it stands until a test moves it."""
    made = Clock()
    monkeypatch.setattr(loop, "time", made)
    return made
