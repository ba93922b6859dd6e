"""From what a handler returned to records of the decision topic."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson
from pydantic import BaseModel, ValidationError
from streamwarden_contract import canonical, decision, events, ids
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.models.agent_deployment import Model
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_contract.runtime_config import AgentConfig

from streamwarden.core.records import Outgoing, Record, digest_of
from streamwarden.core.routing import describe_faults
from streamwarden.decision import Decision
from streamwarden.errors import DecisionRefusedError
from streamwarden.event import Event, text_of

Stage = Literal["Decode", "Handle"]
"""Where an input failed."""

_FAULTS: Mapping[DeadLetterReason, decision.EventFault] = {
    DeadLetterReason.MALFORMED_HEADERS: "MalformedHeaders",
    DeadLetterReason.MALFORMED_VALUE: "MalformedValue",
    DeadLetterReason.SCHEMA_MISMATCH: "SchemaMismatch",
}
"""Whose fault it is: the producer's. What a handler alone does not take has another reason."""
_FAILURE_KEY = b"failure"
_MAX_PLACE_LENGTH = 300
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_MOST_DEEP = canonical.MAX_DEPTH - 1
"""Of parameters: the decision itself is one level."""
_PLAIN_TYPES = frozenset({dict, list, str, int, float, bool, type(None)})
"""Nothing is to be opened of these."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who decides: what every record that the agent writes says of it."""

    namespace: str
    agent: str
    uid: str
    decision_types: frozenset[str] | None
    """None: any."""
    model: decision.ModelRef | None
    """Stamped on every decision; None where the agent names none."""
    decision_format: decision.DecisionFormat = 1
    """What its gates read."""

    @classmethod
    def of(cls, config: AgentConfig) -> "Author":
        """Read it from the agent's configuration."""
        return cls(
            config.namespace, config.agent, config.uid, frozenset(config.decision_types), _model_ref(config.model)
        )

    @property
    def source(self) -> str:
        """``/streamwarden/NAMESPACE/AGENT``, as ``ce_source`` names it."""
        return f"/streamwarden/{self.namespace}/{self.agent}"

    def id_of(self, place: Event | Record, ordinal: int = 0) -> str:
        """Name the ``ordinal``-th record that follows from an input: the same one however often it is handled."""
        return ids.decision_id(self.uid, place.topic_id or place.topic, place.partition, place.offset, ordinal)

    def cause_of(self, place: Event | Record, digest: str | None) -> dict[str, object]:
        """Say which input is answered, as far as the gates' format has words for it."""
        cause: dict[str, object] = {"topic": place.topic, "partition": place.partition, "offset": place.offset}
        if self.decision_format > 1:
            cause |= {"topicId": place.topic_id or None, "digest": digest}
        return cause


def _model_ref(model: Model | None) -> decision.ModelRef | None:
    if model is None:
        return None
    return decision.ModelRef(name=model.name, version=model.version, digest=model.digest)


def write_decisions(
    author: Author, event: Event, proposed: Sequence[Decision]
) -> tuple[tuple[decision.Decision, ...], tuple[Outgoing, ...]]:
    """Turn the decisions on one event into records, one for each and in their order, all or none.

    Their ids follow from the author, the event's place and the order alone: a repetition writes the same ids.

    Raises:
        DecisionRefusedError: one of them is undeclared, not JSON, out of bounds, or too large for a gate.
    """
    built = [_build_decision(author, event, each) for each in proposed]
    return tuple(built), tuple([_decision_record(author, event, each, ordinal) for ordinal, each in enumerate(built)])


