"""Ranges that people have asked to pass over (X11): once, with one audit record, and nothing beside them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.policylog import SkipRange
from streamwarden_gate import loop
from streamwarden_gate.reasons import RefusalReason
from streamwarden_kafka.deaths import MOST_SKIPPED
from support.gate_fakes import MemoryKafka, aborted, refused_where
from support.gate_log import TOPIC_ID, MemoryLog, decision, headers, record
from support.gate_processes import DeadlyWorld
from support.policy_log import epoch_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_kafka.records import Write


def asked(partition: int, first: int, last: int, *, topic_id: str = TOPIC_ID) -> SkipRange:
    return SkipRange(
        topic_id=topic_id,
        partition=partition,
        from_offset=first,
        to_offset=last,
        reason="a broken library wrote it",
        requested_by="ada\u202e",
    )


@pytest.fixture
def world(log: MemoryLog) -> DeadlyWorld:
    return DeadlyWorld(log)


def ask(world: DeadlyWorld, *skips: SkipRange) -> None:
    """Publish a binding that asks for these, in a new epoch."""
    binding = world.log.binding.model_copy(update={"skips": skips, "epoch": 2, "revision": 2})
    assert world.log.write(binding, epoch_record(2, revision_counter=2)) is None


def halt(world: DeadlyWorld, partition: int, offset: int) -> None:
    """Let the gate halt at a batch that nobody can decode, as it has skipped too many already."""
    for _ in range(MOST_SKIPPED):
        world.note.skipped(time.time())
    world.unreadable = {partition: (offset,)}
    world.run()
    assert world.reports.said[-1].reason == RefusalReason.TOO_MANY_SKIPS


def test_x11_a_halted_partition_goes_on_behind_what_was_asked_for_and_loses_nothing_else(world: DeadlyWorld) -> None:
    halt(world, 1, 2)
    assert world.kafka.committed[1][0] == 2
    request = asked(1, 2, 3)
    ask(world, request)
    world.run()
    world.check((1, 2, 3))
    [told] = [audit for audit in world.audits if audit["verdict"] == "Skipped"]
    assert (told["reason"], told["decision"]["digest"]) == ("SkippedOnRequest", request.digest)
    assert told["message"] == "requested by ada\\u202e (a claim): a broken library wrote it"
    assert abs(told["decision"]["timestamp"] / 1000 - time.time()) < 60
    said = world.reports.said[-1]
    assert (said.state, said.reason) == ("InForce", "RecordsSkipped")
    assert said.message.startswith("decision partition 1: offsets 2 to 3 skipped: requested by ada\\u202e (a claim): ")


def test_x11_a_running_gate_goes_on_as_soon_as_the_request_is_in_force(world: DeadlyWorld) -> None:
    for _ in range(MOST_SKIPPED):
        world.note.skipped(time.time())
    world.unreadable = {1: (2,)}
    loop = world.live()
    ask(world, asked(1, 2, 2))
    world.policies.offer(world.log.build())
    deadline = time.monotonic() + 20
    while world.kafka.committed[1][0] < len(world.kafka.log[1]):
        assert time.monotonic() < deadline
        loop.step()
    world.check((1, 2, 2))


def test_a_request_is_honoured_once_whoever_owns_the_partition(world: DeadlyWorld) -> None:
    ask(world, asked(0, 0, 1))
    world.run()
    for _ in range(2):
        world.live()
    world.check((0, 0, 1))


def test_an_aborted_skip_is_done_again(world: DeadlyWorld) -> None:
    ask(world, asked(0, 0, 1))
    world.kafka.endings = [MemoryKafka.commit, aborted]
    world.run()
    world.check((0, 0, 1))


def test_what_lies_before_the_range_is_judged_first_and_only_the_rest_of_it_is_passed_over(world: DeadlyWorld) -> None:
    ask(world, asked(0, 1, 2), asked(2, 2, 2))
    world.run()
    world.check((0, 1, 2), (2, 2, 2))


def test_what_was_judged_of_the_range_stays_judged(world: DeadlyWorld) -> None:
    halt(world, 1, 2)
    ask(world, asked(1, 0, 2))
    world.run()
    world.check((1, 2, 2))


def test_markers_before_the_range_do_not_keep_it_waiting(log: MemoryLog) -> None:
    world = DeadlyWorld(log)
    own = world.kafka.log[1]
    at = len(own)
    own.append(None)
    entity = "page-1"
    while record(b"", key=entity.encode()).partition != 1:
        entity += "x"
    for offset in (at + 1, at + 2):
        own.append(record(decision(entity).encode(), key=entity.encode(), headers_=headers(entity), offset=offset))
    world.unreadable = {1: (at,)}
    for _ in range(MOST_SKIPPED):
        world.note.skipped(time.time())
    world.run()
    assert world.kafka.committed[1][0] == at
    ask(world, asked(1, at + 1, at + 1))
    world.run()
    [told] = [audit for audit in world.audits if audit["verdict"] == "Skipped"]
    assert (told["decision"]["offset"], told["decision"]["lastOffset"]) == (at + 1, at + 1)
    assert world.kafka.committed[1][0] == len(own)


def test_a_record_that_brokers_refuse_the_outcome_of_is_passed_over(world: DeadlyWorld) -> None:
    first = world.kafka.log[0][0]
    assert first is not None
    key = first.key

    def is_of_page(writes: Sequence[Write]) -> bool:
        return any(write.topic == "risk.commands" and write.key == key for write in writes)

    world.kafka.usual = refused_where(is_of_page, for_itself=False)
    world.run()
    assert world.reports.said[-1].reason == RefusalReason.TARGET_REFUSED
    ask(world, asked(0, 0, 0))
    world.run()
    world.check((0, 0, 0))


def test_f18_a_topic_that_was_made_again_is_not_skipped(world: DeadlyWorld) -> None:
    ask(world, asked(0, 0, 1, topic_id="an-earlier-one"))
    world.run()
    world.check()


def test_what_was_requested_does_not_use_up_what_a_gate_may_skip_by_itself(world: DeadlyWorld) -> None:
    for _ in range(MOST_SKIPPED - 1):
        world.note.skipped(time.time())
    world.unreadable = {1: (2,), 2: (1,)}
    ask(world, asked(1, 2, 2))
    world.run()
    world.check((1, 2, 2), (2, 1, 1))


def test_tries_end_with_the_skip(world: DeadlyWorld) -> None:
    world.kafka.committed[2] = (0, ChainHead(tries=2).metadata(TOPIC_ID, 0))
    ask(world, asked(2, 0, 0))
    world.run()
    world.check((2, 0, 0))


@pytest.mark.parametrize("first", [pytest.param(0, id="at-its-place"), pytest.param(1, id="within-a-batch")])
def test_a_range_is_passed_over_at_the_loop_s_time(
    first: int, world: DeadlyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(loop, "_now", lambda: now)
    ask(world, asked(0, first, 2))
    world.run()
    [told] = [audit for audit in world.audits if audit["verdict"] == "Skipped"]
    assert (told["decision"]["timestamp"], told["time"]) == (int(now.timestamp() * 1000), "2026-01-02T03:04:05.000Z")
