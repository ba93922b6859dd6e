"""An executor never carries out a command that has expired, and none twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator  # noqa: TC003  # read from the annotations at run time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden import Agent, AgentDefinitionError, Decision, Event, testing
from streamwarden.core.commands import SeenCommands
from streamwarden.core.dispatch import Dispatcher, Sleep
from streamwarden.core.records import Handled, Record
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.core.writing import Author
from streamwarden.errors import CommandExpiredError
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import SourceTopic

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamwarden.handlers import Function

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
EXPIRY = NOW + timedelta(minutes=5)


def command(offset: int = 0, *, id_: str = "c-1", expirytime: datetime | None = EXPIRY, by_gate: bool = True) -> Record:
    event = CloudEvent(id=id_, source="/streamwarden/risk/guard", type="block", subject="page-1", expirytime=expirytime)
    headers = [*event.headers(), ("sw-format", b"1"), ("sw-verdict", b"Allow")] if by_gate else event.headers()
    return Record("risk.commands", 0, offset, 0, b"page-1", b"{}", tuple(headers), topic_id="T1")


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


def dispatcher_of(agent: Agent, now: Callable[[], datetime], sleep: Sleep = no_wait) -> Dispatcher:
    return Dispatcher(
        Routes(agent, [SourceTopic(name="commands", topic="risk.commands")]),
        Author("risk", "executor", "uid", None, None),
        Backoff.of(Retry()),
        concurrency=1,
        sleep=sleep,
        now=now,
    )


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

        self.dispatcher = dispatcher_of(agent, lambda: self.now, self.sleep)

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


def telling_executor(too_late: Function, *, failing: bool = False) -> Agent:
    agent = Agent()

    @agent.on_event("block")
    def block(_event: Event) -> Decision:
        if failing:
            raise OSError("the firewall does not answer")
        return Decision("blocked")

    agent.on_expired("block")(too_late)
    return agent


def say_so(event: Event) -> Decision:
    return Decision("not-blocked", parameters={"command": event.id})


async def say_so_later(event: Event) -> AsyncIterator[Decision]:
    await asyncio.sleep(0)
    yield say_so(event)


@pytest.mark.parametrize("too_late", [say_so, say_so_later], ids=["plain", "async-generator"])
@pytest.mark.parametrize(
    ("now", "decided"),
    [(EXPIRY - timedelta(milliseconds=1), "blocked"), (EXPIRY, "not-blocked")],
    ids=["in-time", "too-late"],
)
def test_an_executor_may_say_itself_that_a_command_has_expired(too_late: Function, now: datetime, decided: str) -> None:
    given = testing.command("block", "page-1", id="c-1", expirytime=EXPIRY)
    result = testing.run(telling_executor(too_late), [given], now=now)
    assert result.failures == []
    (decision,) = result.decisions
    assert (decision.type, decision.entity) == (decided, "page-1")
    assert decision.parameters == ({} if decided == "blocked" else {"command": "c-1"})


def test_what_expires_between_two_attempts_goes_to_the_handler_of_what_expires() -> None:
    given = testing.command("block", "page-1", expirytime=NOW + timedelta(seconds=1))
    times = iter([NOW, NOW + timedelta(seconds=1)])
    dispatcher = dispatcher_of(telling_executor(say_so, failing=True), lambda: next(times))
    (handled,) = asyncio.run(dispatcher.handle([command(expirytime=given.attributes.expirytime)]))
    assert [each.type for each in handled.decisions] == ["not-blocked"]
    assert handled.failure is None


def test_a_handler_of_expired_commands_that_fails_is_tried_as_often_as_any_other() -> None:
    def fail(_event: Event) -> None:
        raise OSError("nobody can be told")

    given = testing.command("block", "page-1", id="c-1", expirytime=EXPIRY)
    result = testing.run(telling_executor(fail), [given], now=EXPIRY, retry=Retry(max_attempts=3))
    (failure,) = result.failures
    assert failure.error.startswith("OSError: nobody can be told (")
    assert (failure.attempts, len(result.waits_s)) == (3, 2)


def test_an_executor_may_refuse_an_expired_command_after_all() -> None:
    def refuse(_event: Event) -> None:
        raise CommandExpiredError("nobody asked for it any more")

    result = testing.run(telling_executor(refuse), [testing.command("block", "p", expirytime=EXPIRY)], now=EXPIRY)
    (failure,) = result.failures
    assert (failure.error, failure.attempts) == ("CommandExpiredError: nobody asked for it any more", 1)


def test_the_failure_record_of_an_expired_command_names_its_entity_and_id() -> None:
    agent = Agent()
    agent.on_event("block")(say_so)
    result = testing.run(agent, [testing.command("block", "page-1", id="c-1", expirytime=EXPIRY)], now=EXPIRY)
    headers = dict(result.records[0].headers)
    assert (headers["ce_subject"], headers["ce_causationid"]) == (b"page-1", b"c-1")
    assert headers["ce_type"] == b"streamwarden.failure"


def test_without_a_time_no_command_of_a_test_expires() -> None:
    result = testing.run(telling_executor(say_so), [testing.command("block", "page-1", expirytime=EXPIRY)])
    assert [each.type for each in result.decisions] == ["blocked"]


def takes_data(_data: dict[str, object]) -> None: ...
def takes_both(_data: dict[str, object], _event: Event) -> None: ...
def takes_event_twice(_event: Event, _again: Event) -> None: ...


@pytest.mark.parametrize("function", [takes_data, takes_both, takes_event_twice])
def test_a_handler_of_expired_events_takes_the_event_alone(function: Function) -> None:
    with pytest.raises(AgentDefinitionError, match=rf"{function.__name__}: .* takes the Event alone"):
        Agent().on_expired("block")(function)


def test_a_handler_of_expired_events_needs_one_of_those_that_have_not() -> None:
    agent = Agent()
    agent.on_event("unblock")(say_so)
    agent.on_expired("block")(say_so)
    with pytest.raises(AgentDefinitionError, match=r"@agent.on_expired\('block'\) is never called"):
        Routes(agent, [SourceTopic(name="commands", topic="risk.commands")]).check()


def test_an_outcome_that_expires_is_no_command_and_becomes_a_failure() -> None:
    agent = telling_executor(say_so)
    agent.on_outcome("block")(say_so)
    outcome = testing.outcome("block", "page-1")
    late = replace(outcome, attributes=replace(outcome.attributes, expirytime=EXPIRY))
    result = testing.run(agent, [late], now=EXPIRY)
    assert [each.error.partition(":")[0] for each in result.failures] == ["CommandExpiredError"]


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


def test_a_copy_that_was_passed_over_does_not_cost_the_command_that_stands_before_it() -> None:
    seen, event = SeenCommands(), CloudEvent(id="c-1", source="/s", type="block")
    copy = replace(command(7), topic_id="")
    assert [seen.is_repeated(event, each) for each in (copy, command(3), command(7))] == [False, False, True]


def test_reading_an_id_back_does_not_forget_which_topic_it_is_of() -> None:
    seen, event = SeenCommands(), CloudEvent(id="c-1", source="/s", type="block")
    again = replace(command(0), topic_id="T2")
    assert [seen.is_repeated(event, each) for each in (command(3), replace(command(3), topic_id=""), again)] == [
        False,
        False,
        True,
    ]


def test_in_a_topic_made_again_an_id_stays_repeated_however_often_and_wherever_it_is_read() -> None:
    seen, event = SeenCommands(), CloudEvent(id="c-1", source="/s", type="block")
    again = [replace(command(offset), topic_id="T2") for offset in (0, 0, 5)]
    assert [seen.is_repeated(event, each) for each in (command(3), *again)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("other", "repeated"),
    [
        pytest.param(command(3), False, id="the-same-place"),
        pytest.param(command(4), True, id="after-it"),
        pytest.param(command(2), False, id="before-it"),
        pytest.param(replace(command(4), partition=1), False, id="in-another-partition"),
        pytest.param(replace(command(4), topic="risk.copied"), False, id="in-another-topic"),
        pytest.param(replace(command(0), topic_id="T2"), True, id="in-the-topic-made-again"),
    ],
)
def test_an_id_is_repeated_where_it_stood_before_in_its_partition(other: Record, *, repeated: bool) -> None:
    seen, event = SeenCommands(), CloudEvent(id="c-1", source="/s", type="block")
    seen.is_repeated(event, command(3))
    assert seen.is_repeated(event, other) is repeated


@pytest.mark.slow
@given(
    ids=st.lists(st.sampled_from(["c-1", "c-2", "c-3"]), max_size=10),
    committed=st.lists(st.sets(st.integers(0, 9)), max_size=3),
    keyed=st.booleans(),
)
def test_however_processes_die_the_first_place_of_an_id_is_carried_out_and_no_other(
    *, ids: list[str], committed: list[set[int]], keyed: bool
) -> None:
    log = [command(offset, id_=id_) for offset, id_ in enumerate(ids)]
    log = log if keyed else [replace(each, key=None) for each in log]
    places: list[int] = []
    finished: set[int] = set()

    async def live_and_die() -> None:
        agent = Agent()

        @agent.on_event("block", deduplicate=True)
        def block(event: Event) -> None:
            places.append(event.offset)

        dispatcher = dispatcher_of(agent, lambda: NOW)
        past = [replace(each, topic_id="") for each in log if each.offset in finished]
        await dispatcher.handle(past, replay=True)
        await dispatcher.handle([each for each in log if each.offset not in finished])

    for then_committed in [*committed, set(range(len(log)))]:
        asyncio.run(live_and_die())
        finished |= then_committed
    asyncio.run(live_and_die())
    assert set(places) == {ids.index(id_) for id_ in ids}


def test_any_event_can_be_deduplicated_by_its_id() -> None:
    agent, seen = Agent(), list[str]()

    @agent.on_event("page.observed", deduplicate=True)
    def note(event: Event) -> None:
        seen.append(event.id)

    given_events = [testing.event("page.observed", "page-1", id=id_) for id_ in ("a", "b", "a")]
    result = testing.run(agent, given_events, replay=[testing.event("page.observed", "page-1", id="b")])
    assert seen == ["a"]
    assert [each.repeated for each in result.handled] == [False, True, True]


@pytest.mark.slow
def test_only_the_last_ten_thousand_ids_are_known() -> None:
    seen, event = SeenCommands(), CloudEvent(id="", source="/s", type="block")
    found = [seen.is_repeated(replace(event, id=str(number)), command(number)) for number in range(10_001)]
    assert not any(found)
    assert seen.is_repeated(replace(event, id="1"), command(20_000))
    assert not seen.is_repeated(replace(event, id="0"), command(20_001))
