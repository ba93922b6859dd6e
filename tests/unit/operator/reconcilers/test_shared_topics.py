"""The topics that agents share: their loss is an incident (X84, faults 33 and 34), their replicas are told (X101)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from streamwarden_contract.inventory import NamespaceItem, decode_item
from streamwarden_operator import clock
from streamwarden_operator.keys import Key
from support.operator_harness import SETTINGS, Harness, agent, conditions_of, running, until, whole_namespace

AUDIT, DEAD_LETTERS, GATES = (f"risk.streamwarden.{name}" for name in ("audit", "dlq", "gates"))
OWN, GUARDRAILS = "risk.streamwarden.policies", "streamwarden.policies"
NAMESPACE, INSTALLATION = Key("Namespace", "risk"), Key("Namespace", "streamwarden")
SAFE = SETTINGS.model_copy(update={"shared_topic_replicas": 3, "shared_topic_min_insync_replicas": 2})
LOST, WEAK = ("False", "SharedTopicLost"), ("True", "TooFewReplicas")


def topics_ready(harness: Harness) -> tuple[str, str]:
    return conditions_of(harness.get(agent()))["TopicsReady"]


def item_of(harness: Harness) -> NamespaceItem:
    record = harness.log.topics["streamwarden.inventory"][b"namespace/risk"]
    found = decode_item(record.key, record.value or b"")
    assert isinstance(found, NamespaceItem)
    return found


@pytest.mark.parametrize("lost", [AUDIT, DEAD_LETTERS, GATES, OWN])
async def test_f33_x84_a_deleted_shared_topic_is_an_incident_and_not_made_again_in_silence(lost: str) -> None:
    async with running(*whole_namespace()) as harness:
        was = harness.topics.topics.pop(lost)
        harness.controller.add(NAMESPACE)
        await until(lambda: topics_ready(harness) == LOST)
        assert lost not in harness.topics.topics
        told = [event for event in harness.cluster.events if event.key == NAMESPACE]
        assert [event.reason for event in told] == ["SharedTopicLost"]
        command = f"kubectl annotate namespace risk --overwrite streamwarden.io/accept-loss={was.topic_id}"
        assert told[0].message.endswith(command)


async def test_x84_a_loss_that_lasts_is_told_again_before_its_event_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*whole_namespace()) as harness:
        del harness.topics.topics[AUDIT]
        harness.controller.add(NAMESPACE)
        await until(lambda: topics_ready(harness) == LOST)
        await harness.settle()
        monkeypatch.setattr(clock, "TOLD_AGAIN_AFTER", timedelta(0))
        harness.controller.add(NAMESPACE)
        await harness.settle()
        told = [event.message for event in harness.cluster.events if event.key == NAMESPACE]
        assert len(told) > 1
        assert len(set(told)) == 1


async def test_f34_x84_a_shared_topic_that_somebody_has_made_again_is_an_incident_too() -> None:
    async with running(*whole_namespace()) as harness:
        was = harness.topics.topics[AUDIT]
        harness.topics.topics[AUDIT] = replace(was, topic_id="another")
        harness.controller.add(NAMESPACE)
        await until(lambda: topics_ready(harness) == LOST)
        assert harness.binding().audit_topic_id == was.topic_id


async def test_x84_people_end_it_on_purpose_and_the_inventory_keeps_what_was_lost() -> None:
    async with running(*whole_namespace()) as harness:
        was = harness.topics.topics.pop(AUDIT).topic_id
        harness.controller.add(NAMESPACE)
        await until(lambda: topics_ready(harness) == LOST)
        harness.cluster.annotations["risk"] = {"streamwarden.io/accept-loss": "of-an-earlier-one"}
        harness.controller.add(NAMESPACE)
        await harness.settle()
        assert AUDIT not in harness.topics.topics
        told = [event.message for event in harness.cluster.events if event.key == NAMESPACE]
        missed = "streamwarden.io/accept-loss says 'of-an-earlier-one' now, which is something else. "
        assert [missed in message for message in told] == [False, True]
        harness.cluster.annotations["risk"] = {"streamwarden.io/accept-loss": f"of-an-earlier-one,{was}"}
        harness.controller.add(NAMESPACE)
        await until(lambda: topics_ready(harness)[0] == "True")
        made = harness.topics.topics[AUDIT].topic_id
        assert (item_of(harness).topics[AUDIT], item_of(harness).lost) == (made, (was,))
        await until(lambda: harness.binding().audit_topic_id == made)
        harness.topics.topics.pop(AUDIT)  # once more: the annotation was for the first loss alone
        harness.controller.add(NAMESPACE)
        await until(lambda: topics_ready(harness) == LOST)


async def test_x84_lost_guardrails_are_every_agents_incident() -> None:
    async with running(*whole_namespace()) as harness:
        was = harness.topics.topics.pop(GUARDRAILS).topic_id
        harness.controller.add(INSTALLATION)
        await until(lambda: topics_ready(harness) == LOST)
        harness.cluster.annotations["streamwarden"] = {"streamwarden.io/accept-loss": was}
        harness.controller.add(INSTALLATION)
        await until(lambda: topics_ready(harness)[0] == "True")


async def test_topics_of_before_their_ids_were_kept_are_taken_as_they_are() -> None:
    async with running(*whole_namespace()) as first:
        known = dict(first.topics.topics)
        item = item_of(first).model_copy(update={"topics": {}})

    def earlier(harness: Harness) -> None:
        harness.topics.topics |= known
        harness.remember(item)

    async with running(*whole_namespace(), prepare=earlier) as harness:
        assert item_of(harness).topics == {name: known[name].topic_id for name in (AUDIT, DEAD_LETTERS, GATES, OWN)}


async def test_x101_shared_topics_are_made_with_the_replicas_of_the_settings() -> None:
    def three_brokers(harness: Harness) -> None:
        harness.topics.brokers = 3

    async with running(*whole_namespace(), settings=SAFE, prepare=three_brokers) as harness:
        shared = [harness.topics.topics[name] for name in (AUDIT, DEAD_LETTERS, GATES, OWN, GUARDRAILS)]
        shared.append(harness.topics.topics["streamwarden.inventory"])
        found = {(topic.replication_factor, topic.config["min.insync.replicas"]) for topic in shared}
        assert found == {(3, "2")}
        assert topics_ready(harness) == ("True", "OK")


async def test_x101_more_replicas_than_brokers_are_told() -> None:
    harness = Harness(SAFE)
    harness.put(*whole_namespace())
    await harness.controller.start()
    harness.controller.caches_complete()
    try:
        await until(lambda: ("False", "TooFewReplicas") in conditions_of(harness.get(agent())).values())
        assert {event.reason for event in harness.cluster.events if event.key == NAMESPACE} == {"TooFewReplicas"}
    finally:
        await harness.controller.stop()


async def test_x101_too_few_replicas_are_told_and_no_minimum_is_set_that_would_stop_all_writing() -> None:
    def thin(harness: Harness) -> None:
        harness.topics.topics = {
            name: replace(topic, replication_factor=1) for name, topic in first.topics.topics.items()
        }
        harness.log.topics = first.log.topics
        harness.keys.take(first.keys.held)

    async with running(*whole_namespace()) as first:
        pass
    async with running(*whole_namespace(), settings=SAFE, prepare=thin) as harness:
        await until(lambda: topics_ready(harness) == WEAK)
        audit = harness.topics.topics[AUDIT]
        assert (audit.replication_factor, "min.insync.replicas" in audit.config) == (1, False)
        [told] = [event.message for event in harness.cluster.events if event.key == NAMESPACE]
        assert told == "; ".join(f"{name} has 1 of 3 replicas" for name in (AUDIT, DEAD_LETTERS, GATES, OWN))
