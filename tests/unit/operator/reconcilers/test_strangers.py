"""Strangers and two installations on a Kafka in memory (X80): nobody's things are touched."""

from __future__ import annotations

import pytest
from support.memory_kafka import MemoryKafka
from support.strangers import Shared, StrangersBehaviour

pytestmark = pytest.mark.slow


@pytest.fixture
def shared() -> Shared:
    """Nothing that another test leaves: any of them runs alone."""
    return Shared(MemoryKafka())


class TestStrangersInMemory(StrangersBehaviour):
    """The suite, over the fakes of all ports."""
