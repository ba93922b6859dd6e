"""Whose events agents refuse, from what their gates report."""

from __future__ import annotations

import pytest
from streamwarden_contract.acks import GateAck, RefusedEvents
from streamwarden_contract.models.topic_contract import RefusedSource
from streamwarden_contract.policylog import BindingRecord
from streamwarden_operator.desired.checks.chain import decide
from streamwarden_operator.desired.checks.contracts import EVENTS_REFUSED, REFUSING
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.refused_events import MAX_SOURCES, refused_sources
from support.manifests import part_of

TOPIC = "risk.pages"


def bound(name: str, *inputs: str) -> BindingRecord:
    return part_of(BindingRecord, agent=name, agent_uid=f"uid-{name}", inputs=inputs)


STATE = LogState(bindings={name: bound(name, TOPIC) for name in ("guard", "scout")} | {"other": bound("other", "t")})


def said(source: str = "/web", at_least: int = 1, message: str = "m", topic: str = TOPIC) -> RefusedEvents:
    return RefusedEvents(topic=topic, source=source, at_least=at_least, reason="SchemaMismatch", message=message)


def ack(*found: RefusedEvents, agent: str = "guard", pod: str = "0", **fields: object) -> GateAck:
    given: dict[str, object] = {
        "namespace": "risk",
        "agent": agent,
        "agent_uid": f"uid-{agent}",
        "pod": pod,
        "state": "InForce",
        "refused_events": found,
        "reported_at_ms": 1,
    }
    return GateAck.model_validate(given | fields)


def source(name: str = "/web", at_least: int = 1, message: str = "m") -> RefusedSource:
    return RefusedSource(source=name, at_least=at_least, reason="SchemaMismatch", message=message)


@pytest.mark.parametrize(
    ("acks", "found"),
    [
        pytest.param(
            [ack(said(at_least=10)), ack(said(at_least=100, message="n"), pod="1")],
            [source(at_least=110, message="n")],
            id="gates-of-one-agent-share-its-events-and-are-added-up",
        ),
        pytest.param(
            [ack(said(at_least=10)), ack(said(at_least=100, message="n"), agent="scout")],
            [source(at_least=100, message="n")],
            id="two-agents-refuse-the-same-events-which-count-once",
        ),
        pytest.param(
            [ack(said("/b"), said("/a"), said("/c", at_least=10))],
            [source("/c", 10), source("/a"), source("/b")],
            id="the-worst-first",
        ),
        pytest.param([ack(said(topic="risk.others"))], [], id="another-topic-is-another-contract-s"),
        pytest.param([ack(said(), agent="other"), ack()], [], id="an-agent-that-does-not-read-it-says-nothing-of-it"),
        pytest.param([ack(said(), agent_uid="earlier"), ack()], [], id="an-agent-that-was-made-again-has-new-gates"),
        pytest.param([ack(said(), state="Stopped"), ack(pod="1")], [], id="a-gate-that-has-ended-counts-no-more"),
        pytest.param([ack(said(), state="Stale")], [source()], id="a-gate-that-waits-still-counts"),
    ],
)
def test_what_is_said_of_a_topic(acks: list[GateAck], found: list[RefusedSource]) -> None:
    assert list(refused_sources(STATE, acks, TOPIC)) == found


def test_what_was_known_stays_while_none_of_the_readers_gates_has_begun() -> None:
    known = (source(at_least=1_000),)
    assert refused_sources(STATE, [], TOPIC, known) == known
    assert refused_sources(STATE, [ack(state="Starting")], TOPIC, known) == known
    assert refused_sources(STATE, [ack()], TOPIC, known) == ()
    assert refused_sources(LogState(), [], TOPIC, known) == (), "nobody reads it any more"


def test_no_more_producers_are_told_than_a_status_holds() -> None:
    acks = [ack(*(said(f"/{pod}-{number}") for number in range(16)), pod=str(pod)) for pod in range(3)]
    assert len(refused_sources(STATE, acks, TOPIC)) == MAX_SOURCES


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        pytest.param(
            [source("/web", 100, "$.score: maximum: 1")],
            "source '/web': 100 or more (SchemaMismatch, as in: $.score: maximum: 1). No handler sees these events, "
            "and each is a dead letter of its agent: mend the producer, or the contract where it asks too much",
            id="of-one",
        ),
        pytest.param(
            [source(""), *(source(f"/{number}") for number in range(5))],
            "no source that could be read: 1 or more (SchemaMismatch, as in: m); "
            + "; ".join(f"source '/{number}': 1 or more (SchemaMismatch, as in: m)" for number in range(2))
            + "; and 3 more in status.refusedEvents. No handler sees these events, and each is a dead letter of its "
            "agent: mend the producer, or the contract where it asks too much",
            id="of-many",
        ),
    ],
)
def test_the_condition_says_whose_how_many_why_and_what_to_do(sources: list[RefusedSource], message: str) -> None:
    said = decide(EVENTS_REFUSED, REFUSING, sources)
    assert (said.status, said.reason, said.message) == ("True", "EventsRefused", message)


def test_the_longest_sources_leave_room_for_what_to_do() -> None:
    said = decide(EVENTS_REFUSED, REFUSING, [source("s" * 510 + str(number), 10**9, "m" * 512) for number in range(16)])
    assert said.message.endswith("or the contract where it asks too much")
