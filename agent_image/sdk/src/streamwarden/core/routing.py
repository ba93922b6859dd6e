"""Which handler an input record goes to, and what it is called with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from streamwarden_contract import canonical, events
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_contract.runtime_config import SourceTopic

from streamwarden.agent import Agent
from streamwarden.core.records import Record
from streamwarden.errors import AgentDefinitionError
from streamwarden.event import Event
from streamwarden.handlers import Handler

_MAX_NAMED_FAULTS = 5


@dataclass(frozen=True, slots=True)
class Call:
    """A handler and the event that it is to be called with."""

    handler: Handler
    event: Event
    arguments: tuple[object, ...]
    """One or two: the payload (a model, an object or the event itself), and the event where the handler wants it."""
    dropped: frozenset[str]
    """Optional attributes of the event that were wrong, and so left out."""


class Routes:
    """The handlers of an agent by topic and event type."""

    def __init__(self, agent: Agent, sources: Iterable[SourceTopic]) -> None:
        """Bring them together.

        Args:
            agent: read once, now; handlers that are added later are not served.
            sources: the agent's inputs and outcomes, each topic once. One without types brings every type.
        """
        self._sources = tuple(sources)
        self._routes: dict[str, tuple[frozenset[str], Mapping[str, Handler]]] = {
            source.topic: (frozenset(source.types), agent.outcomes if source.outcome else agent.events)
            for source in self._sources
        }
        self._agent = agent

    @property
    def topics(self) -> list[str]:
        """Every topic that the agent reads."""
        return sorted(self._routes)

    @property
    def replayed_topics(self) -> frozenset[str]:
        """Topics with a handler that wants past events at start."""
        return frozenset(
            topic
            for topic, (types, handlers) in self._routes.items()
            if any(handler.replay and (not types or name in types) for name, handler in handlers.items())
        )

    def prepare(self, record: Record, *, replay: bool) -> Call | None:
        """Decode ``record`` for its handler. None where no handler wants it, or its type is not among the source's.

        Args:
            record: of one of ``topics``.
            replay: whether it is a past event, which only handlers with ``replay=True`` want.

        Raises:
            MalformedEventError: it is no CloudEvent, or its value is not strict JSON or not what the handler takes.
        """
        types, handlers = self._routes[record.topic]
        dropped: set[str] = set()
        attributes = events.decode(record.headers, strict=False, dropped=dropped)
        handler = handlers.get(attributes.type)
        if handler is None or (types and attributes.type not in types) or (replay and not handler.replay):
            return None
        event = _build_event(attributes, record)
        first = _payload(handler, event, record.value) if handler.wants_data else event
        return Call(handler, event, (first, event) if handler.wants_event else (first,), frozenset(dropped))

    def check(self) -> list[str]:
        """Compare the handlers with the sources, and return the event types that are read and not handled.

        Raises:
            AgentDefinitionError: the agent handles nothing, or something that it is never given.
        """
        for decorator, kind, handlers, sources in (
            ("on_event", "inputs", self._agent.events, [s for s in self._sources if not s.outcome]),
            ("on_outcome", "outcomes", self._agent.outcomes, [s for s in self._sources if s.outcome]),
        ):
            given = {name for source in sources for name in source.types}
            anything = any(not source.types for source in sources)
            for name in handlers:
                if name not in given and not anything:
                    raise AgentDefinitionError(
                        f"@agent.{decorator}({name!r}) is never called: "
                        f"the AgentDeployment's {kind} bring {', '.join(sorted(given)) or 'nothing'}"
                    )
        if not self._agent.events and not self._agent.outcomes:
            raise AgentDefinitionError("the agent has no handler: write @agent.on_event('page.observed') above one")
        return sorted(
            f"{source.name}/{name}"
            for source in self._sources
            for name in source.types
            if name not in (self._agent.outcomes if source.outcome else self._agent.events)
        )


def _build_event(attributes: events.CloudEvent, record: Record) -> Event:
    return Event(
        id=attributes.id,
        source=attributes.source,
        type=attributes.type,
        subject=attributes.subject,
        time=attributes.time,
        correlationid=attributes.correlationid,
        causationid=attributes.causationid,
        hops=attributes.hops,
        traceparent=attributes.traceparent,
        dataschema=attributes.dataschema,
        data=None if record.value is None else canonical.decode(record.value),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=events.time_of(record.timestamp_ms),
        key=record.key,
    )


def _payload(handler: Handler, event: Event, value: bytes | None) -> object:
    if value is None:
        raise MalformedEventError(DeadLetterReason.MALFORMED_VALUE, "the record has no value")
    if handler.model is None:
        if not isinstance(event.data, dict):
            raise MalformedEventError(DeadLetterReason.MALFORMED_VALUE, "the value is not a JSON object")
        return event.data
    try:
        # From the bytes, not from event.data: a strict model takes a date from JSON's string, not from Python's.
        return handler.model.model_validate_json(value)
    except ValidationError as error:
        message = describe_faults(error, handler.known_names)
        raise MalformedEventError(DeadLetterReason.MALFORMED_VALUE, message) from None


def describe_faults(error: ValidationError, known_names: frozenset[str] = frozenset()) -> str:
    """Say where data does not fit a model, without repeating any of it.

    pydantic's own text holds the input, also inside some messages and locations (an unknown key, a union's tag), so
    only the kind of each fault and the names that the model itself declares are used.
    """
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    named = [
        ".".join(str(part) if isinstance(part, int) or part in known_names else "?" for part in fault["loc"])
        + f": {fault['type']}"
        for fault in faults[:_MAX_NAMED_FAULTS]
    ]
    more = len(faults) - len(named)
    return f"{error.title}: " + "; ".join(named) + (f"; and {more} more" if more else "")
