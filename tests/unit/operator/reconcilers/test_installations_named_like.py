"""A namespace that is called like another installation (X80): its topics could be those that the other lives by."""

from __future__ import annotations

from streamwarden_contract.names import InstallationNames
from streamwarden_operator.ports import Topic
from support.operator_harness import (
    SETTINGS,
    agent,
    conditions_of,
    contract,
    on_the_kafka_of,
    running,
    state_of,
    whole_namespace,
)

GUARD = agent()
CALLED_RISK = SETTINGS.model_copy(update={"installation": "risk"})
SECOND = SETTINGS.model_copy(update={"installation": "second"})
THEIRS = InstallationNames("risk")


async def test_x80_a_namespace_called_like_an_installation_is_told_and_its_contracts_get_no_topic_of_that_one() -> None:
    async with running(settings=CALLED_RISK) as first:
        assert {THEIRS.inventory, THEIRS.guardrails} <= set(first.topics.topics)
        before = state_of(first)
        second, inventory = on_the_kafka_of(first, SECOND), contract("inventory", access={"producers": ["User:web"]})
        second.put(*whole_namespace(), inventory)
        await second.controller.start()
        second.controller.caches_complete()
        await second.settle()
        assert conditions_of(second.get(GUARD))["Ready"] == ("False", "NamespaceTaken")
        assert conditions_of(second.get(inventory))["TopicReady"] == ("False", "NamespaceTaken")
        said = {part.type: part.message for part in second.get(inventory).status.conditions}["TopicReady"]
        assert "another installation in this Kafka is called 'risk'" in said
        assert state_of(first) == before
        await second.controller.stop()


async def test_a_namespace_may_have_topics_that_are_called_like_an_installation_s_where_none_has_the_name() -> None:
    async with running(*whole_namespace(), contract("inventory"), contract("policies")) as harness:
        assert {THEIRS.inventory, THEIRS.guardrails} <= set(harness.topics.topics)
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")


async def test_topics_that_somebody_made_with_these_names_and_nobody_signed_are_no_installation() -> None:
    async with running() as first:
        for name in (THEIRS.inventory, THEIRS.guardrails):
            first.topics.topics[name] = Topic(name, partitions=1)
        second = on_the_kafka_of(first, SECOND)
        second.put(*whole_namespace())
        await second.controller.start()
        second.controller.caches_complete()
        await second.settle()
        assert conditions_of(second.get(GUARD))["AccessReady"] == ("True", "OK")
        await second.controller.stop()
