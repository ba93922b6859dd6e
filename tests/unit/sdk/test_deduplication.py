"""An id that an earlier process has handled is not handled again, where its handler says so."""

from __future__ import annotations

import pytest
from streamwarden import Agent, Event
from support.sdk_fakes import FakeFeed, FakeTransactions
from support.sdk_memory_world import A, World
from support.sdk_served import page_headers

_BY_GATE = [("sw-format", b"1"), ("sw-verdict", b"Allow")]


class ExecutorWorld(World):
    """One pod after another of an agent that carries out commands."""

    def __init__(self, *, deduplicate: bool) -> None:
        super().__init__()
        self.kafka.members.clear()
        self.carried_out: list[int] = []
        self.agent = Agent()

        @self.agent.on_event("page.observed", deduplicate=deduplicate)
        def carry_out(event: Event) -> None:
            self.carried_out.append(event.offset)

    def command(self, *numbers: int) -> None:
        for number in numbers:
            self.kafka.append(A, b"page", b"{}", [*page_headers(number), *_BY_GATE])

    async def run_a_pod(self) -> None:
        self.feed = FakeFeed(self.kafka, ["pages"])
        self.transactions = FakeTransactions(self.kafka)
        async with self.serve(self.agent) as served:
            await served.until(self.caught_up)


@pytest.mark.parametrize(
    ("deduplicate", "carried_out"), [(True, [0, 1, 3]), (False, [0, 1, 2, 3])], ids=["deduplicate", "not"]
)
async def test_a_copy_of_a_command_that_an_earlier_process_has_handled(
    *, deduplicate: bool, carried_out: list[int]
) -> None:
    world = ExecutorWorld(deduplicate=deduplicate)
    world.command(1, 2)
    await world.run_a_pod()
    world.command(1, 3)
    await world.run_a_pod()
    assert world.carried_out == carried_out
