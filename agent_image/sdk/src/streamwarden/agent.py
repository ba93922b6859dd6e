"""The agent: handlers for events, for outcomes, and for commands that have expired."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from streamwarden.errors import AgentDefinitionError
from streamwarden.handlers import (
    Function,
    Handler,
    check_start_function,
    inspect_expired_handler,
    inspect_handler,
    name_of,
)

_F = TypeVar("_F", bound=Function)


class Agent:
    """A set of handlers, served by ``python -m streamwarden.runtime`` or run by ``streamwarden.testing``.

    Args:
        concurrency: how many async handlers may wait side by side, each for another key. Handlers that are not
            async run one after another, so that a model in memory needs no locks.
    """

    def __init__(self, *, concurrency: int = 64) -> None:
        if concurrency < 1:
            raise AgentDefinitionError(f"concurrency must be at least 1, not {concurrency}")
        self.concurrency = concurrency
        self._events: dict[str, Handler] = {}
        self._outcomes: dict[str, Handler] = {}
        self._expired: dict[str, Handler] = {}
        self._start: list[Callable[[], object]] = []

    def on_event(self, *types: str, replay: bool = False, deduplicate: bool = False) -> Callable[[_F], _F]:
        """Handle events of these types (``ce_type``) from the agent's inputs.

        Args:
            types: at least one.
            replay: at start, hand in past events again, up to where the agent had got to, so that state in memory is
                rebuilt. Decisions that come of it are dropped.
            deduplicate: pass over an event whose id stood before it in its partition, also where an earlier process has
                handled that: at start the last ids are read back. For commands, and producers that repeat themselves.
        """
        inspect = partial(inspect_handler, replay=replay, deduplicate=deduplicate)
        return self._register(self._events, types, "on_event", inspect)

    def on_outcome(self, *types: str, replay: bool = False) -> Callable[[_F], _F]:
        """Handle events of these types from the agent's outcomes: what came of its commands."""
        return self._register(self._outcomes, types, "on_outcome", partial(inspect_handler, replay=replay))

    def on_expired(self, *types: str) -> Callable[[_F], _F]:
        """Handle events of these types from the agent's inputs once it is too late for them (``ce_expirytime``).

        The function takes the ``Event`` and is called in place of the handler, so that an executor can say in an
        outcome that a command was not carried out. Types without one become a failure record (``CommandExpiredError``).

        Args:
            types: at least one, each with a handler by ``on_event``.
        """
        return self._register(self._expired, types, "on_expired", inspect_expired_handler)

    def on_start(self, function: Callable[[], object]) -> Callable[[], object]:
        """Run ``function``, async or not, once before the first event."""
        check_start_function(function)
        self._start.append(function)
        return function

    @property
    def events(self) -> Mapping[str, Handler]:
        """Handlers of events by type."""
        return MappingProxyType(self._events)

    @property
    def outcomes(self) -> Mapping[str, Handler]:
        """Handlers of outcomes by type."""
        return MappingProxyType(self._outcomes)

    @property
    def expired(self) -> Mapping[str, Handler]:
        """Handlers of expired events by type."""
        return MappingProxyType(self._expired)

    @property
    def start(self) -> tuple[Callable[[], object], ...]:
        """Functions to run before the first event, in order."""
        return tuple(self._start)

    @staticmethod
    def _register(
        table: dict[str, Handler], types: tuple[str, ...], decorator: str, inspect: Callable[[Function], Handler]
    ) -> Callable[[_F], _F]:
        if not types or callable(types[0]):
            raise AgentDefinitionError(f"name the event types: write @agent.{decorator}('page.observed')")

        def register(function: _F) -> _F:
            handler = inspect(function)
            for name in types:
                if name in table:
                    raise AgentDefinitionError(
                        f"@agent.{decorator}({name!r}): the type has a handler already, {name_of(table[name].function)}"
                    )
                table[name] = handler
            return function

        return register
