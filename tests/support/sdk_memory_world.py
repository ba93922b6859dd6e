"""The SDK's server on a Kafka in memory, with one pod of an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden.core.records import Partition
from support.sdk_fakes import FakeFeed, FakeKafka, FakeTransactions, fake_ports
from support.sdk_served import Served, causes, page_headers

if TYPE_CHECKING:
    from streamwarden import Agent


A, B = Partition("pages", 0), Partition("pages", 1)


class World:
    """A topic with two partitions, and one pod of the agent."""

    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.kafka.create_topic("pages", 2)
        self.feed = FakeFeed(self.kafka, ["pages"])
        self.transactions = FakeTransactions(self.kafka)

    def observe(self, *numbers: int, kind: str = "page.observed", at: Partition = A) -> None:
        for number in numbers:
            self.kafka.append(at, f"page-{number}".encode(), b"{}", page_headers(number, kind))

    def serve(self, agent: Agent) -> Served:
        return Served(fake_ports(self.kafka, self.feed, self.transactions), agent)

    def decided(self) -> list[tuple[int, int]]:
        return causes(each.value for each in self.kafka.decisions)

    def caught_up(self) -> bool:
        return self.kafka.committed == {at: len(log) for at, log in self.kafka.logs.items()}
