"""A running loop, and bytes that no library writes: nothing stops it, and all that was committed is audited once."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from support import loop_world
from support.gate_process import SUPERVISED
from support.wire_rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kafka_tools import Cluster
    from support.loop_world import Loop
    from support.policy_log import SigningKey

SEED = int(os.environ.get("FUZZ_SEED", "0"))
SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))


@pytest.fixture
def loop(gate_cluster: Cluster, gate_key: SigningKey, tmp_path: Path) -> Iterator[Loop]:
    namespace = f"t{uuid4().hex[:10]}"
    made = loop_world.build(gate_cluster, tmp_path, namespace, gate_key, module=SUPERVISED, of_gates=True)
    made.start()
    yield made
    made.close()


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", [pytest.param(SEED, id=f"seed-{SEED}")])
def test_whatever_is_written_a_good_decision_follows_and_each_is_audited_once(loop: Loop, seed: int) -> None:
    rounds, until_s = Rounds(loop, seed), time.monotonic() + SECONDS
    try:
        while rounds.number == 0 or time.monotonic() < until_s:
            rounds.play()
    finally:
        rounds.close()
        print(rounds)  # noqa: T201  # what a run has tried

    loop.check_audit(untrue_offsets=True)
    commands = loop.command_ids()
    assert len(set(commands)) == len(commands) == sum(audit["verdict"] == "Allow" for audit in loop.gate.audits())
