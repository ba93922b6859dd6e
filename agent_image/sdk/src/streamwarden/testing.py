"""Run an agent on given events without a broker: the runtime's own decoding, order, retries and encoding.

result = run(agent, [event("page.observed", subject="page-0001", data={"score": 0.97})])
assert result.decisions[0].type == "block-page"
"""

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from streamwarden_contract import canonical
from streamwarden_contract.decision import Decision, Failure, ModelRef
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic
from streamwarden_contract.verdicts import Effect

from streamwarden.agent import Agent
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Handled, Outgoing, Record
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.core.writing import Author

__all__ = ["GivenEvent", "Result", "command", "event", "outcome", "run", "run_async", "tombstone"]

_EVENTS, _OUTCOMES = "test.events", "test.outcomes"
_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_BY_GATE = (("sw-format", b"1"), ("sw-verdict", Effect.ALLOW.encode()))


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """An event to run an agent on; make it with ``event`` or ``outcome``."""

    attributes: CloudEvent
    value: bytes | None
    key: bytes | None
    topic: str
    by_gate: bool = False
    """Whether a gate wrote it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an agent made of the events, in the order of the events."""

    handled: tuple[Handled, ...]
    """What came of each event."""
    waits_s: tuple[float, ...]
    """The waits before new attempts, in seconds. None of them took place."""
    given: tuple[GivenEvent, ...] = ()
    """The events, one for each that was handled."""

    @property
    def decisions(self) -> list[Decision]:
        """The decisions as their gate would read them."""
        return [decision for each in self.handled for decision in each.decisions]

    @property
    def failures(self) -> list[Failure]:
        """The events that the agent gave up."""
        return [each.failure for each in self.handled if each.failure is not None]

    @property
    def passed_over(self) -> list[GivenEvent]:
        """The events that no handler was called with: none has their type, or none of that type takes a tombstone."""
        return [given for given, each in zip(self.given, self.handled, strict=True) if each.passed_over]

    @property
    def records(self) -> list[Outgoing]:
        """The records that the runtime would write."""
        return [record for each in self.handled for record in each.outgoing]


def event(  # each is an attribute of the event, and almost always left out
    type: str,  # noqa: A002  # CloudEvents' name for it
    subject: str | None = None,
    *,
    data: object = None,
    raw: bytes | None = None,
    id: str | None = None,  # noqa: A002  # likewise
    correlationid: str | None = None,
    hops: int = 0,
) -> GivenEvent:
    """Make an event of one of the agent's inputs.

    Args:
        type: ``ce_type``.
        subject: what it is about; also the record's key.
        data: the value, as anything JSON; left out it is null. An event without value is a ``tombstone``.
        raw: the value as bytes, for what is not JSON, in place of ``data``.
        id: ``ce_id``; made from type and subject where left out.
        correlationid: id of the first event of its chain.
        hops: how many decisions lie between it and that one.
    """
    attributes = CloudEvent(
        id=id or f"{type}/{subject or ''}",
        source="/test",
        type=type,
        subject=subject,
        time=_TIME,
        correlationid=correlationid,
        hops=hops,
    )
    value = raw if raw is not None else canonical.encode(data)  # type: ignore[arg-type]  # refused where it is no JSON
    return GivenEvent(attributes, value, subject.encode() if subject else None, _EVENTS)


def command(
    type: str,  # noqa: A002  # as above
    subject: str,
    *,
    data: object = None,
    id: str | None = None,  # noqa: A002  # as above
    expirytime: datetime | None = None,
) -> GivenEvent:
    """Make a command as a gate writes it, for agents that carry commands out.

    Args:
        type: the decision type.
        subject: the entity.
        data: the decision's parameters, as anything JSON.
        id: ``ce_id``; made from type and subject where left out.
        expirytime: from when on it must not be carried out; left out it never expires. See ``now`` of ``run``.
    """
    given = event(type, subject, data=data, id=id)
    return replace(given, attributes=replace(given.attributes, expirytime=expirytime), by_gate=True)


