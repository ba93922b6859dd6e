"""Whose events the agent refuses: what an ack says of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.acks import MAX_REFUSED_EVENTS, RefusedEvents
from streamwarden_contract.decision import Cause, Failure
from streamwarden_contract.events import FAILURE_TYPE
from streamwarden_gate.refused_events import RefusedEventTally
from support import gate_fakes
from support.gate_log import headers, record
from support.gate_memory_loop import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gate_log import MemoryLog

INPUT = "risk.inputs"


def failure(source: str | None = "/web", topic: str = INPUT, **fields: object) -> Failure:
    given = {
        "format": 2,
        "cause": Cause(topic=topic, partition=0, offset=7),
        "error": "MalformedEventError: not what the contract promises: $.score: maximum: 1",
        "attempts": 1,
        "stage": "Decode",
        "fault": "SchemaMismatch",
        "source": source,
    }
    return Failure.model_validate(given | fields)


def refused(
    at_least: int, source: str = "/web", message: str = "not what the contract promises: $.score: maximum: 1"
) -> RefusedEvents:
    return RefusedEvents(topic=INPUT, source=source, at_least=at_least, reason="SchemaMismatch", message=message)


class Told:
    """A tally that is given failure records one behind the other."""

    def __init__(self) -> None:
        self.tally = RefusedEventTally()
        self.tally.keep("topic-id", (INPUT,))
        self.offset = 0

    def note(self, *failures: Failure) -> list[RefusedEvents]:
        for each in failures:
            self.tally.note(record(each.encode(), offset=self.offset), each)
            self.offset += 1
        return list(self.tally.told)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_producer_is_told_at_its_first_event_and_at_each_power_of_ten_with_what_was_wrong_then(told: Told) -> None:
    said: list[list[RefusedEvents]] = [[]]
    for number in range(1, 251):
        found = told.note(failure(error=f"MalformedEventError: $.n: maximum: {number}"))
        if found != said[-1]:
            said.append(found)
    assert said == [[], *([refused(most, message=f"$.n: maximum: {most}")] for most in (1, 10, 100))]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(failure(fault=None, source=None, stage="Handle"), id="that-a-handler-gave-up"),
        pytest.param(failure(topic="risk.others"), id="of-a-topic-that-the-agent-does-not-read"),
    ],
)
def test_an_event_is_not_counted(told: Told, given: Failure) -> None:
    assert told.note(given) == []


def test_an_event_without_a_source_counts_for_nobody_s_and_hidden_characters_are_written_out(told: Told) -> None:
    found = told.note(failure(None), failure("/a\u202eb", error="E: \u202e"))
    assert found == [refused(1, ""), refused(1, "/a\\u202eb", message="\\u202e")]


def test_a_record_that_is_judged_again_counts_once(told: Told) -> None:
    told.note(*[failure()] * 9)
    told.offset = 0
    assert told.note(*[failure()] * 9) == [refused(1)]
    assert told.note(failure()) == [refused(10)]


def test_offsets_of_a_decision_topic_that_was_made_again_begin_anew(told: Told) -> None:
    told.note(*[failure()] * 9)
    told.tally.keep("another-id", (INPUT,))
    told.offset = 0
    assert told.note(failure()) == [refused(10)]


def test_what_is_counted_stays_under_a_new_set_as_long_as_the_topic_is_an_input(told: Told) -> None:
    told.note(failure())
    told.tally.keep("topic-id", ("risk.more", INPUT))
    assert list(told.tally.told) == [refused(1)]
    told.tally.keep("topic-id", ("risk.more",))
    assert list(told.tally.told) == []


@pytest.mark.slow
def test_of_many_producers_the_worst_are_told_and_a_new_name_moves_none_of_them(told: Told) -> None:
    told.note(*(failure(f"/{1_000 - number}") for number in range(300)))
    first = [f"/{1_000 - number}" for number in range(MAX_REFUSED_EVENTS)]
    assert [found.source for found in told.tally.told] == first
    told.note(*[failure("/900")] * 9)
    assert [found.source for found in told.tally.told] == ["/900", *first[:-1]]
    assert told.note(*[failure("/0")] * 100)[0].source == "/900", "what came behind 256 others is not counted"


# --- in the loop ----------------------------------------------------------------------------------------------------


def give_up(world: World, count: int) -> None:
    own = world.kafka.log[record(b"").partition]
    for _ in range(count):
        own.append(record(failure().encode(), headers_=headers(type_=FAILURE_TYPE), offset=len(own)))


def test_a_gate_says_what_it_judges_also_while_its_policies_may_be_outdated(log: MemoryLog) -> None:
    world = World(log)
    give_up(world, 12)
    world.steps()
    assert list(world.reports.said[-1].refused_events) == [refused(10)]
    assert [audit["deadLetter"] for audit in world.audits] == ["AgentFailure"] * 12
    world.policies.proven_at_s = time.monotonic() - 31
    world.steps()
    assert (world.reports.said[-1].state, list(world.reports.said[-1].refused_events)) == ("Stale", [refused(10)])


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(gate_fakes.aborted, id="aborted"),
        pytest.param(gate_fakes.unknown_and_lost, id="unknown-and-lost"),
    ],
)
def test_a_transaction_that_fails_counts_nothing_twice(log: MemoryLog, ending: Callable[..., None]) -> None:
    world = World(log)
    world.steps(1)
    give_up(world, 9)
    world.kafka.endings = [ending]
    world.steps(10)
    assert len(world.audits) == 9
    assert list(world.reports.said[-1].refused_events) == [refused(1)]
