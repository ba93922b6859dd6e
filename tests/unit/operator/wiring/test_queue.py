"""X98, X93: no reconcile keeps its worker and its key for ever, and whatever ends a worker is made good."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.errors import CannotGoOnError
from streamwarden_operator.keys import Key
from streamwarden_operator.result import GONE, Result
from streamwarden_operator.wiring.queue import Reconciled, ReconcileQueue
from structlog.testing import capture_logs
from support.operator_harness import SETTINGS, WAIT_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

KEY, OTHER = Key("TopicContract", "risk", "pages"), Key("TopicContract", "risk", "other")
LOG = Key("PolicyLog", "risk")


class Scripted:
    """A reconciler whose first turn with ``KEY`` is said; all others are done at once."""

    def __init__(self, first: Callable[[], Awaitable[Result]]) -> None:
        self.turns: list[Key] = []
        self._first = first

    async def reconcile(self, key: Key) -> Result:
        self.turns.append(key)
        return await self._first() if self.turns.count(KEY) == 1 and key == KEY else GONE


class KeptForEver:
    """A reconciler whose keys stay."""

    def __init__(self) -> None:
        self.turns = 0

    async def reconcile(self, _key: Key) -> Result:
        self.turns += 1
        return Result()


@pytest.fixture
async def queue() -> AsyncIterator[ReconcileQueue]:
    """A queue with one worker, whose reconciles have 50 ms."""
    short = {"workers": 1, "longest_reconcile": timedelta(milliseconds=50)}
    queue = ReconcileQueue(SETTINGS.model_copy(update=short), on_status=lambda _: None)
    yield queue
    await queue.stop()


async def never() -> Result:
    await asyncio.get_running_loop().create_future()
    return GONE


async def given_up() -> Result:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future
    return GONE


@pytest.mark.parametrize(
    ("first", "message"),
    [
        pytest.param(never, "not done within 0.05 s, ", id="X98-a-future-that-never-settles"),
        pytest.param(given_up, "what it waited for was given up, ", id="X98-a-future-that-somebody-else-gave-up"),
    ],
)
async def test_what_does_not_come_keeps_neither_worker_nor_key(
    queue: ReconcileQueue, first: Callable[[], Awaitable[Result]], message: str
) -> None:
    ended: list[Reconciled] = []
    queue.on_reconciled = ended.append
    scripted = Scripted(first)
    with capture_logs() as logs:
        queue.add(KEY)
        queue.add(OTHER)
        queue.start({"TopicContract": scripted})
        await until(lambda: len(scripted.turns) == 3)
        await until(lambda: queue.idle)
    assert scripted.turns == [KEY, OTHER, KEY]
    assert [each.outcome.value for each in ended] == ["deadline_exceeded", "success", "success"]
    (entry,) = logs
    assert (entry["event"], entry["key"], entry["error"].startswith(message)) == ("reconcile failed", str(KEY), True)
    assert "at streamwarden_operator.wiring.queue:" in entry["error"]
    assert not queue.running


async def test_x98_one_that_does_not_even_end_ends_the_process(queue: ReconcileQueue) -> None:
    let_go = asyncio.Event()

    async def deaf() -> Result:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return GONE

    queue.add(KEY)
    queue.start({"TopicContract": Scripted(deaf)})
    try:
        async with asyncio.timeout(10):
            await queue.lost.wait()
    finally:
        let_go.set()
    assert isinstance(queue.lost_by, CannotGoOnError)
    assert str(queue.lost_by) == f"the reconcile of {KEY} goes on after 0.1 s though it was told to end"


async def test_one_that_is_done_in_its_time_ends_nothing(queue: ReconcileQueue) -> None:
    async def in_time() -> Result:
        await asyncio.sleep(0)
        return GONE

    scripted = Scripted(in_time)
    queue.add(KEY)
    queue.start({"TopicContract": scripted})
    await until(lambda: bool(scripted.turns) and queue.idle)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.15):  # the process would have ended after 0.1 s
            await queue.lost.wait()


async def test_f26_ten_thousand_resources_at_once_have_their_turn_and_no_more_of_them_than_there_are_workers() -> None:
    queue = ReconcileQueue(SETTINGS.model_copy(update={"workers": 32}), on_status=lambda _: None)
    busy, most, turns = 0, 0, Counter[Key]()

    class Slow:
        async def reconcile(self, key: Key) -> Result:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            turns[key] += 1
            await asyncio.sleep(0)
            busy -= 1
            return GONE

    keys = [Key("AgentDeployment", "risk", f"a{number}") for number in range(10_000)]
    for key in (*keys, *keys):  # a list, and the watch that begins after it
        queue.add(key)
    queue.start({"AgentDeployment": Slow()})
    await until(lambda: queue.idle)
    await queue.stop()
    assert most == 32
    assert turns == Counter(keys)


async def test_x93_a_listener_that_breaks_costs_no_worker(queue: ReconcileQueue) -> None:
    def breaks(_reconciled: Reconciled) -> None:
        queue.on_reconciled = lambda _: None
        raise KeyError("a label")

    queue.on_reconciled = breaks
    scripted = Scripted(never)
    queue.add(OTHER)
    queue.start({"TopicContract": scripted})
    await until(lambda: scripted.turns == [OTHER, OTHER])


async def test_what_many_ask_for_has_one_turn_for_all_who_ask_within_its_pace(queue: ReconcileQueue) -> None:
    keeps = KeptForEver()
    queue.start({"PolicyLog": keeps})
    queue.add_paced(LOG, 3_600.0)
    await until(lambda: queue.idle)
    for _ in range(300):
        queue.add_paced(LOG, 3_600.0)
    assert (keeps.turns, queue.idle) == (1, False)  # they wait, and nobody says that all is done
    queue.add(LOG)  # somebody who cannot wait, as an edit of a policy
    await until(lambda: queue.idle)
    assert keeps.turns == 2


async def test_what_waits_for_its_pace_has_its_turn_by_itself(queue: ReconcileQueue) -> None:
    keeps = KeptForEver()
    queue.start({"PolicyLog": keeps})
    for _ in range(3):
        queue.add_paced(LOG, 0.05)
        queue.add_paced(LOG, 0.05)
        await until(lambda: queue.idle)
    assert 3 <= keeps.turns <= 6


async def test_who_asks_just_after_a_turn_that_waited_for_its_pace_waits_again(queue: ReconcileQueue) -> None:
    keeps = KeptForEver()
    queue.start({"PolicyLog": keeps})
    queue.add_paced(LOG, 0.2)
    await until(lambda: keeps.turns == 1)
    queue.add_paced(LOG, 3_600.0)
    await until(lambda: keeps.turns == 2)
    queue.add_paced(LOG, 3_600.0)
    assert (dict(queue.depth), queue.idle) == ({}, False)


async def test_x86_an_edit_of_a_policy_does_not_wait_for_agents_that_keep_all_workers(queue: ReconcileQueue) -> None:
    kept, log = asyncio.Event(), KeptForEver()

    class Slow:
        """Agents of a Kafka that does not answer."""

        async def reconcile(self, _key: Key) -> Result:
            kept.set()
            return await never()

    queue._longest_s = 3_600.0
    queue.start({"AgentDeployment": Slow(), "PolicyLog": log})
    for number in range(3):
        queue.add(Key("AgentDeployment", "risk", f"guard-{number}"))
    async with asyncio.timeout(WAIT_S):
        await kept.wait()
    for turns in (1, 2):
        queue.add(LOG)
        await until(lambda turns=turns: log.turns == turns)  # type: ignore[misc]  # of this round
    assert [key.kind for key in queue.running] == ["AgentDeployment"]
    assert sum(queue.depth.values()) == 2