def outcome(type: str, subject: str | None = None, *, data: object = None) -> GivenEvent:  # noqa: A002  # as above
    """Make an event that tells what came of a command."""
    given = event(type, subject, data=data)
    return GivenEvent(given.attributes, given.value, given.key, _OUTCOMES)


def tombstone(type: str, subject: str | None = None) -> GivenEvent:  # noqa: A002  # as above
    """Make an event without a value, as a compacted topic has it where something was deleted."""
    return replace(event(type, subject), value=None)


def run(
    agent: Agent,
    events: Iterable[GivenEvent],
    *,
    replay: Iterable[GivenEvent] = (),
    decision_types: Iterable[str] | None = None,
    retry: Retry | None = None,
    schema: str | None = None,
    now: datetime | None = None,
) -> Result:
    """Run ``agent`` on ``events`` and return what came of them. Not for use inside an event loop: see ``run_async``.

    Args:
        agent: the agent; what it keeps in memory stays there between runs.
        events: handed in as one batch.
        replay: past events, handed to the handlers with ``replay=True`` first.
        decision_types: the types that the AgentDeployment declares; any where left out.
        retry: as in the AgentDeployment; its defaults where left out. Waits take no time.
        schema: the JSON Schema of the contract of the events' topic, as text; any JSON fits where left out.
        now: the time, by which commands may have expired; none has where it is left out.
    """
    return asyncio.run(
        run_async(agent, events, replay=replay, decision_types=decision_types, retry=retry, schema=schema, now=now)
    )


async def run_async(
    agent: Agent,
    events: Iterable[GivenEvent],
    *,
    replay: Iterable[GivenEvent] = (),
    decision_types: Iterable[str] | None = None,
    retry: Retry | None = None,
    schema: str | None = None,
    now: datetime | None = None,
) -> Result:
    """Do as ``run`` inside an event loop."""
    waits_s: list[float] = []

    async def skip(wait_s: float) -> None:
        waits_s.append(wait_s)
        await asyncio.sleep(0)

    sources = [
        SourceTopic(name="events", topic=_EVENTS),
        SourceTopic(name="outcomes", topic=_OUTCOMES, outcome=True),
    ]
    author = Author(
        namespace="test",
        agent="agent",
        uid="test",
        decision_types=None if decision_types is None else frozenset(decision_types),
        model=ModelRef(name="test", version="1"),
    )
    dispatcher = Dispatcher(
        Routes(agent, sources, _inputs(schema)),
        author,
        Backoff.of(retry or Retry()),
        concurrency=agent.concurrency,
        sleep=skip,
        now=None if now is None else lambda: now,
    )
    for function in agent.start:
        started = function()
        if inspect.isawaitable(started):
            await started
    given = tuple(events)
    past, new = _records(list(replay), given)
    await dispatcher.handle(past, replay=True)
    return Result(tuple(await dispatcher.handle(new)), tuple(waits_s), given)


def _inputs(schema: str | None) -> AgentInputs:
    if schema is None:
        return AgentInputs()
    return AgentInputs(topics={_EVENTS: InputTopic(schema_sha256="given")}, schemas={"given": schema})


def _records(*batches: Sequence[GivenEvent]) -> list[list[Record]]:
    """Give the events places on their topics, one after another."""
    ends: defaultdict[str, int] = defaultdict(int)
    placed: list[list[Record]] = []
    for batch in batches:
        placed.append([])
        for given in batch:
            placed[-1].append(
                Record(
                    topic=given.topic,
                    partition=0,
                    offset=ends[given.topic],
                    timestamp_ms=int(_TIME.timestamp() * 1000),
                    key=given.key,
                    value=given.value,
                    headers=(*given.attributes.headers(), *(_BY_GATE if given.by_gate else ())),
                )
            )
            ends[given.topic] += 1
    return placed
