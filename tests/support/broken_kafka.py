"""A loop on a Kafka of its own that a test breaks: what waits meanwhile is decided and judged once it is mended."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from support import gate_world, loop_world
from support.agent_process import pages
from support.gate_world import eventually
from support.kafka_tools import Cluster
from support.policy_log import SigningKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.loop_world import Loop
    from support.stack_fixture import OwnStack

LIMIT_S = 120


@contextmanager
def loop_on(stack: OwnStack, folder: Path) -> Iterator[Loop]:
    """Make a loop whose gate says soon that it can prove nothing; what runs of it, starts in the block."""
    cluster, key = Cluster(stack.operator_properties), SigningKey()
    gate_world.publish_guardrails(cluster, key)
    loop = loop_world.build(cluster, folder, f"t{uuid4().hex[:10]}", key)
    loop.publish()
    try:
        yield loop
    finally:
        loop.close()


def start(loop: Loop) -> Path:
    """Start both, and return the file that is there while the gate judges."""
    loop.gate.start_gate(**environment(loop))
    loop.agent.start()
    return ready_file(loop)


def ready_file(loop: Loop) -> Path:
    return loop.gate.folder / "ready"


def environment(loop: Loop) -> dict[str, str]:
    return {"STREAMWARDEN_GATE_MAX_STALENESS": "3", "STREAMWARDEN_READY_FILE": str(ready_file(loop))}


def observe(loop: Loop, numbers: range) -> None:
    loop.agent.cluster.produce(loop.agent.topic, pages(numbers))


def check_commanded(loop: Loop, numbers: range) -> None:
    """Wait for the command of each of these, and for nothing else; a gate that could not go on is started again."""
    wanted = sorted(f"page-{number:04}" for number in numbers)

    def are_commanded() -> bool:
        loop.gate.restart_ended_gates(**environment(loop))
        return sorted(loop.gate.commanded()) == wanted

    eventually(are_commanded, "all are commanded, once each", timeout_s=LIMIT_S, pause_s=0.5)
    assert loop.gate.dead_letters() == []
    loop.check_audit()
    assert [process.poll() for process in loop.agent.processes] == [None]
