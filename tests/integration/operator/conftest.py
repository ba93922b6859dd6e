"""What all tests of the operator's adapters need."""

from collections.abc import AsyncIterator

import pytest
from support.kafka_adapters import close_ports


@pytest.fixture(autouse=True)
async def ports_are_closed() -> AsyncIterator[None]:
    """Close the connections of real ports, in the event loop that they belong to."""
    yield
    await close_ports()
