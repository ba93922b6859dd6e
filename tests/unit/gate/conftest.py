from __future__ import annotations

import pytest
from support.gate_log import MemoryLog


@pytest.fixture
def log() -> MemoryLog:
    """A complete log: one policy, one schema, the binding, both epochs; nothing read yet."""
    return MemoryLog()
