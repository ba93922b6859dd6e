"""Whose events agents refuse, from what their gates report: what is said of it on the contract. Pure."""

from collections.abc import Iterable

from streamwarden_contract.acks import GateAck, RefusedEvents
from streamwarden_contract.models.topic_contract import RefusedSource

from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.rollout import live_gates

MAX_SOURCES = 16


def refused_sources(
    state: LogState, acks: Iterable[GateAck], topic: str, known: tuple[RefusedSource, ...] = ()
) -> tuple[RefusedSource, ...]:
    """Return the producers of a topic whose events are refused, those with the most first.

    Gates of one agent share its events, so they are added up; two agents refuse the same ones, so of agents the one
    with the most counts.

    Args:
        state: the log.
        acks: of the namespace's gates.
        topic: the contract's.
        known: what was said before. It stays while agents read the topic and none of their gates has begun: they are
            at zero, or what gates say is not read yet.
    """
    readers = {record.agent: record.agent_uid for record in state.bindings.values() if topic in record.inputs}
    gates = [ack for ack in live_gates(acks, readers) if ack.state != "Starting"]
    if readers and not gates:
        return known
    said: dict[str, dict[str, list[RefusedEvents]]] = {}
    for ack in gates:
        for found in ack.refused_events:
            if found.topic == topic:
                said.setdefault(found.source, {}).setdefault(ack.agent, []).append(found)
    sources = [_worst(source, by_agent) for source, by_agent in said.items()]
    return tuple(sorted(sources, key=lambda found: (-found.at_least, found.source))[:MAX_SOURCES])


def topics_said(ack: GateAck | None) -> dict[str, tuple[RefusedEvents, ...]]:
    """Return what a running gate says of each topic; nothing of one that has ended or is gone."""
    said: dict[str, tuple[RefusedEvents, ...]] = {}
    if ack is not None and ack.state != "Stopped":
        for found in ack.refused_events:
            said[found.topic] = (*said.get(found.topic, ()), found)
    return said


def _worst(source: str, by_agent: dict[str, list[RefusedEvents]]) -> RefusedSource:
    count, found = max(
        ((sum(each.at_least for each in said), said) for _, said in sorted(by_agent.items())), key=lambda item: item[0]
    )
    shown = max(found, key=lambda each: each.at_least)
    return RefusedSource(source=source, at_least=count, reason=shown.reason, message=shown.message)
