"""The exact bytes that a gate writes: whoever changes them changes what chains, digests and readers rest on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract import events
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.decision import Cause, Failure
from streamwarden_contract.ids import sha256_hex
from streamwarden_gate.judge import Judge
from streamwarden_kafka.records import BY_KEY
from support.gate_log import MemoryLog, decision, headers, record

if TYPE_CHECKING:
    from streamwarden_gate.outcome import Outcome
    from streamwarden_gate.records import Record
    from streamwarden_kafka.records import Write

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HEAD = ChainHead(4, "ab" * 32, 1, 1)
FAILURE = Failure(cause=Cause(topic="risk.inputs", partition=1, offset=9), error="ValueError: no", attempts=5)
MODEL = {"name": "forest", "version": "3", "digest": "sha256:" + "0" * 64}


def judged(log: MemoryLog, given: Record) -> Outcome:
    log.write_all()
    return Judge(log.build(), "pod-0").judge(given, HEAD, NOW)


def digest(write: Write | None) -> str | None:
    """Of everything that a record holds; its partition is the key's."""
    if write is None:
        return None
    *held, partition = write
    assert partition == BY_KEY
    return sha256_hex(repr(tuple(held)).encode())[:16]


@pytest.mark.parametrize(
    ("given", "audit", "command", "dead_letter"),
    [
        pytest.param(record(decision().encode(), offset=5), "15b13395176d57d0", "aaab5762fc36f1ab", None, id="allowed"),
        pytest.param(
            record(decision(model=MODEL).encode()),
            "ec08d4740d27b545",
            "5d969166ce37aab8",
            None,
            id="allowed-with-a-model",
        ),
        pytest.param(
            record(decision(type="free", confidence=0.1).encode()), "2117d75054cf4ac3", None, None, id="denied"
        ),
        pytest.param(record(b"broken", offset=7), "47fa675ff2024db7", None, "e56c2bfa60190b02", id="broken"),
        pytest.param(
            record(None, key=None, headers_=[]), "dd80a681b2e4b458", None, "5a7ba2aef0bfe6a8", id="nothing-at-all"
        ),
        pytest.param(
            record(FAILURE.encode(), headers_=headers(type_=events.FAILURE_TYPE)),
            "a8eedd7f099676bc",
            None,
            "0dac9c9f59a11da3",
            id="a-failure",
        ),
    ],
)
def test_the_bytes_stay(
    log: MemoryLog, given: Record, audit: str, command: str | None, dead_letter: str | None
) -> None:
    outcome = judged(log, given)
    found = digest(outcome.audit), digest(outcome.command), digest(outcome.dead_letter)
    assert found == (audit, command, dead_letter)
    assert outcome.head == HEAD.after(outcome.audit.value or b"")
