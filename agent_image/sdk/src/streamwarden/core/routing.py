"""Which handler an input record goes to, and what it is called with."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pydantic import ValidationError
from streamwarden_contract import canonical, events
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic

from streamwarden.agent import Agent
from streamwarden.core.fault_words import in_words
from streamwarden.core.reading import ReadEvent, read_event
from streamwarden.core.records import Record, digest_of
from streamwarden.core.schemas import EventSchema
from streamwarden.errors import AgentDefinitionError
from streamwarden.event import Event
from streamwarden.handlers import Handler

_MAX_NAMED_FAULTS = 5
_NO_INPUTS = AgentInputs()
_NO_SHAPE = InputTopic()
_NO_HANDLERS: Mapping[str, Handler] = MappingProxyType({})


class Call(NamedTuple):
    """A handler and the event that it is to be called with."""

    handler: Handler
    event: Event
    arguments: tuple[object, ...]
    """One or two: the payload (a model, an object or the event itself), and the event where the handler wants it."""
    dropped: frozenset[str]
    """Optional attributes of the event that were wrong, and so left out."""
    expired: Handler | None = None
    """What takes the event, alone, once it is too late for it."""
    is_late: bool = False
    """Whether that is what ``handler`` is."""

    def when_expired(self) -> "Call | None":
        """Return what to call once it is too late; None where the agent has nothing for that."""
        if self.expired is None or self.is_late:
            return None
        return self._replace(handler=self.expired, arguments=(self.event,), is_late=True)


class Routes:
    """The handlers of an agent by topic and event type."""

    def __init__(self, agent: Agent, sources: Iterable[SourceTopic], inputs: AgentInputs = _NO_INPUTS) -> None:
        """Bring them together.

        Args:
            agent: read once, now; handlers that are added later are not served.
            sources: the agent's inputs and outcomes, each topic once. One without types brings every type.
            inputs: what the contracts of these topics say of their events.

        Raises:
            ValueError: a schema of ``inputs`` cannot be used.
        """
        self._sources = tuple(sources)
        self._routes: dict[str, tuple[frozenset[str], Mapping[str, Handler]]] = {
            source.topic: (frozenset(source.types), agent.outcomes if source.outcome else agent.events)
            for source in self._sources
        }
        self._expired = {source.topic: agent.expired for source in self._sources if not source.outcome}
        self._agent = agent
        self.judge_by(inputs)

    def judge_by(self, inputs: AgentInputs) -> None:
        """Read events by these contracts from now on.

        Raises:
            ValueError: a schema cannot be used; nothing has changed.
        """
        schemas = {sha256: EventSchema(definition) for sha256, definition in inputs.schemas.items()}
        judged: dict[str, EventSchema] = {}
        for topic, shape in inputs.topics.items():
            if shape.schema_sha256 is not None:
                if shape.schema_sha256 not in schemas:
                    raise ValueError(f"the schema {shape.schema_sha256} of {topic} is missing")
                judged[topic] = schemas[shape.schema_sha256]
        self._shapes, self._schemas = inputs.topics, judged

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

    @property
    def deduplicated_topics(self) -> frozenset[str]:
        """Topics with a handler that is called with no id twice, whichever process has handled it before."""
        return frozenset(
            topic
            for topic, (types, handlers) in self._routes.items()
            if any(handler.deduplicate and (not types or name in types) for name, handler in handlers.items())
        )

    def prepare(self, record: Record, *, replay: bool) -> Call | None:
        """Decode ``record`` for its handler. None where no handler wants it, or its type is not among the source's.

        Args:
            record: of one of ``topics``.
            replay: whether it is a past event, which only handlers with ``replay=True`` want.

        Raises:
            MalformedEventError: it is no event, or its value is not strict JSON, not what the contract promises or
                not what the handler takes.
        """
        types, handlers = self._routes[record.topic]
        found = read_event(record, self._shapes.get(record.topic, _NO_SHAPE))
        name = found.attributes.type
        handler = handlers.get(name)
        if handler is None or (types and name not in types) or (replay and not handler.replay):
            return None
        if found.value is None and not handler.takes_nothing:
            return None
        event = _build_event(found, record)
        schema = self._schemas.get(record.topic)
        mismatch = None if schema is None or found.value is None else schema.mismatch(event.data)
        if mismatch is not None:
            raise MalformedEventError(DeadLetterReason.SCHEMA_MISMATCH, f"not what the contract promises: {mismatch}")
        first = _payload(handler, event, found.value, schema) if handler.wants_data else event
        arguments = (first, event) if handler.wants_event else (first,)
        return Call(handler, event, arguments, found.dropped, self._expired.get(record.topic, _NO_HANDLERS).get(name))

    def attributes(self, record: Record) -> events.CloudEvent | None:
        """Read what can be read of a record that ``prepare`` refused."""
        try:
            return read_event(record, self._shapes.get(record.topic, _NO_SHAPE)).attributes
        except MalformedEventError:
            return None

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
        for name in self._agent.expired:
            if name not in self._agent.events:
                raise AgentDefinitionError(
                    f"@agent.on_expired({name!r}) is never called: write @agent.on_event({name!r}) above a handler too"
                )
        if not self._agent.events and not self._agent.outcomes:
            raise AgentDefinitionError("the agent has no handler: write @agent.on_event('page.observed') above one")
        return sorted(
            f"{source.name}/{name}"
            for source in self._sources
            for name in source.types
            if name not in (self._agent.outcomes if source.outcome else self._agent.events)
        )


def _build_event(found: ReadEvent, record: Record) -> Event:
    attributes = found.attributes
    return Event(
        attributes.id,
        attributes.source,
        attributes.type,
        attributes.subject,
        attributes.time,
        attributes.correlationid,
        attributes.causationid,
        attributes.hops,
        attributes.traceparent,
        attributes.dataschema,
        attributes.expirytime,
        data=None if found.value is None else canonical.decode(found.value),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=events.time_of(record.timestamp_ms),
        key=record.key,
        topic_id=record.topic_id,
        digest=digest_of(record),
    )


def _payload(handler: Handler, event: Event, value: bytes | None, schema: EventSchema | None) -> object:
    """Return the data as the handler takes it.

    Raises:
        MalformedEventError: it does not take it; ``AgentFailure`` where the contract does.
    """
    if value is None or (event.data is None and handler.takes_nothing):
        return None
    if handler.model is None:
        if not isinstance(event.data, dict):
            reason = DeadLetterReason.MALFORMED_VALUE if schema is None else DeadLetterReason.AGENT_FAILURE
            raise MalformedEventError(reason, "the value is not a JSON object")
        return event.data
    try:
        # From the bytes, not from event.data: a strict model takes a date from JSON's string, not from Python's.
        return handler.model.model_validate_json(value)
    except ValidationError as error:
        message = describe_faults(error, handler.known_names)
        raise MalformedEventError(DeadLetterReason.AGENT_FAILURE, message) from None


def describe_faults(error: ValidationError, known_names: frozenset[str] = frozenset()) -> str:
    """Say where data does not fit a model, without repeating any of it.

    pydantic's own text holds the input, also inside some messages and locations (an unknown key, a union's tag), so
    only the kind of each fault, and the names and bounds that the model itself declares, are used.
    """
    faults = error.errors(include_url=False, include_input=False)
    named = [
        ".".join(str(part) if isinstance(part, int) or part in known_names else "?" for part in fault["loc"])
        + f": {in_words(fault['type'], fault.get('ctx', {}))}"
        for fault in faults[:_MAX_NAMED_FAULTS]
    ]
    more = len(faults) - len(named)
    return f"{error.title}: " + "; ".join(named) + (f"; and {more} more" if more else "")
