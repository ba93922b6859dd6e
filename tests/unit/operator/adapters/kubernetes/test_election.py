"""The Lease over an API server that answers, is slow, refuses, or is asked by two."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_operator.adapters.kubernetes import election
from streamwarden_operator.adapters.kubernetes.election import Election
from streamwarden_operator.errors import KubernetesUnavailableError, LeadershipLostError
from streamwarden_operator.plans.election import DURATION_S, RENEW_DEADLINE_S
from support.lease_fakes import Clock, Server, replica

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamwarden_operator.ports import Manifest

LEASE = "streamwarden/streamwarden-leader"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "RETRY_S", 0.001)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def until(holds: Callable[[], bool], task: asyncio.Task[None]) -> None:
    """Wait until something holds, or the task ends that would bring it about."""
    async with asyncio.timeout(30):
        while not holds() and not task.done():  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.001)


async def looks(server: Server, task: asyncio.Task[None]) -> None:
    """Wait until who waits, or holds, has looked at the Lease three times more, or does so no more."""
    asked = server.asked
    await until(lambda: server.asked >= asked + 3, task)


async def test_the_first_one_makes_the_lease_and_leads(server: Server, clock: Clock) -> None:
    one = replica(server, clock)
    with pytest.raises(LeadershipLostError, match=f"^the Lease {LEASE} is not this process's$"):
        one.check()
    await one.acquire()
    one.check()
    assert {name: server.spec[name] for name in ("holderIdentity", "leaseDurationSeconds", "leaseTransitions")} == {
        "holderIdentity": "one",
        "leaseDurationSeconds": DURATION_S,
        "leaseTransitions": 1,
    }


async def test_a_renewal_that_is_not_answered_in_time_ends_it(server: Server, clock: Clock) -> None:
    one = replica(server, clock)
    await one.acquire()
    clock.now_s += RENEW_DEADLINE_S - 0.01
    one.check()
    clock.now_s += 0.02
    with pytest.raises(LeadershipLostError, match=f"^the Lease {LEASE} was not renewed in time$"):
        one.check()
    await asyncio.wait_for(one.hold(), 30)


@pytest.mark.parametrize("write", ["create", "replace"], ids=["its-first", "a-renewal"])
async def test_f11_a_holder_counts_from_when_it_sent_a_write_and_not_from_the_answer(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """Others may have seen it, and begun to count, as soon as it was sent."""
    answer: Callable[..., Awaitable[Manifest]] = getattr(server, write)

    async def slow(*asked: object) -> Manifest:
        clock.now_s += 4
        return await answer(*asked)

    one = replica(server, clock)
    if write == "replace":
        await one.acquire()
    monkeypatch.setattr(server, write, slow)
    await (one.acquire() if write == "create" else one.confirm())
    clock.now_s += RENEW_DEADLINE_S - 4.1
    one.check()
    clock.now_s += 0.2
    with pytest.raises(LeadershipLostError):
        one.check()


async def test_f11_a_server_that_hangs_holds_nobody_beyond_the_deadline(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamwarden_operator.plans.election.RENEW_DEADLINE_S", 0.2)
    one = replica(server, time.monotonic)
    await one.acquire()
    server.hangs = True
    await asyncio.wait_for(one.hold(), 30)
    assert not one.leads


async def test_a_short_outage_ends_nobody(server: Server, clock: Clock) -> None:
    one = replica(server, clock)
    await one.acquire()
    holding = asyncio.create_task(one.hold())
    server.down = True
    clock.now_s += RENEW_DEADLINE_S / 2
    await looks(server, holding)
    server.down = False
    before = server.version
    await until(lambda: server.version > before, holding)
    assert (one.leads, holding.done()) == (True, False)
    holding.cancel()


async def test_a_stand_by_takes_what_stood_still_for_longer_than_its_holder_may_hold_it(
    server: Server, clock: Clock
) -> None:
    one, two = replica(server, clock), replica(server, clock, "two")
    await one.acquire()
    waiting = asyncio.create_task(two.acquire())
    await looks(server, waiting)
    clock.now_s += DURATION_S - 0.1
    await looks(server, waiting)
    assert (two.leads, one.leads, waiting.done()) == (False, False, False)
    clock.now_s += 0.2
    await asyncio.wait_for(waiting, 30)
    assert (two.leads, server.spec["holderIdentity"], server.spec["leaseTransitions"]) == (True, "two", 2)


async def test_a_deleted_lease_is_made_anew_by_its_holder_and_by_a_stand_by_once_that_one_may_not_write(
    server: Server, clock: Clock
) -> None:
    one, two = replica(server, clock), replica(server, clock, "two")
    await one.acquire()
    waiting = asyncio.create_task(two.acquire())
    await looks(server, waiting)
    server.lease = None
    await looks(server, waiting)
    assert (one.leads, two.leads, server.lease) == (True, False, None)
    holding = asyncio.create_task(one.hold())
    await until(lambda: server.lease is not None, holding)
    assert (one.leads, server.spec["holderIdentity"]) == (True, "one")
    holding.cancel()

    server.lease = None
    await looks(server, waiting)
    clock.now_s += DURATION_S + 0.1
    await asyncio.wait_for(waiting, 30)
    assert (one.leads, two.leads, server.spec["holderIdentity"]) == (False, True, "two")


async def test_who_starts_where_the_lease_was_deleted_waits_until_its_holder_may_not_write(
    server: Server, clock: Clock
) -> None:
    """It has seen nobody, took the Lease at once, and led beside the old one."""
    one, two = replica(server, clock), replica(server, clock, "two")
    await one.acquire()
    server.lease = None
    waiting = asyncio.create_task(two.acquire())
    await looks(server, waiting)
    clock.now_s += DURATION_S
    await looks(server, waiting)
    assert (two.leads, waiting.done(), server.lease) == (False, False, None)
    clock.now_s += 0.1
    await asyncio.wait_for(waiting, 30)
    assert (one.leads, two.leads, server.spec["holderIdentity"]) == (False, True, "two")


async def test_who_cannot_tell_whether_somebody_has_led_waits(server: Server, clock: Clock) -> None:
    async def unknown() -> bool:
        raise KubernetesUnavailableError("no answer")

    one = Election(cast("Any", server), namespace="n", name="l", identity="one", is_new=unknown, clock_s=clock)
    waiting = asyncio.create_task(one.acquire())
    await looks(server, waiting)
    assert not one.leads
    clock.now_s += DURATION_S + 0.1
    await asyncio.wait_for(waiting, 30)
    assert one.leads


async def test_a_leader_whose_lease_another_one_has_made_anew_finds_that_before_it_works(
    server: Server, clock: Clock
) -> None:
    """Both were at their first start: the other one saw neither a Lease nor a key, and then there was one."""
    one, two = replica(server, clock), replica(server, clock, "two")
    await one.acquire()
    await one.confirm()
    assert one.leads
    server.lease, server.version = None, 0
    await two.acquire()
    with pytest.raises(LeadershipLostError):
        await asyncio.wait_for(one.confirm(), 30)
    assert (one.leads, two.leads) == (False, True)


async def test_a_leader_makes_a_deleted_lease_anew_before_it_works(server: Server, clock: Clock) -> None:
    one = replica(server, clock)
    await one.acquire()
    server.lease = None
    await one.confirm()
    assert (one.leads, server.spec["holderIdentity"]) == (True, "one")


async def test_who_comes_back_finds_another_one_s_and_ends_at_once(server: Server, clock: Clock) -> None:
    one, two = replica(server, clock), replica(server, clock, "two")
    await one.acquire()
    server.spec["holderIdentity"] = ""  # somebody has let go of it for us
    server.version += 1
    cast("Any", server.lease)["metadata"]["resourceVersion"] = str(server.version)
    await two.acquire()
    await asyncio.wait_for(one.hold(), 30)
    assert (one.leads, two.leads) == (False, True)


async def test_who_stops_lets_go_and_another_one_need_not_wait(server: Server, clock: Clock) -> None:
    one, two = replica(server, clock), replica(server, clock, "two")
    await one.acquire()
    await one.release()
    assert (one.leads, server.spec["holderIdentity"]) == (False, "")
    await asyncio.wait_for(two.acquire(), 30)
    assert two.leads


async def test_a_release_that_fails_is_no_failure(server: Server, clock: Clock) -> None:
    one = replica(server, clock)
    await one.acquire()
    server.down = True
    await one.release()
    assert not one.leads
    await one.close()
    assert server.closed == 1


async def test_renewals_keep_when_it_was_got(server: Server, clock: Clock) -> None:
    one = replica(server, clock)
    await one.acquire()
    got, version = server.spec["acquireTime"], server.version
    holding = asyncio.create_task(one.hold())
    await until(lambda: server.version >= version + 2, holding)
    holding.cancel()
    assert server.spec["acquireTime"] == got
    assert server.spec["leaseTransitions"] == 1
