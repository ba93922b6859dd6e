"""Records that no library writes: each is a dead letter of its own, and the next good decision becomes a command."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from support.gate_world import eventually
from support.kafka_tools import WAIT_S, Right
from support.raw_records import UNPARSED, Fields, RawRecord, RawWriter, batch_of, encode_batch, encode_record, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gate_world import GateWorld


@pytest.mark.parametrize(
    ("record", "reason", "message"),
    [
        pytest.param(
            RawRecord(b"page-1", b"{}", [(b"\xff\xfe", b"x")]),
            "MalformedHeaders",
            "the name of a header is not UTF-8",
            id="X06-the-name-of-a-header-is-not-UTF-8",
        ),
        pytest.param(
            RawRecord(b"page-1", b"{}", [(b"", b"x"), (b"ce_id", b"\xff")]),
            "MalformedHeaders",
            "ce_id is not UTF-8",
            id="X06-the-value-of-an-attribute-is-not-UTF-8",
        ),
    ],
)
def test_poison(world: GateWorld, record: RawRecord, reason: str, message: str) -> None:
    world.start_gate()
    world.wait_in_force()
    write_raw(world.agent_properties, world.names.decisions, 0, [record])
    world.propose([1])
    eventually(world.caught_up, "no lag")
    assert world.commanded() == ["page-1"]
    assert [(letter["reason"], letter["message"]) for letter in world.dead_letters()] == [(reason, message)]
    assert sorted(audit["verdict"] for audit in world.audits()) == ["Allow", "DeadLetter"]
    world.check_chains()


def test_x04_batches_fit_a_command_topic_of_small_batches(world: GateWorld) -> None:
    world.cluster.configure(world.commands, {"max.message.bytes": "20000"})
    world.propose(range(1_200))
    world.start_gate()
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert len(set(world.commanded())) == len(world.commanded()) == 1_200
    assert world.dead_letters() == []
    world.check_chains()


def test_x04_a_command_that_its_topic_does_not_take_is_a_dead_letter_and_the_others_go_on(
    build_world: Callable[..., GateWorld],
) -> None:
    world = build_world()
    world.publish("true")
    world.cluster.configure(world.commands, {"max.message.bytes": "4000"})
    world.start_gate()
    world.wait_in_force()
    world.propose(range(20))
    world.propose([20], parameters={"number": 20, "why": "x" * 5_000})
    world.propose(range(21, 40))
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(40) if number != 20)
    assert [letter["reason"] for letter in world.dead_letters()] == ["RefusedByBroker"]
    world.check_chains()


@pytest.mark.long
def test_x04_a_right_that_comes_late_costs_no_decision(build_world: Callable[..., GateWorld]) -> None:
    world = build_world()
    world.publish("true")
    rights = [Right("WRITE", "TOPIC", world.commands)]
    world.cluster.revoke(world.names.gate_principal, rights)
    world.start_gate()
    world.wait_in_force()
    world.propose(range(20))

    def waits() -> bool:
        ack = world.last_ack()
        return ack is not None and ack.reason == "TargetRefused"

    eventually(waits, "the gate says TargetRefused")
    world.cluster.grant(world.names.gate_principal, rights)
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(20))
    assert world.dead_letters() == []
    world.wait_in_force()
    world.check_chains()


@pytest.mark.long
def test_x08_records_of_nothing_fill_no_topic_that_agents_share(world: GateWorld) -> None:
    batch = batch_of([RawRecord(None, None)] * 1_000)
    with RawWriter(world.agent_properties) as writer:
        assert [writer.write(world.names.decisions, 0, batch).code for _ in range(20)] == [0] * 20
    world.propose(range(20))
    world.start_gate()
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(20))
    written = sum(len(json.dumps(each)) for each in (*world.audits(), *world.dead_letters()))
    assert written < 6_000_000, f"{20 * len(batch)} bytes have become {written}"
    in_runs = sum(audit["decision"].get("records", 1) for audit in world.audits() if audit["verdict"] == "DeadLetter")
    assert in_runs == 20_000
    world.check_chains()


@pytest.mark.parametrize(
    ("deltas", "skipped"),
    [
        pytest.param((1_000,), (0, 0), id="one-record-far-beyond-the-end"),
        pytest.param((0, 2), (1, 1), id="the-second-one-beyond-the-end"),
        pytest.param((2**31 - 1, 0, 1), (0, 2), id="all-of-them-in-another-order"),
    ],
)
def test_records_that_give_other_offsets_than_they_have_are_skipped_and_what_follows_is_judged(
    world: GateWorld, deltas: tuple[int, ...], skipped: tuple[int, int]
) -> None:
    world.start_gate()
    world.wait_in_force()
    records = b"".join(encode_record(RawRecord(b"page-1", b"{}"), delta) for delta in deltas)
    batch = encode_batch(records, Fields(last_offset_delta=len(deltas) - 1, records=len(deltas)))
    with RawWriter(world.agent_properties) as writer:
        assert writer.write(world.names.decisions, 0, batch).code == 0
    eventually(world.caught_up, "past the batch", timeout_s=60)
    world.propose(range(20))
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(20))
    [told] = [audit["decision"] for audit in world.audits() if audit["verdict"] == "Skipped"]
    assert (told["partition"], told["offset"], told["lastOffset"]) == (0, *skipped)
    ack = world.last_ack()
    assert ack is not None
    assert (ack.state, ack.reason) == ("InForce", "RecordsSkipped")
    world.check_chains()


@pytest.mark.parametrize(
    ("batches", "skipped"),
    [
        pytest.param([(0,), (4,), (0,), (0,), (0,), (0,)], (1, 1), id="the-second-record-says-it-is-the-sixth"),
        pytest.param([(0, 0, 0)], (0, 2), id="three-say-that-they-are-the-first"),
        pytest.param([(0, 3, 2, 3)], (1, 3), id="the-second-of-a-batch-says-it-is-the-fourth"),
    ],
)
def test_records_that_give_the_offsets_of_others_hide_none_of_them(
    world: GateWorld, batches: list[tuple[int, ...]], skipped: tuple[int, int]
) -> None:
    with RawWriter(world.agent_properties) as writer:
        for deltas in batches:
            records = b"".join(encode_record(RawRecord(b"page-1", b"{}"), delta) for delta in deltas)
            batch = encode_batch(records, Fields(last_offset_delta=len(deltas) - 1, records=len(deltas)))
            assert writer.write(world.names.decisions, 0, batch).code == 0
    world.start_gate()
    world.wait_in_force()
    world.propose(range(20))
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(20))
    [told] = [audit["decision"] for audit in world.audits() if audit["verdict"] == "Skipped"]
    assert (told["partition"], told["offset"], told["lastOffset"]) == (0, *skipped)
    others = set(range(sum(map(len, batches)))) - set(range(skipped[0], skipped[1] + 1))
    dead = [audit["decision"]["offset"] for audit in world.audits() if audit["verdict"] == "DeadLetter"]
    assert sorted(dead) == sorted(others)
    world.check_chains()


@pytest.mark.long
@pytest.mark.parametrize(
    "record",
    [
        pytest.param(UNPARSED, id="a-key-of-length-minus-5"),
        pytest.param(b"\x0e\0\0\0\x02k\x09\0", id="a-value-of-length-minus-5"),
    ],
)
def test_what_the_broker_takes_and_the_client_cannot_parse_is_skipped(world: GateWorld, record: bytes) -> None:
    world.start_gate()
    world.wait_in_force()
    with RawWriter(world.agent_properties) as writer:
        assert writer.write(world.names.decisions, 0, encode_batch(record, Fields())).code == 0
    world.propose(range(20))
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(20))
    [told] = [audit["decision"] for audit in world.audits() if audit["verdict"] == "Skipped"]
    assert (told["partition"], told["offset"], told["lastOffset"]) == (0, 0, 0)
    ack = world.last_ack()
    assert ack is not None
    assert (ack.state, ack.reason) == ("InForce", "RecordsSkipped")
    world.check_chains()


def test_many_gaps_hide_no_record_and_make_none_doubtful(world: GateWorld) -> None:
    transactional_id = world.names.agent_transactional_id("gaps")
    aborted = Producer({**world.agent_properties, "transactional.id": transactional_id, "linger.ms": 0})
    aborted.init_transactions(WAIT_S)
    aborted.begin_transaction()
    for number in range(60):
        for _ in range(17):
            aborted.produce(world.names.decisions, b"never", b"page-1", partition=number % 2)
        assert aborted.flush(WAIT_S) == 0
        write_raw(world.agent_properties, world.names.decisions, number % 2, [RawRecord(b"page-1", b"{}")])
    aborted.abort_transaction(WAIT_S)
    world.propose(range(20))
    world.start_gate()
    eventually(world.caught_up, "no lag", timeout_s=60)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(20))
    verdicts = Counter(audit["verdict"] for audit in world.audits())
    assert verdicts == {"Allow": 20, "DeadLetter": 60}
    world.check_chains()
