"""A server of the SDK in the test's own event loop, on whichever ports it is given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from streamwarden import Agent, Decision, Event
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.core.writing import Author
from streamwarden.runtime.server import Server
from streamwarden_contract.decision import decode_decision
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import SourceTopic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from streamwarden.core.records import Record
    from streamwarden.runtime.ports import Ports

_DEADLINE_S = 60.0
_PAUSE_S = 0.001


def page_headers(number: int, kind: str = "page.observed") -> list[tuple[str, bytes]]:
    """Make the headers of a page's event."""
    return CloudEvent(id=f"{kind}-{number}", source="/web", type=kind, subject=f"page-{number}").headers()


def deciding_agent(before: Callable[[Event], Awaitable[object] | None] = lambda _event: None) -> Agent:
    """Make an agent that decides on every page, after ``before``."""
    agent = Agent()

    @agent.on_event("page.observed")
    async def decide(event: Event) -> Decision:
        waiting = before(event)
        if waiting is not None:
            await waiting
        return Decision("block-page")

    return agent


def causes(values: Iterable[bytes | None]) -> list[tuple[int, int]]:
    """Return partition and offset of the input of each decision."""
    found = [decode_decision(value or b"")[0].cause for value in values]
    return [(cause.partition, cause.offset) for cause in found]


def build_dispatcher(routes: Routes, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Dispatcher:
    """Make one that tries each event twice."""
    author = Author("test", "pages", "u", None, None)
    return Dispatcher(routes, author, Backoff.of(Retry(max_attempts=2)), concurrency=64, sleep=sleep)


def offsets_of(records: Iterable[Record]) -> list[int]:
    return [record.offset for record in records]


class Served:
    """A server that runs within ``async with`` and is stopped in order at its end.

    Attributes:
        stop: set it to stop earlier.
        ready: how often the server said that it has joined.
        task: its run.
    """

    def __init__(self, ports: Ports, agent: Agent, topic: str = "pages") -> None:
        routes = Routes(agent, [SourceTopic(name="pages", topic=topic)])
        self.stop = asyncio.Event()
        self.ready = 0
        self._server = Server(
            ports,
            build_dispatcher(routes),
            replayed_topics=routes.replayed_topics,
            deduplicated_topics=routes.deduplicated_topics,
            stop=self.stop,
            on_joined=self._joined,
        )

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._server.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop.set()
        async with asyncio.timeout(_DEADLINE_S):
            await asyncio.wait({self.task})
        if kind is None:
            self.task.result()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds; what ends the server before is raised."""
        async with asyncio.timeout(_DEADLINE_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the server ended first")
                await asyncio.sleep(_PAUSE_S)

    def _joined(self) -> None:
        self.ready += 1
