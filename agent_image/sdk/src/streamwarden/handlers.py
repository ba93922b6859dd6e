"""What a handler's signature says: which payload it takes, and whether it takes the event too."""

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from streamwarden.errors import AgentDefinitionError
from streamwarden.event import Event

Function = Callable[..., object]

_SHAPE = "write it as in 'def handle(page: Page, event: Event) -> Decision | None'"
_MAX_PARAMETERS = 2


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of the agent, and how to call it."""

    function: Function
    model: type[BaseModel] | None
    """Validates the data; None where the handler takes it as it is."""
    wants_data: bool
    """False where the first parameter is the event itself."""
    wants_event: bool
    """Whether there is a second parameter, for the event."""
    replay: bool
    """Whether past events are handed in again at start."""
    known_names: frozenset[str]
    """Names of the model's fields at any depth: what an error message may repeat of the data's structure."""
    takes_nothing: bool
    """Whether it is called for an event without data, as a tombstone: with the event itself, or with None."""
    deduplicate: bool = False
    """Whether an event whose id stood before it in its partition is passed over."""
    is_async: bool = False
    """Whether its calls count as running side by side."""


def inspect_handler(function: Function, *, replay: bool, deduplicate: bool = False) -> Handler:
    """Read a handler's signature.

    Raises:
        AgentDefinitionError: it does not take a typed payload and, optionally, the event.
    """
    where = name_of(function)
    try:
        parameters = list(inspect.signature(function).parameters.values())
        hints = typing.get_type_hints(function)
    except (TypeError, ValueError, NameError) as error:
        raise AgentDefinitionError(f"{where}: its annotations cannot be read ({error}); {_SHAPE}") from error
    if not 1 <= len(parameters) <= _MAX_PARAMETERS or any(
        p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters
    ):
        raise AgentDefinitionError(f"{where}: a handler takes the payload and, if it likes, the event; {_SHAPE}")
    wants_event = len(parameters) == _MAX_PARAMETERS
    if wants_event and hints.get(parameters[1].name, Event) is not Event:
        raise AgentDefinitionError(f"{where}: the second parameter {parameters[1].name!r} is the Event; {_SHAPE}")
    payload, takes_nothing = _without_none(hints.get(parameters[0].name))
    model = _model(payload)
    if model is None and payload is not Event and not _is_object(payload):
        raise AgentDefinitionError(
            f"{where}: annotate the first parameter {parameters[0].name!r} with a pydantic model, dict[str, object] "
            f"(either with '| None' for events without data) or Event; {_SHAPE}"
        )
    return Handler(
        function=function,
        model=model,
        wants_data=payload is not Event,
        wants_event=wants_event,
        replay=replay,
        known_names=frozenset() if model is None else _field_names(model),
        takes_nothing=takes_nothing or payload is Event,
        deduplicate=deduplicate,
        is_async=inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function),
    )


def inspect_expired_handler(function: Function) -> Handler:
    """Read the signature of a handler of expired events.

    Raises:
        AgentDefinitionError: it does not take the event alone.
    """
    handler = inspect_handler(function, replay=False)
    if handler.wants_data or handler.wants_event:
        raise AgentDefinitionError(
            f"{name_of(function)}: a handler of expired events takes the Event alone; "
            "write it as in 'def too_late(event: Event) -> Decision | None'"
        )
    return handler


def check_start_function(function: Function) -> None:
    """Check that a function of ``on_start`` can be called.

    Raises:
        AgentDefinitionError: it demands an argument.
    """
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise AgentDefinitionError(
            f"{name_of(function)}: a function of on_start is called without arguments; "
            "write it as in 'def load() -> None'"
        ) from error


def name_of(function: Function) -> str:
    """Return what an author knows a function by."""
    return f"{function.__module__}.{function.__qualname__}" if inspect.isfunction(function) else repr(function)


def _without_none(payload: object) -> tuple[object, bool]:
    """Take ``None`` out of a union of two, and tell whether it was there."""
    if typing.get_origin(payload) in (typing.Union, types.UnionType):
        rest = [each for each in typing.get_args(payload) if each is not types.NoneType]
        if len(rest) == 1 and len(typing.get_args(payload)) > 1:
            return rest[0], True
    return payload, False


def _model(payload: object) -> type[BaseModel] | None:
    return payload if isinstance(payload, type) and issubclass(payload, BaseModel) else None


def _is_object(payload: object) -> bool:
    return payload is dict or typing.get_origin(payload) is dict


def _field_names(model: type[BaseModel]) -> frozenset[str]:
    """Collect the names and aliases of the fields of ``model`` and of the models within it."""
    names: set[str] = set()
    pending: list[object] = [model]
    seen: set[object] = set()
    while pending:
        found = pending.pop()
        pending.extend(typing.get_args(found))
        inner = _model(found)
        if inner is None or inner in seen:
            continue
        seen.add(inner)
        for name, info in inner.model_fields.items():
            names.update(alias for alias in (name, info.alias, info.validation_alias) if isinstance(alias, str))
            pending.append(info.annotation)
    return frozenset(names)
