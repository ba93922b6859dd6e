"""How often Kafka is asked for an order that adopts many namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract.inventory_requests import Action
from streamwarden_operator.ports import SignedRecord, Topic
from support.inventory_requests import FakeInventoryRequests, ordered, request_of
from support.operator_harness import Harness, running, whole_namespace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pytest


async def test_many_namespaces_are_adopted_with_one_look_at_topics_and_one_at_each_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"n-{number:03}" for number in range(50)]

    def with_topics(harness: Harness) -> None:
        harness.requests = FakeInventoryRequests()
        for name in names:
            topic = f"{name}.streamwarden.policies"
            harness.topics.topics[topic] = Topic(topic, partitions=1)
            harness.log.topics.setdefault(topic, {})

    async with running(*whole_namespace(), prepare=with_topics) as harness:
        observed, looked = list[int](), list[str]()
        observe, look = harness.topics.observe, harness.log.look

        async def count_topics(wanted: Collection[str]) -> Mapping[str, Topic]:
            observed.append(len(wanted))
            return await observe(wanted)

        async def count_looks(topic: str) -> Mapping[bytes, SignedRecord]:
            looked.append(topic)
            return await look(topic)

        monkeypatch.setattr(harness.topics, "observe", count_topics)
        monkeypatch.setattr(harness.log, "look", count_looks)
        answer = await ordered(
            harness, request_of(Action.ADOPT, *(f"namespace/{name}" for name in names), dry_run=True)
        )
    assert len(answer.items) == 50
    assert [each for each in observed if each > 1] == [50]
    assert sorted(each for each in looked if each.startswith("n-")) == [
        f"{name}.streamwarden.policies" for name in names
    ]
