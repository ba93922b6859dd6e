"""Strangers and two installations on a real Kafka and its registry (X80): nobody's things are touched.

Marked ``chaos``: it takes two to six minutes, as each of its dumps reads all that there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.lease_deadline import stops_by_its_own_clock
from support.stack_fixture import running_stack
from support.strangers import Shared, StrangersBehaviour
from support.whole_kafka import RealKafka

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.own_stack, pytest.mark.chaos]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A Kafka of their own: others' tests would be strangers that change."""
    with running_stack(tmp_path_factory.mktemp("strangers")) as stack:
        yield Shared(RealKafka(stack))


class TestStrangersOnKafka(StrangersBehaviour):
    """The suite, over processes that answer."""

    async def test_f11_past_its_lease_s_time_a_leader_writes_nothing_though_this_kafka_would_take_it(
        self, shared: Shared
    ) -> None:
        await stops_by_its_own_clock(shared.kafka)
