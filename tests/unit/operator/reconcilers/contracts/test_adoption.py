"""X48, X81: a topic that was there before is compared first; only what a contract names, or once set, is managed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.desired.management import PAUSE
from streamwarden_operator.errors import KafkaUnavailableError, LeadershipLostError
from streamwarden_operator.ports import Topic
from support.contract_world import ALL_WELL, World, conditions, message
from support.fakes import FakeTopics
from support.manifests import contract
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamwarden_operator.ports import TopicPlan

KEPT = {"retention.ms": "-1", "segment.ms": "7"}
THROTTLE = {"leader.replication.throttled.replicas": "0:1"}
ADOPTED = {**ALL_WELL, "TopicReady": ("True", "Adopted")}


class Topics(FakeTopics):
    """Topics, and what is done at the end of each change."""

    after: Callable[[], None] = staticmethod(lambda: None)

    @override
    async def apply(self, name: str, plan: TopicPlan) -> bool:
        made = await super().apply(name, plan)
        self.after()
        return made


def lose_the_answer() -> None:
    raise KafkaUnavailableError("no answer")


def with_topic(config: dict[str, str]) -> World:
    return World(topics=Topics(Topic("risk.urls", 1, 1, config)))


async def reconcile_and_lose_the_answer(world: World) -> None:
    assert isinstance(world.topics, Topics)
    world.topics.after = lose_the_answer
    with pytest.raises(KafkaUnavailableError):
        await world.reconcile()
    world.topics.after = Topics.after


async def test_x81_adopting_a_topic_takes_nothing_away_that_the_contract_does_not_name() -> None:
    world = with_topic(KEPT)
    world.cluster.put(contract(config={"max.message.bytes": 5000}))
    status = await world.reconcile()
    assert world.topics.topics["risk.urls"].config == {**KEPT, "max.message.bytes": "5000"}
    assert conditions(status) == ADOPTED


async def test_x48_what_adoption_changes_is_told_before_it_is_done() -> None:
    world = with_topic(KEPT)
    world.cluster.put(contract(config={"retention.ms": 1000}))
    told: list[int] = []
    assert isinstance(world.topics, Topics)
    world.topics.after = lambda: told.append(len(world.cluster.events))
    status = await world.reconcile()
    summary = (
        "set retention.ms=1000 (was -1); records may be deleted for it: retention.ms; "
        "left as it is, as the contract does not name it: segment.ms=7"
    )
    (event,) = world.cluster.events
    assert (event.reason, event.warning) == ("Adopted", True)
    assert event.message == f"the topic 'risk.urls' was there before, and is taken over: {summary}"
    assert told == [1]
    assert (
        message(status, "TopicReady") == f"1 partitions, 1 replicas; it was there before, and was taken over: {summary}"
    )


async def test_an_adopted_topic_goes_on_and_says_it_once() -> None:
    world = with_topic(KEPT)
    world.cluster.put(contract(config={"retention.ms": 1000}))
    first = await world.reconcile()
    writes = world.writes()
    assert await world.reconcile() == first
    assert (world.writes(), len(world.cluster.events)) == (writes, 1)


async def test_x81_what_the_contract_once_set_is_taken_away_with_it() -> None:
    world = with_topic({"segment.ms": "7"})
    world.cluster.put(contract(config={"retention.ms": 1000}))
    await world.reconcile()
    world.edit(config={"max.message.bytes": 5000})
    assert conditions(await world.reconcile()) == ADOPTED
    assert world.topics.topics["risk.urls"].config == {"segment.ms": "7", "max.message.bytes": "5000"}


async def test_what_was_set_is_remembered_before_it_is_set() -> None:
    world = with_topic({})
    world.cluster.put(contract(config={"retention.ms": 1000}))
    await reconcile_and_lose_the_answer(world)
    world.edit(config={})
    await world.reconcile()
    assert world.topics.topics["risk.urls"].config == {}


async def test_a_crash_after_a_topic_was_made_is_no_adoption() -> None:
    world = World(topics=Topics())
    world.cluster.put(contract(config={"retention.ms": 1000}))
    await reconcile_and_lose_the_answer(world)
    assert conditions(await world.reconcile()) == ALL_WELL
    assert world.cluster.events == []


async def test_x42_a_reassignments_throttle_is_left_alone_and_no_drift(world: World) -> None:
    world.cluster.put(contract(config={"retention.ms": 1000}))
    well = await world.reconcile()
    topic = world.topics.topics["risk.urls"]
    world.topics.topics["risk.urls"] = replace(topic, config={**topic.config, **THROTTLE})
    writes = world.writes()
    assert await world.reconcile() == well
    assert world.writes() == writes


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"cleanup.policy": "compact, delete"}, id="a-list-with-a-blank"),
        pytest.param({"min.cleanable.dirty.ratio": 1}, id="a-whole-number-of-a-double"),
    ],
)
async def test_x41_a_configuration_that_kafka_writes_otherwise_is_ready(
    world: World, config: dict[str, object]
) -> None:
    world.cluster.put(contract(config=config))
    first = await world.reconcile()
    assert conditions(first) == ALL_WELL
    writes = world.writes()
    assert await world.reconcile() == first
    assert world.writes() == writes


async def test_x48_a_paused_contract_says_what_it_would_change_and_changes_nothing() -> None:
    world = with_topic(KEPT)
    paused = contract(config={"retention.ms": 1000})
    metadata = paused.metadata.model_copy(update={"annotations": {PAUSE: "true"}})
    world.cluster.put(paused.model_copy(update={"metadata": metadata}))
    status = await world.reconcile()
    assert message(status, "ReconciliationPaused").endswith(
        ". Then: take the topic over, which is there already: set retention.ms=1000 (was -1); records may be deleted "
        "for it: retention.ms; left as it is, as the contract does not name it: segment.ms=7"
    )
    assert (world.topics.writes, world.cluster.events) == ([], [])


async def test_who_is_fenced_says_nothing_and_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fenced(_items: object) -> None:
        raise LeadershipLostError("another operator has taken over")

    monkeypatch.setattr(world.inventory, "note", fenced)
    world.cluster.put(contract())
    with pytest.raises(LeadershipLostError):
        await world.reconcile()
    assert (world.topics.writes, world.contract().status.conditions) == ([], ())


async def test_a_paused_contract_that_cannot_be_kept_says_why(world: World) -> None:
    world.cluster.put(contract())
    await world.reconcile()
    world.topics.topics["risk.urls"] = replace(world.topics.topics["risk.urls"], partitions=5)
    found = world.contract()
    metadata = found.metadata.model_copy(update={"annotations": {PAUSE: "true"}})
    world.cluster.put(found.model_copy(update={"metadata": metadata}))
    assert "cannot shrink to 1" in message(await world.reconcile(), "ReconciliationPaused")
    world.topics.down = True
    assert message(await world.reconcile(), "ReconciliationPaused").endswith("until the annotation is gone")


async def test_a_topic_of_an_installation_without_inventory_is_taken_over_silently(world: World) -> None:
    world.cluster.put(contract(config={"retention.ms": 1000}))
    await world.reconcile()
    upgraded = World(cluster=world.cluster, topics=world.topics, registry=world.registry)
    assert conditions(await upgraded.reconcile()) == ALL_WELL
    assert upgraded.cluster.events == []
    upgraded.edit(config={})
    await upgraded.reconcile()
    assert upgraded.topics.topics["risk.urls"].config == {}
