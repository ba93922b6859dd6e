"""By which policies the gate's loop judges: by those that are proven to be in force, and by newer ones soon."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest
from streamwarden_gate import loop
from streamwarden_gate.loop import GateLoop
from streamwarden_gate.reasons import RefusalReason
from support.gate_fakes import FakePolicies, unknown_and_lost
from support.gate_log import AGENT, NAMESPACE, MemoryLog
from support.gate_memory_loop import World
from support.policy_log import binding_record, epoch_record, policy_record, policy_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamwarden_gate.partitions import Place
    from streamwarden_gate.ports import Item
    from streamwarden_kafka.records import Write
    from support.gate_fakes import MemoryKafka


def stale(world: World, seconds: float = 31) -> None:
    world.policies.proven_at_s = time.monotonic() - seconds


def slow_world(log: MemoryLog, monkeypatch: pytest.MonkeyPatch, act: Callable[[World], None]) -> World:
    """Judge a backlog as if one decision took as long as a batch may; ``act`` comes with the first commit."""
    monkeypatch.setattr(loop, "_MAX_BATCH_S", 0)
    world = World(log)
    world.steps(1)
    world.write(*range(30))

    def commit(kafka: MemoryKafka, writes: Sequence[Write], places: Mapping[int, Place]) -> None:
        kafka.commit(writes, places)
        act(world)

    world.kafka.endings = [commit]
    world.steps(20)
    return world


def deny_everything(world: World) -> None:
    """Publish a second epoch, in which the one policy denies."""
    strict = policy_record(NAMESPACE, "confident", policy_spec("false"), revision=2, epoch=2)
    binding = binding_record(NAMESPACE, AGENT, [strict], world.log.targets, revision=2, epoch=2)
    assert world.log.write(strict, binding, epoch_record(2, revision_counter=2)) is None
    world.policies.offer(world.log.build())


def test_x03_by_policies_that_may_be_outdated_nothing_is_judged(world: World) -> None:
    world.write(0, 1)
    world.steps()
    stale(world)
    world.write(2, 3)
    world.steps()
    assert sorted(world.judged) == ["page-0", "page-1"]
    assert (world.reports.said[-1].state, world.reports.said[-1].reason) == ("Stale", RefusalReason.STALE)
    assert world.reports.said[-1].policies == ()


def test_x03_a_gate_that_has_just_begun_and_proven_nothing_judges_nothing_and_is_starting(world: World) -> None:
    world.policies.proven_at_s = -math.inf
    world.write(0, 1)
    world.steps()
    assert (world.judged, [said.state for said in world.reports.said]) == ([], ["Starting"])
    world.loop._staleness.began_s -= 31  # half a minute later
    world.steps()
    assert (world.judged, [said.state for said in world.reports.said]) == ([], ["Starting", "Stale"])


def test_a_first_proof_that_comes_right_after_the_look_for_one_is_no_reason_to_say_stale(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs = iter([-math.inf])
    monkeypatch.setattr(FakePolicies, "proven_at_s", property(lambda _: next(proofs, math.inf)), raising=False)
    world.write(0, 1)
    world.steps()
    assert (sorted(world.judged), [said.state for said in world.reports.said]) == (
        ["page-0", "page-1"],
        ["Starting", "InForce"],
    )


def test_x03_it_goes_on_where_it_stopped_once_they_are_proven(world: World) -> None:
    world.write(0, 1)
    world.steps()
    stale(world)
    world.write(2, 3)
    world.steps()
    world.policies.proven_at_s = time.monotonic()
    world.write(4)
    world.steps()
    world.check(*range(5))
    assert world.reports.said[-1].state == "InForce"


def test_x03_a_gate_whose_kafka_goes_away_in_a_transaction_says_that_it_is_stale_and_goes_on(world: World) -> None:
    world.steps()
    world.write(0)
    world.kafka.endings = [unknown_and_lost]
    world.committer.unanswered = True
    world.steps()
    assert [said.state for said in world.reports.said] == ["InForce"]
    stale(world)
    world.steps()
    assert [said.state for said in world.reports.said] == ["InForce", "Stale"]
    world.committer.unanswered, world.policies.proven_at_s = False, time.monotonic()
    world.steps()
    world.check(0)
    assert world.reports.said[-1].state == "InForce"


def test_x03_a_proof_that_is_almost_too_old_is_one(world: World) -> None:
    stale(world, 20)
    world.write(0)
    world.steps()
    world.check(0)


def test_of_a_hot_partition_under_slow_rules_no_more_is_judged_between_two_polls_than_takes_two_seconds(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_MAX_BATCH_S", 0)  # as if judging one decision took so long
    monkeypatch.setattr(loop, "LONGEST_S", 0)  # likewise
    world = World(log)
    world.steps(1)
    world.write(*[7] * 30)
    world.steps(1)
    assert len(world.judged) == 1, "a group puts a member out that does not poll for five minutes"
    monkeypatch.undo()
    world.steps()
    world.check(*[7] * 30)


def test_x03_policies_that_become_outdated_while_a_backlog_is_judged_slowly_judge_no_more_of_it(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LONGEST_S", 0)  # as if judging one decision took so long
    world = slow_world(log, monkeypatch, stale)
    assert len(world.judged) == 1
    monkeypatch.undo()
    world.policies.proven_at_s = time.monotonic()
    world.steps()
    world.check(*range(30))


def test_a_set_that_is_being_read_when_a_batch_is_to_be_judged_is_waited_for(world: World) -> None:
    world.steps(1)
    world.write(*range(10))
    reading = [lambda: deny_everything(world)]
    world.policies.on_settle = lambda: reading.pop()() if reading else None
    world.steps()
    assert [audit["verdict"] for audit in world.audits] == ["Deny"] * 10


def test_a_gate_that_has_no_policies_yet_is_starting_not_stale(log: MemoryLog) -> None:
    world = World(log)
    world.policies.offer(None)
    stale(world, 1_000)
    world.steps()
    assert {report.state for report in world.reports.said} == {"Starting"}


def test_x09_a_newer_set_is_taken_over_between_batches_of_bounded_time(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = slow_world(log, monkeypatch, deny_everything)
    verdicts = [audit["verdict"] for audit in world.audits]
    assert len(verdicts) == 30
    assert verdicts.count("Allow") <= 2, "what was judged while the newer set was published"
    assert set(verdicts[2:]) == {"Deny"}


def test_a_set_that_is_published_while_records_are_received_is_what_judges_them(world: World) -> None:
    world.steps(1)
    world.write(*range(10))
    world.membership.in_poll = [lambda: deny_everything(world)]
    world.steps()
    assert [audit["verdict"] for audit in world.audits] == ["Deny"] * 10
    assert {audit["epochs"]["namespace"] for audit in world.audits} == {2}
    world.check_places()


def test_by_policies_that_become_doubtful_while_records_are_received_nothing_is_judged(world: World) -> None:
    world.steps(1)
    world.write(*range(10))
    world.membership.in_poll = [lambda: stale(world)]
    world.steps()
    assert (world.judged, world.reports.said[-1].state) == ([], "Stale")


def test_a_set_that_is_published_while_one_batch_is_read_alone_is_what_judges_it(world: World) -> None:
    world.steps(1)
    world.write(*range(10))
    receive_alone, published = world.membership.receive_alone, list[int]()

    def slowly(number: int, position: int, reading: Callable[[int], bool | None]) -> Sequence[Item]:
        found = receive_alone(number, position, reading)
        if found and not published:
            published.append(number)
            deny_everything(world)
        return found

    world.membership.receive_alone = slowly  # type: ignore[method-assign]  # as if it took as long
    world.loop._careful.begin()
    world.steps(40)
    assert [audit["verdict"] for audit in world.audits] == ["Deny"] * 10
    world.check_places()


@pytest.mark.parametrize("doubtful", range(1, 8))
def test_a_record_that_is_not_judged_while_policies_are_doubtful_is_hidden_by_none_behind_it(
    world: World, doubtful: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def once(_loop: GateLoop) -> bool:
        asked.append(len(asked) + 1 == doubtful)
        return asked[-1]

    monkeypatch.setattr(GateLoop, "_are_superseded", once)
    world.write(*range(10))
    world.loop._careful.begin()
    world.steps(40)
    assert any(asked)
    world.check(*range(10))