def _build_decision(author: Author, event: Event, proposed: Decision) -> decision.Decision:
    if author.decision_types is not None and proposed.type not in author.decision_types:
        raise DecisionRefusedError(
            f"decision type {proposed.type!r} is not declared in the AgentDeployment; "
            f"it declares {', '.join(sorted(author.decision_types))}"
        )
    entity = event.entity if proposed.entity is None else proposed.entity
    if entity is None:
        raise DecisionRefusedError(f"decision {proposed.type!r} names no entity, and its event has none either")
    parameters = _plain(proposed.parameters, "parameters")
    if not isinstance(parameters, dict):
        raise DecisionRefusedError("parameters: not a mapping")
    fields = {
        "format": author.decision_format,
        "type": proposed.type,
        "entity": entity,
        "parameters": parameters,
        "cause": author.cause_of(event, event.digest),
        "confidence": _number(proposed.confidence),
        "reasoning": proposed.reasoning,
        "model": author.model,
        "expectedVersion": proposed.expected_version,
    }
    try:
        return decision.build(decision.Decision, fields)
    except ValidationError as error:
        names = frozenset(decision.Decision.model_fields)
        raise DecisionRefusedError(describe_faults(error, names)) from None


def _decision_record(author: Author, event: Event, built: decision.Decision, ordinal: int) -> Outgoing:
    attributes = events.CloudEvent(
        id=author.id_of(event, ordinal),
        source=author.source,
        type=events.DECISION_TYPE,
        subject=built.entity,
        correlationid=event.correlationid or event.id,
        causationid=event.id,
        hops=event.hops + 1,
        traceparent=event.traceparent,
    )
    try:
        headers = tuple(events.encode(attributes))  # the gate reads them strictly
        record = Outgoing(built.entity.encode(), built.encode(), headers)
    except MalformedEventError as error:
        raise DecisionRefusedError(f"decision {built.type!r}: {error}") from error
    except (UnicodeEncodeError, orjson.JSONEncodeError) as error:
        raise DecisionRefusedError(f"decision {built.type!r} has text that is not valid Unicode") from error
    if record.size > decision.MAX_RECORD_BYTES:
        raise DecisionRefusedError(
            f"decision {built.type!r} takes {record.size} bytes; a gate takes {decision.MAX_RECORD_BYTES}"
        )
    return record


def write_failure(
    author: Author, record: Record, attributes: events.CloudEvent | None, failure: decision.Failure
) -> Outgoing:
    """Turn a failure into a record of at most ``MAX_RECORD_BYTES``. It never fails, and never has a null key.

    Args:
        author: who gave up.
        record: upon what.
        attributes: what could be read of the event, as far as a gate takes it; None where nothing could.
        failure: why.
    """
    entity = (attributes.subject if attributes else None) or text_of(record.key)
    headers = events.CloudEvent(
        id=author.id_of(record),
        source=author.source,
        type=events.FAILURE_TYPE,
        subject=entity if entity and _fits_header(entity) else None,
        correlationid=(attributes.correlationid or attributes.id) if attributes else None,
        causationid=attributes.id if attributes else None,
        hops=min(attributes.hops + 1, events.MAX_HOPS) if attributes else 0,
        traceparent=attributes.traceparent if attributes else None,
    ).headers()
    key = record.key if record.key and text_of(record.key) else _FAILURE_KEY
    written = Outgoing(key, failure.encode(), tuple(headers))
    if written.size > decision.MAX_RECORD_BYTES:  # the key alone may be a megabyte
        return Outgoing(_FAILURE_KEY, written.value, written.headers)
    return written


@dataclass(frozen=True, slots=True)
class BrokenPromise:
    """An event that is not what its contract promises."""

    fault: decision.EventFault
    source: str | None
    """``ce_source``; None where it could not be read."""

    @classmethod
    def of(cls, error: BaseException, attributes: events.CloudEvent | None) -> "BrokenPromise | None":
        """Return what an event broke that could not be handed over; None where the handler alone does not take it."""
        fault = _FAULTS.get(error.reason) if isinstance(error, MalformedEventError) else None
        return None if fault is None else cls(fault, attributes.source if attributes else None)


