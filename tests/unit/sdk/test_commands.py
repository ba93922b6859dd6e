"""An executor never carries out a command that has expired, and none twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from streamwarden import Agent, Event
from streamwarden.core.commands import SeenCommands
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Handled, Record
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.core.writing import Author
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import SourceTopic

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
EXPIRY = NOW + timedelta(minutes=5)


def command(offset: int = 0, *, id_: str = "c-1", expirytime: datetime | None = EXPIRY, by_gate: bool = True) -> Record:
    event = CloudEvent(id=id_, source="/streamwarden/risk/guard", type="block", subject="page-1", expirytime=expirytime)
    headers = [*event.headers(), ("sw-format", b"1"), ("sw-verdict", b"Allow")] if by_gate else event.headers()
    return Record("risk.commands", 0, offset, 0, b"page-1", b"{}", tuple(headers), topic_id="T1")


class Executor:
    """An agent that carries out commands, and the time."""

    def __init__(self, failing: int = 0) -> None:
        self.now = NOW
        self.carried_out: list[str] = []
        agent, left = Agent(), [failing]

        @agent.on_event("block")
        def block(event: Event) -> None:
            if left[0]:
                left[0] -= 1
                raise OSError("the firewall does not answer")
            self.carried_out.append(event.id)

        self.dispatcher = Dispatcher(
            Routes(agent, [SourceTopic(name="commands", topic="risk.commands")]),
            Author("risk", "executor", "uid", frozenset({"done"}), None),
            Backoff.of(Retry()),
            concurrency=1,
            sleep=self.sleep,
            now=lambda: self.now,
        )

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(minutes=4, seconds=seconds)
        await asyncio.sleep(0)

    async def handle(self, *records: Record, replay: bool = False) -> list[Handled]:
        return await self.dispatcher.handle(records, replay=replay)


@pytest.mark.parametrize(
    ("after", "carried_out"),
    [
        pytest.param(timedelta(), ["c-1"], id="at-once"),
        pytest.param(timedelta(minutes=5, milliseconds=-1), ["c-1"], id="just-in-time"),
        pytest.param(timedelta(minutes=5), [], id="too-late"),
        pytest.param(timedelta(days=9), [], id="days-later"),
    ],
)
async def test_an_expired_command_is_refused_and_says_so(after: timedelta, carried_out: list[str]) -> None:
    executor = Executor()
    executor.now += after
    (handled,) = await executor.handle(command())
    assert executor.carried_out == carried_out
    if not carried_out:
        assert handled.failure is not None
        assert handled.failure.error == "CommandExpiredError: expired at 2026-01-31T12:05:00.000Z"
        assert (handled.failure.attempts, handled.failure.cause.offset, len(handled.outgoing)) == (1, 0, 1)


@pytest.mark.parametrize("text", [b"soon", b"2026-01-31T12:05:00", b""], ids=["words", "no-time-zone", "empty"])
async def test_an_expiry_that_cannot_be_read_has_passed(text: bytes) -> None:
    executor, given = Executor(), command(expirytime=None)
    (handled,) = await executor.handle(replace(given, headers=(*given.headers, ("ce_expirytime", text))))
    assert executor.carried_out == []
    assert handled.failure is not None
    assert handled.failure.error == "CommandExpiredError: its expirytime cannot be read"


async def test_a_command_that_expires_between_two_attempts_is_not_tried_again() -> None:
    executor = Executor(failing=2)
    (handled,) = await executor.handle(command())
    assert executor.carried_out == []
    assert handled.failure is not None
    assert (handled.failure.attempts, handled.failure.error.partition(":")[0]) == (3, "CommandExpiredError")


async def test_a_past_command_is_replayed_however_old_it_is() -> None:
    executor = Executor()
    executor.now += timedelta(days=9)
    assert [each.failure for each in await executor.handle(command(), replay=True)] == [None]


async def test_an_event_without_an_expiry_is_never_too_late() -> None:
    executor = Executor()
    executor.now += timedelta(days=9)
    await executor.handle(command(expirytime=None, by_gate=False))
    assert executor.carried_out == ["c-1"]


async def test_the_same_command_at_another_place_is_passed_over() -> None:
    executor = Executor()
    handled = await executor.handle(command(0), command(1), command(2, id_="c-2"))
    assert executor.carried_out == ["c-1", "c-2"]
    assert [each.repeated for each in handled] == [False, True, False]


async def test_the_same_place_is_handled_again_as_after_a_transaction_that_was_aborted() -> None:
    executor = Executor()
    for _ in range(2):
        await executor.handle(command(0))
    assert executor.carried_out == ["c-1", "c-1"]


async def test_events_that_no_gate_wrote_may_repeat_their_ids() -> None:
    executor = Executor()
    await executor.handle(command(0, by_gate=False), command(1, by_gate=False))
    assert executor.carried_out == ["c-1", "c-1"]


def test_only_the_last_ten_thousand_ids_are_known() -> None:
    seen, event = SeenCommands(), CloudEvent(id="", source="/s", type="block")
    found = [seen.is_repeated(replace(event, id=str(number)), command(number)) for number in range(10_001)]
    assert not any(found)
    assert seen.is_repeated(replace(event, id="1"), command(20_000))
    assert not seen.is_repeated(replace(event, id="0"), command(20_001))
