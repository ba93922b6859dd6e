"""Records that no library writes: each is a dead letter of its own, and the next good decision becomes a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.gate_world import eventually
from support.raw_records import RawRecord, write_raw

if TYPE_CHECKING:
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