def build_failure(
    author: Author,
    record: Record,
    *,
    error: str,
    attempts: int,
    stage: Stage,
    where: str | None = None,
    broken: BrokenPromise | None = None,
) -> decision.Failure:
    """Say that an input was given up: where it stands and why, never its bytes.

    Args:
        author: who gives it up.
        record: the input.
        error: of any length and any text; what is more than ``MAX_ERROR_LENGTH`` is left out, and what is no Unicode
            becomes question marks.
        attempts: how often it was tried, at least once.
        stage: where it failed.
        where: file, line and function of the author's program. It ends the text of the error, in brackets: gates of
            earlier versions take no other field.
        broken: what of the event's contract was broken; gates of format 1 are not told.
    """
    told = broken if author.decision_format > 1 else None
    place = "" if where is None else f" ({_unicode(where)[:_MAX_PLACE_LENGTH]})"
    text = _unicode(error)[: decision.MAX_ERROR_LENGTH - len(place)] + place
    fields = {
        "format": author.decision_format,
        "cause": author.cause_of(record, digest_of(record)),
        "error": text,
        "attempts": attempts,
        "stage": stage,
        "fault": None if told is None else told.fault,
        "source": None if told is None or told.source is None else told.source[: decision.MAX_SOURCE_LENGTH],
    }
    return decision.build(decision.Failure, fields)


def _unicode(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def describe_error(error: BaseException) -> str:
    """Return an exception's type and message; of a validation error only what repeats no input."""
    message = describe_faults(error) if isinstance(error, ValidationError) else str(error)
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def _fits_header(text: str) -> bool:
    return events.is_text(text) and len(text.encode("utf-8", "replace")) <= events.MAX_ATTRIBUTE_BYTES


def _number(value: object) -> float | None:
    """Take any real number, numpy's too, as a float; leave the refusal of anything else to the model.

    Raises:
        DecisionRefusedError: it is NaN, of which the model would say that it is too large.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        if math.isnan(value):
            raise DecisionRefusedError("confidence: not a number (NaN)")
        return float(value)
    return value  # type: ignore[return-value]  # refused by the model, which names the field


def _plain(value: object, where: str, depth: int = 0) -> canonical.JsonValue:
    """Copy ``value`` as plain JSON.

    Raises:
        DecisionRefusedError: it is not JSON; the message says where.
    """
    if type(value) not in _PLAIN_TYPES:
        value = _opened(value, where)
    match value:
        case None | bool() | str():
            return value
        case dict() | Mapping() if depth < _MOST_DEEP:
            return {_name(key, where): _plain(each, f"{where}.{key}", depth + 1) for key, each in value.items()}
        case list() | tuple() if depth < _MOST_DEEP:
            return [_plain(each, f"{where}.{index}", depth + 1) for index, each in enumerate(value)]
        case numbers.Integral():
            if not _INT64_MIN <= (whole := int(value)) <= _INT64_MAX:
                raise DecisionRefusedError(f"{where}: an integer outside the range of 64 bits")
            return whole
        case numbers.Real():
            if not math.isfinite(number := float(value)):
                raise DecisionRefusedError(f"{where}: not a finite number")
            return number
        case _ if depth >= _MOST_DEEP:
            raise DecisionRefusedError(f"{where[:80]}...: nested deeper than {canonical.MAX_DEPTH}")
        case _:
            raise DecisionRefusedError(f"{where}: {type(value).__name__} is not JSON")


def _opened(value: object, where: str) -> object:
    """Return what a model or a scalar of numpy's holds: a model's fields as in its JSON, under their aliases."""
    if isinstance(value, BaseModel):
        try:
            return value.model_dump(mode="json", by_alias=True)
        except ValueError as error:  # pydantic's own text repeats the value
            raise DecisionRefusedError(f"{where}: {type(value).__name__} cannot be written as JSON") from error
    if getattr(value, "shape", None) == () and hasattr(value, "dtype") and hasattr(value, "item"):
        return value.item()
    return value


def _name(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise DecisionRefusedError(f"{where}: a key that is no string ({type(key).__name__})")
    return str.__str__(key)  # an enum's is no plain text, and would not be taken as a key
