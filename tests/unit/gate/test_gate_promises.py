"""What becomes of a record that a broker refused, of one skip too many, and which format a dead letter says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streamwarden_contract.audit import ChainHead
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_gate import dead_letters
from streamwarden_gate.allowance import Allowance
from streamwarden_gate.alone import Acts, Alone
from streamwarden_gate.careful import Careful
from streamwarden_gate.judge import Judge
from streamwarden_gate.note import Note
from streamwarden_gate.partitions import Partition, Place
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.runs import Copies
from support.gate_log import TOPIC_ID, MemoryLog, record

if TYPE_CHECKING:
    import pytest
    from streamwarden_gate.policy_topic import Refusal
    from support.gate_memory_loop import World

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_record_that_a_broker_refused_is_copied_whatever_else_was_written() -> None:
    copies = Copies(failures=Allowance(0, 0), others=Allowance(0, 0))
    assert [reason for reason in DeadLetterReason if copies.may_copy(reason, 1.0)] == [
        DeadLetterReason.REFUSED_BY_BROKER
    ]


def test_one_skip_too_many_is_tried_again_after_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Note, "may_skip", lambda _note, _now_s: False)
    halts: list[tuple[int, str, float]] = []

    def halt(number: int, refusal: Refusal, for_s: float) -> None:
        halts.append((number, refusal.reason, for_s))

    world.write(1)
    [(number, first)] = [(number, each) for number, own in world.kafka.log.items() for each in own if each is not None]
    monkeypatch.setattr(world.membership, "receive_alone", lambda *_: [first])
    note = Note()
    note.careful = True
    partition = Partition(number, Place(first.offset, ChainHead(tries=3), TOPIC_ID))
    acts = Acts(judge=lambda *_: True, commit=lambda *_: None, halt=halt)
    alone = Alone(world.membership, Careful(note), note, acts)
    log = MemoryLog()
    log.write_all()
    alone.step({number: partition}, Judge(log.build(), "pod-0"))
    assert halts == [(number, RefusalReason.TOO_MANY_SKIPS, 60.0)]


def test_a_dead_letter_says_its_own_format(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "DEAD_LETTER_FORMAT", 7)
    log.write_all()
    outcome = Judge(log.build(), "pod-0").judge(record(b"broken"), ChainHead(4, "ab" * 32, 1, 1), NOW)
    assert outcome.dead_letter is not None
    formats = [json.loads(write.value or b"")["format"] for write in (outcome.dead_letter, outcome.audit)]
    assert formats == [7, 1]
