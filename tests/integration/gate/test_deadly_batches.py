"""Batches that kill who reads them, on a real broker: the gate under its supervisor, as in a pod of 512 MiB."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from streamwarden_gate.supervisor import ENV_MEMORY_LIMIT
from support.bombs import gzip_bomb, zstd_bomb
from support.gate_process import SUPERVISED
from support.gate_world import eventually
from support.raw_records import Fields, RawRecord, RawWriter, encode_batch, encode_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gate_world import GateWorld

MIB = 1024 * 1024
HEADERS = 50_000
WAIT_S = 240
"""Four lives of a gate, each with its start and its place in the group; a quiet machine needs less than a minute."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("bomb", "deaths"),
    [
        # The first death is of many batches in hand, and counts none; where unpacking takes so long that the partition
        # came under suspicion before, it is counted already.
        pytest.param(gzip_bomb, {3, 4}, id="X07-gzip"),
        pytest.param(zstd_bomb, {0}, id="X11-zstd"),
    ],
)
def test_a_batch_that_no_pod_has_memory_for(world: GateWorld, bomb: Callable[[int], bytes], deaths: set[int]) -> None:
    world.module = SUPERVISED
    world.start_gate(**{ENV_MEMORY_LIMIT: str(512 * MIB)})
    world.wait_in_force()
    world.propose(range(20))
    with RawWriter(world.agent_properties) as writer:
        assert writer.write(world.names.decisions, 0, bomb(640 * MIB)).code == 0
    world.propose(range(20, 40))
    eventually(world.caught_up, "no lag", timeout_s=WAIT_S)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(40))
    [told] = [audit for audit in world.audits() if audit["verdict"] == "Skipped"]
    at = told["decision"]
    assert (at["partition"], at["lastOffset"]) == (0, at["offset"])
    assert len(world.audits()) == 41
    world.check_chains()
    events = [line["event"] for line in world.log_lines()]
    assert events.count("the gate's process has died; starting it again") in deaths
    ack = world.last_ack()
    assert ack is not None
    assert (ack.state, ack.reason) == ("InForce", "RecordsSkipped")
    assert f"decision partition 0: offset {at['offset']} skipped" in ack.message


def heavy_batch(count: int) -> bytes:
    """Build a batch of records with so many headers that a pod has memory for about half of them at once."""
    heavy = RawRecord(b"page-1", b"{}", [(b"aa", b"bb")] * HEADERS)
    records = b"".join(encode_record(heavy, delta) for delta in range(count))
    fields = Fields(attributes=1, last_offset_delta=count - 1, records=count)
    return encode_batch(gzip.compress(records, mtime=0), fields)


@pytest.mark.long
def test_x07_records_that_take_all_memory_together_are_judged_one_by_one(world: GateWorld) -> None:
    world.module = SUPERVISED
    world.start_gate(**{ENV_MEMORY_LIMIT: str(512 * MIB)})
    world.wait_in_force()
    world.propose(range(20))
    with RawWriter(world.agent_properties) as writer:
        assert writer.write(world.names.decisions, 0, heavy_batch(50)).code == 0
    world.propose(range(20, 40))
    eventually(world.caught_up, "no lag", timeout_s=WAIT_S)
    assert sorted(world.commanded()) == sorted(f"page-{number}" for number in range(40))
    audits = world.audits()
    told = [audit["decision"].get("records", 1) for audit in audits if audit["deadLetter"] == "TooLarge"]
    assert (sum(told), {audit["verdict"] for audit in audits}) == (50, {"Allow", "DeadLetter"})
    world.check_chains()
    ack = world.last_ack()
    assert ack is not None
    assert (ack.state, ack.reason) == ("InForce", "")
