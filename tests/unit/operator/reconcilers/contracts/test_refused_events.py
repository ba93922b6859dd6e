"""What a TopicContract says of events that agents refuse: status, condition, and one Event a producer."""

from __future__ import annotations

from streamwarden_contract.acks import RefusedEvents
from support.operator_harness import Harness, agent, conditions_of, contract, running, until
from support.policy_fakes import ack_of

PAGES = contract("pages")


def said(source: str, at_least: int = 1, topic: str = "risk.pages") -> RefusedEvents:
    return RefusedEvents(topic=topic, source=source, at_least=at_least, reason="SchemaMismatch", message="$.n: type")


def say(harness: Harness, *found: RefusedEvents, pod: str = "pod-0", **fields: object) -> None:
    harness.acks.say(ack_of(harness.binding(), pod, refused_events=found, **fields))


def known(harness: Harness) -> list[tuple[str, int, str]]:
    return [(each.source, each.at_least, each.message) for each in harness.get(PAGES).status.refused_events]


def events(harness: Harness) -> list[tuple[str, str]]:
    found = [event for event in harness.cluster.events if event.reason == "EventsRefused"]
    assert all(event.warning for event in found)
    return [(str(event.key), event.message.partition(". ")[0]) for event in found]


async def test_a_contract_says_whose_events_are_refused_and_stays_ready() -> None:
    async with running(PAGES, contract("commands"), agent()) as harness:
        assert "EventsRefused" not in conditions_of(harness.get(PAGES))
        say(harness, said("/web", 10))
        await until(lambda: known(harness) == [("/web", 10, "$.n: type")])
        assert conditions_of(harness.get(PAGES))["EventsRefused"] == ("True", "EventsRefused")
        assert conditions_of(harness.get(PAGES))["Ready"] == ("True", "OK")
        assert harness.get(contract("commands")).status.refused_events == ()
        say(harness, said("/web", 100), said("/app"), pod="pod-1")
        await until(lambda: known(harness) == [("/web", 110, "$.n: type"), ("/app", 1, "$.n: type")])
        await harness.settle()
        assert events(harness) == [
            ("TopicContract risk/pages", "source '/web': 10 or more (SchemaMismatch, as in: $.n: type)"),
            ("TopicContract risk/pages", "source '/app': 1 or more (SchemaMismatch, as in: $.n: type)"),
        ]


async def test_it_says_no_more_once_gates_that_count_none_have_taken_over() -> None:
    async with running(PAGES, contract("commands"), agent()) as harness:
        say(harness, said("/web"))
        await until(lambda: known(harness))
        say(harness, state="Stopped")
        await harness.settle()
        assert known(harness), "at zero, the last that was known stays"
        say(harness, said("/else", topic="risk.commands"), pod="pod-1")
        harness.put(harness.get(PAGES))
        await until(lambda: not known(harness))
        assert "EventsRefused" not in conditions_of(harness.get(PAGES))


async def test_an_ack_that_says_nothing_new_of_events_wakes_no_contract() -> None:
    async with running(PAGES, contract("commands"), agent()) as harness:
        say(harness, said("/web"))
        await until(lambda: known(harness))
        await harness.settle()
        before = len(harness.effects)
        say(harness, said("/web"), reported_at_ms=2)
        await harness.settle()
        assert len(harness.effects) == before
        assert len(events(harness)) == 1
