"""A broker whose name does not resolve, at the start and later: what waits is decided and judged once it does again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.broken_kafka import LIMIT_S, check_commanded, loop_on, observe, start
from support.gate_world import eventually
from support.mounts import private_mounts
from support.stack_fixture import running_stack

if TYPE_CHECKING:
    from pathlib import Path

    from support.loop_world import Loop

pytestmark = pytest.mark.own_stack
MANY = 60
"""Events at once."""
LOCALHOST = "127.0.0.1 localhost\n"
NOBODY = "127.0.0.1 another\n"


@pytest.mark.long
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
