"""A batch of records through the handlers: in order for each key, side by side over keys, nothing lost."""

import asyncio
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from streamwarden_contract import events
from streamwarden_contract.decision import DecisionFormat, Failure

from streamwarden.core.commands import SeenCommands, check_expiry, is_command
from streamwarden.core.lanes import Lanes
from streamwarden.core.places import find_place
from streamwarden.core.records import Handled, Record
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Call, Routes
from streamwarden.core.writing import (
    Author,
    BrokenPromise,
    build_failure,
    describe_error,
    write_decisions,
    write_failure,
)
from streamwarden.decision import Decision
from streamwarden.errors import CommandExpiredError, DecisionRefusedError, UnreadableBatchError

Sleep = Callable[[float], Awaitable[None]]
"""Waits for so many seconds."""


class Dispatcher:
    """Hands records to an agent's handlers and turns what they return into records to write.

    Args:
        routes: the agent's handlers.
        author: who decides.
        backoff: how often a failing event is tried, and the waits in between.
        concurrency: how many async handlers may run at a time.
        sleep: waits for a number of seconds.
        decision_format: returns what every gate of the agent reads now; asked before each batch.
        now: returns the time in UTC. None: no event is too late.
    """

    def __init__(
        self,
        routes: Routes,
        author: Author,
        backoff: Backoff,
        *,
        concurrency: int,
        sleep: Sleep,
        decision_format: Callable[[], DecisionFormat] = lambda: 1,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._routes = routes
        self._author = author
        self._backoff = backoff
        self._slots = asyncio.Semaphore(concurrency)
        self._sleep = sleep
        self._decision_format = decision_format
        self._now = now
        self._on_retry: Callable[[Failure, float], None] = lambda _failure, _wait_s: None
        self._seen = SeenCommands()
        self._deduplicated = routes.deduplicated_topics

    def tell_retries(self, to: Callable[[Failure, float], None]) -> None:
        """Tell of each attempt that fails and is not the last, and of the seconds until the next, before that wait."""
        self._on_retry = to

    async def handle(self, records: Sequence[Record], *, replay: bool = False) -> list[Handled]:
        """Return what came of each record, one for one and in the order of the records.

        Whatever a handler raises becomes a failure of its event once its attempts are used up; while it waits for
        the next one, only later events with the same key wait with it. In a replay only handlers that ask for it are
        called, and nothing is to be written. A batch has no bounds here; the feed sets them (``batching``).

        Raises:
            CancelledError: the batch was given up. What handlers have done is lost, as if the process had ended.
        """
        self.ask_for_format()
        lanes = Lanes(partial(self.handle_one, replay=replay))
        lanes.add(records)
        try:
            await lanes.all()
            handled = lanes.take()
        finally:
            await lanes.cancel()
        places = {id(record): place for place, record in enumerate(records)}
        return sorted(handled, key=lambda each: places[id(each.record)])

    def ask_for_format(self) -> None:
        """Write from now on what every gate of the agent reads now."""
        self._author = replace(self._author, decision_format=self._decision_format())

    async def handle_one(self, record: Record, *, replay: bool = False) -> Handled:
        """Return what came of one record; those with its key must not be handled meanwhile."""
        if replay:
            self._read_back(record)
        call = self._prepare(record, replay=replay)
        if not isinstance(call, Call):
            return call
        if not replay and self._is_repeated(record, call):
            return Handled(record, source=call.event.source, repeated=True)
        attempts = 0
        while True:
            attempts += 1
            outcome = await self._attempt(record, call, replay=replay)
            if isinstance(outcome, Handled):
                return outcome
            if isinstance(outcome, CommandExpiredError) and (late := call.when_expired()) is not None:
                call, attempts = late, 0
                continue
            wait_s = self._backoff.wait_s(attempts)
            failure = self._handler_failed(record, call, outcome, attempts)
            if wait_s is None or isinstance(outcome, DecisionRefusedError | CommandExpiredError):
                return self._failed(record, call.event, failure)._replace(dropped=call.dropped)
            self._on_retry(failure, wait_s)
            await self._sleep(wait_s)

    def _read_back(self, record: Record) -> None:
        """Note the id of a past event, whatever its type and whether a handler wants it again."""
        if record.unreadable is None and (is_command(record) or record.topic in self._deduplicated):
            attributes = self._routes.attributes(record)
            if attributes is not None:
                self._seen.is_repeated(attributes, record)

    def _is_repeated(self, record: Record, call: Call) -> bool:
        if not call.handler.deduplicate and not is_command(record):
            return False
        return self._seen.is_repeated(call.event, record)

    def _prepare(self, record: Record, *, replay: bool) -> Call | Handled:
        if record.unreadable is not None:
            return self._not_decoded(record, None, _unreadable(record))
        try:
            return self._routes.prepare(record, replay=replay) or Handled(record, passed_over=True)
        except Exception as error:  # noqa: BLE001  # validators are the author's code, and may raise anything
            return self._not_decoded(record, self._routes.attributes(record), error)

    async def _attempt(self, record: Record, call: Call, *, replay: bool) -> Handled | BaseException:
        """Call the handler once, unless it is too late for it, and return what came of it or what was raised."""
        try:
            if self._now is not None and not replay and not call.is_late:
                check_expiry(call.event, self._now(), call.dropped)
            if call.handler.is_async:
                async with self._slots:
                    proposed = await _collect(call.handler.function(*call.arguments))
            else:
                proposed = await _collect(call.handler.function(*call.arguments))
            decisions, outgoing = write_decisions(self._author, call.event, proposed)
        except asyncio.CancelledError as error:
            # Raised by us, it ends the batch; raised by the handler (a task of its own was cancelled), it is a failure.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except Exception as error:  # noqa: BLE001  # the author's code may raise anything: that is one event's failure
            return error
        return Handled(record, decisions=decisions, outgoing=outgoing, source=call.event.source, dropped=call.dropped)

    def _handler_failed(self, record: Record, call: Call, error: BaseException, attempts: int) -> Failure:
        expired = isinstance(error, CommandExpiredError)  # no fault of the author's code
        where = None if expired else find_place(error, call.handler.function)
        return build_failure(
            self._author, record, error=describe_error(error), attempts=attempts, stage="Handle", where=where
        )

    def _not_decoded(self, record: Record, attributes: events.CloudEvent | None, error: BaseException) -> Handled:
        failure = build_failure(
            self._author,
            record,
            error=describe_error(error),
            attempts=1,
            stage="Decode",
            broken=BrokenPromise.of(error, attributes),
        )
        return self._failed(record, attributes, failure)

    def _failed(self, record: Record, attributes: events.CloudEvent | None, failure: Failure) -> Handled:
        written = write_failure(self._author, record, attributes, failure)
        source = attributes.source if attributes else ""
        return Handled(record, failure=failure, outgoing=(written,), source=source)


def _unreadable(record: Record) -> UnreadableBatchError:
    why = "" if record.unreadable is None else record.unreadable.why
    return UnreadableBatchError(f"offsets {record.offset} to {record.last} are passed over: {why}")


async def _collect(returned: object) -> list[Decision]:
    """Gather what a handler returned: nothing, a decision, or decisions.

    Raises:
        DecisionRefusedError: it is something else.
    """
    if inspect.isawaitable(returned):
        returned = await returned
    match returned:
        case None:
            return []
        case Decision():
            return [returned]
        case AsyncIterable():
            return _checked([each async for each in returned])
        case str() | bytes() | dict():
            raise DecisionRefusedError(_wrong(returned))
        case Iterable():
            return _checked(list(returned))
        case _:
            raise DecisionRefusedError(_wrong(returned))


def _checked(found: list[object]) -> list[Decision]:
    decisions = [each for each in found if isinstance(each, Decision)]
    for each in found:
        if not isinstance(each, Decision):
            raise DecisionRefusedError(f"what a handler lists or yields are Decisions; not {_kind(each)}")
    return decisions


def _wrong(found: object) -> str:
    return f"a handler returns a Decision, several, or None; not {_kind(found)}"


def _kind(found: object) -> str:
    return "None" if found is None else type(found).__name__
