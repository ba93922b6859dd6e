"""A broker whose name does not resolve, at the start and later: what waits is decided and judged once it does again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from support import gate_world, loop_world
from support.agent_process import pages
from support.gate_world import eventually
from support.kafka_tools import Cluster
from support.mounts import private_mounts
from support.policy_log import SigningKey
from support.stack_fixture import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.loop_world import Loop
    from support.stack_fixture import OwnStack

pytestmark = pytest.mark.own_stack
LIMIT_S = 120
MANY = 60
"""Events at once."""
LOCALHOST = "127.0.0.1 localhost\n"
NOBODY = "127.0.0.1 another\n"


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


def test_a_name_that_does_not_resolve_costs_no_decision(tmp_path: Path) -> None:
    hosts, order = tmp_path / "hosts", tmp_path / "nsswitch.conf"
    hosts.write_text(NOBODY)
    order.write_text("hosts: files\n")
    with (
        private_mounts(f"mount --bind {hosts} /etc/hosts; mount --bind {order} /etc/nsswitch.conf") as mounts,
        running_stack(tmp_path / "stack", registry=False, address="localhost") as stack,
        loop_on(stack, tmp_path / "loop") as loop,
    ):
        loop.gate.launcher = loop.agent.launcher = mounts.launcher
        ready = start(loop)
        observe(loop, range(MANY))
        eventually(lambda: cannot_resolve(loop) == (True, True), "both say that it does not resolve")
        assert loop.gate.acks() == []
        hosts.write_text(LOCALHOST)
        check_commanded(loop, range(MANY))
        eventually(ready.exists, "the gate is ready")

        hosts.write_text(NOBODY)
        stack.kill()  # what stands, asks for no name
        eventually(lambda: not ready.exists(), "the gate is not ready", timeout_s=LIMIT_S)
        observe(loop, range(MANY, 2 * MANY))
        hosts.write_text(LOCALHOST)
        check_commanded(loop, range(2 * MANY))
        eventually(ready.exists, "the gate is ready again")


def cannot_resolve(loop: Loop) -> tuple[bool, bool]:
    """Whether gate and agent have said so."""
    logs = ((loop.gate.folder / "log-guard-0").read_text(), loop.agent.log_text)
    gate, agent = ("Failed to resolve" in log or "_RESOLVE" in log for log in logs)
    return gate, agent
