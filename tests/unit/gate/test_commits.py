"""A gate that has its policies and can commit nothing is not ready, and says since when; an abort alone is nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from streamwarden_gate.commits import Absence, Commits, Failing
from streamwarden_gate.errors import PutOffError
from support.gate_fakes import aborted, unknown_and_lost, unknown_though_committed
from support.gate_log import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_gate.ports import Item
    from support.gate_fakes import Clock, Ending
    from support.gate_memory_loop import World

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def fail(commits: Commits, seconds: Sequence[float]) -> list[Failing | None]:
    """Let attempts fail, each with its own words."""
    return [commits.failed(each, NOON + timedelta(seconds=each), f"at {each}") for each in seconds]


def test_it_is_told_after_half_a_minute_and_five_attempts_and_stays_the_same() -> None:
    commits = Commits()
    assert fail(commits, [1, 10, 20, 29, 30.9]) == [None] * 5
    told = Failing(NOON + timedelta(seconds=1), "at 31")
    assert fail(commits, [31, 40]) == [told, told]
    assert commits.failing(41) == told


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param([0], id="one"),
        pytest.param([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2], id="many-in-a-few-seconds"),
        pytest.param([0, 59, 118, 177], id="few-in-minutes-as-of-a-process-that-sleeps"),
        pytest.param([0, 61, 122, 183, 244, 305], id="each-long-after-the-one-before"),
    ],
)
def test_what_is_no_long_failure_is_not_told(seconds: Sequence[float]) -> None:
    assert fail(Commits(), seconds) == [None] * len(seconds)


def test_one_success_ends_it() -> None:
    commits = Commits()
    fail(commits, range(0, 50, 10))
    commits.succeeded()
    assert commits.failing(50) is None
    assert fail(commits, range(50, 80, 5)) == [None] * 6


def test_it_is_forgotten_where_nothing_is_left_to_commit() -> None:
    commits = Commits()
    fail(commits, range(0, 50, 10))
    assert commits.failing(100) == Failing(NOON, "at 40")
    assert commits.failing(100.1) is None


def test_pauses_grow_to_two_seconds_and_begin_anew() -> None:
    commits = Commits()
    pauses = []
    for second in range(8):
        fail(commits, [second])
        pauses.append(commits.pause_s)
    assert pauses == [0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.0, 2.0]
    commits.succeeded()
    fail(commits, [8])
    assert commits.pause_s == 0.04


def go_on(world: World, clock: Clock, seconds: int) -> None:
    """Step three times a second; the policies can be read all the while."""
    for _ in range(seconds):
        clock.now_s += 1
        world.policies.proven_at_s = clock.now_s
        world.steps(3)


@pytest.fixture
def never_waiting(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(world.loop._stop, "wait", lambda _timeout_s: False)


@pytest.mark.parametrize("ending", [pytest.param(aborted, id="aborted"), pytest.param(unknown_and_lost, id="unknown")])
@pytest.mark.usefixtures("never_waiting")
def test_a_gate_that_can_commit_nothing_says_so_once_and_goes_on(world: World, clock: Clock, ending: Ending) -> None:
    go_on(world, clock, 2)
    world.kafka.usual = ending
    world.write(1)
    go_on(world, clock, 29)
    assert [said.state for said in world.reports.said] == ["InForce"]
    go_on(world, clock, 60)
    assert [(said.state, said.reason) for said in world.reports.said] == [("InForce", ""), ("Stale", "CommitsFailing")]
    said = world.reports.said[-1]
    assert (said.policies, said.epochs, said.namespace_epoch) == ((), None, 0)
    assert said.message.startswith("no transaction has been committed since 20")
    assert said.message.endswith("Z, though it is tried again and again: as the test says")
    world.kafka.usual = None
    go_on(world, clock, 2)
    assert [said.state for said in world.reports.said] == ["InForce", "Stale", "InForce"]
    world.check(1)


@pytest.mark.usefixtures("never_waiting")
def test_a_gate_whose_producer_cannot_be_opened_says_so(world: World, clock: Clock) -> None:
    go_on(world, clock, 2)
    world.kafka.endings = [unknown_and_lost]
    world.committer.unanswered = True
    world.write(1)
    go_on(world, clock, 40)
    assert [(said.state, said.reason) for said in world.reports.said] == [("InForce", ""), ("Stale", "CommitsFailing")]
    world.committer.unanswered = False
    go_on(world, clock, 2)
    assert world.reports.said[-1].state == "InForce"
    world.check(1)


@pytest.mark.usefixtures("never_waiting")
def test_a_gate_that_is_aborted_once_stays_in_force(world: World, clock: Clock) -> None:
    go_on(world, clock, 2)
    world.kafka.endings = [aborted]
    world.write(1)
    go_on(world, clock, 100)
    assert [said.state for said in world.reports.said] == ["InForce"]
    world.check(1)


@pytest.mark.usefixtures("never_waiting")
def test_a_gate_that_is_done_with_all_there_was_says_it_no_longer_than_it_is_so(world: World, clock: Clock) -> None:
    go_on(world, clock, 2)
    world.kafka.endings = [unknown_though_committed]
    world.committer.unanswered = True
    world.write(1)
    go_on(world, clock, 40)
    assert world.reports.said[-1].reason == "CommitsFailing"
    world.committer.unanswered = False
    go_on(world, clock, 2)
    assert [said.state for said in world.reports.said] == ["InForce", "Stale", "InForce"]
    transactions = len(world.kafka.transactions)
    go_on(world, clock, 2)
    assert len(world.kafka.transactions) == transactions, "one is enough"
    world.check(1)


@pytest.mark.usefixtures("never_waiting")
def test_a_gate_that_looks_for_a_batch_behind_much_that_was_aborted_can_commit(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(number: int, *_: object) -> list[Item]:
        raise PutOffError(f"decision partition {number}: no records up to offset 1000 but of aborted transactions")

    go_on(world, clock, 2)
    monkeypatch.setattr(world.membership, "receive_alone", search)
    world.note.careful = True
    go_on(world, clock, 100)
    assert [said.state for said in world.reports.said] == ["InForce"]


def test_absence_from_the_group_is_told_after_half_a_minute_with_what_was_said_then() -> None:
    absence = Absence()
    said = [absence.look(why, now_s, NOON) for now_s, why in ((1, "first"), (30.9, "second"), (31, "third"), (90, "4"))]
    told = Failing(NOON, "third", "this gate has been no member of its group")
    assert said == [None, None, told, told]
    assert [absence.look("", 91, NOON), absence.look("again", 92, NOON), absence.look("again", 121.9, NOON)] == [
        None
    ] * 3
    assert absence.look("again", 122, NOON) is not None


@pytest.mark.usefixtures("never_waiting")
def test_a_gate_that_its_group_does_not_take_in_says_so_and_goes_on_once_it_does(world: World, clock: Clock) -> None:
    go_on(world, clock, 2)
    world.membership.assign()
    world.membership.absence = "GROUP_AUTHORIZATION_FAILED"
    world.write(1)
    go_on(world, clock, 29)
    assert [said.state for said in world.reports.said] == ["InForce"]
    go_on(world, clock, 60)
    assert [(said.state, said.reason) for said in world.reports.said] == [("InForce", ""), ("Stale", "CommitsFailing")]
    said = world.reports.said[-1]
    assert (said.policies, said.epochs) == ((), None)
    assert said.message.startswith("this gate has been no member of its group since 20")
    assert said.message.endswith("Z, though it is tried again and again: GROUP_AUTHORIZATION_FAILED")
    world.membership.absence = ""
    world.membership.assign(*range(PARTITIONS))
    go_on(world, clock, 2)
    assert [said.state for said in world.reports.said] == ["InForce", "Stale", "InForce"]
    world.check(1)


@pytest.mark.usefixtures("never_waiting")
def test_a_member_that_owns_nothing_is_in_force(world: World, clock: Clock) -> None:
    go_on(world, clock, 2)
    world.membership.assign()
    go_on(world, clock, 100)
    assert [said.state for said in world.reports.said] == ["InForce"]
