"""A policy that is published → in force in a gate, alone and beside rules as slow as their cost limit lets them be.

From the end of the transaction that publishes it until a read_committed consumer has the gate's ack of its epoch.
Beside one slow rule each decision takes about as long as a rule may (0.1 s), beside slow rules as long as all of its
type may (0.3 s), and there is always another.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition
from harness import ROOT, Figures, Goal, Result, percentile
from streamwarden_contract.acks import decode_ack
from streamwarden_devstack.stack import Stack

sys.path.insert(0, str(ROOT / "tests"))  # the same world as the integration tests'

from support import gate_world  # needs the path above
from support.kafka_tools import Cluster  # likewise
from support.policy_log import SigningKey  # likewise

if TYPE_CHECKING:
    from support.gate_world import GateWorld

NAME = "in_force"
EDITS, BETWEEN_S = 60, 0.5
BACKLOG = 600
REASONING = "a" * 4_096
_MATCH = "decision.reasoning.matches('(a?){100}b')"
"""Takes as long as it is estimated at: 1.8 ms at the longest reasoning."""
SLOW_RULES = tuple(f"decision.confidence > -{number}.0 && !({' || '.join([_MATCH] * 54)})" for number in (1, 2, 3))
"""Three, each at nine tenths of what one rule may cost, and all at that of what all may."""
_WORLDS = {"alone": (), "beside_one_slow_rule": SLOW_RULES[:1], "beside_slow_rules": SLOW_RULES}
GOALS = (
    Goal("alone_p50_ms", "below", 100),
    Goal("alone_p99_ms", "below", 250),
    Goal("beside_one_slow_rule_p99_ms", "below", 500),
)


def run() -> Result:
    """Start a broker, measure, and return the figures."""
    return asyncio.run(_run())


async def _run() -> Result:
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as folder:
        async with Stack(Path(folder) / "stack", registry=False) as stack:
            cluster = Cluster(stack.operator.librdkafka())
            figures = await asyncio.to_thread(_measure, cluster, Path(folder))
    notes = (
        f"{EDITS} edits, one every {BETWEEN_S} s at most; one gate; broker, gate and benchmark share the machine",
        f"beside slow rules: {BACKLOG} decisions wait, each judged as long as one rule, or all of its type, may take",
    )
    return Result(NAME, figures, GOALS, notes)


def _measure(cluster: Cluster, folder: Path) -> Figures:
    key = SigningKey()
    gate_world.publish_guardrails(cluster, key)
    figures: Figures = {}
    for name, rules in _WORLDS.items():
        world = gate_world.build(cluster, folder / name, f"bench-{name.replace('_', '-')}", key)
        world.publish(*rules)
        world.start_gate()
        try:
            world.wait_in_force()
            if rules:
                world.propose(range(BACKLOG), reasoning=REASONING)
            waits = _edit(world, rules)
            figures[f"{name}_judged_meanwhile"] = world.audit_end()
        finally:
            world.close()
        for label, fraction in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            figures[f"{name}_{label}_ms"] = round(percentile(waits, fraction), 1)
    return figures


def _edit(world: GateWorld, rules: tuple[str, ...]) -> list[float]:
    """Publish one edit after the other, and return the milliseconds that each took to be in force."""
    properties = {name: text for name, text in world.cluster.properties.items() if name != "partitioner"}
    consumer = Consumer(
        {**properties, "group.id": "acks", "isolation.level": "read_committed", "fetch.wait.max.ms": 10}
    )
    consumer.assign([TopicPartition(world.names.shared.gates, 0, 0)])
    waits: list[float] = []
    for number in range(EDITS):
        began = time.perf_counter()
        world.publish(*rules, f"decision.confidence >= 0.{number:02}")
        published = time.perf_counter()
        _wait_for_ack(consumer, world.epoch)
        waits.append((time.perf_counter() - published) * 1_000)
        time.sleep(max(0.0, BETWEEN_S - (time.perf_counter() - began)))
    consumer.close()
    return waits


def _wait_for_ack(consumer: Consumer, epoch: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is None or message.error() is not None:
            continue
        ack = decode_ack(message.value() or b"")
        if (ack.state, ack.namespace_epoch) == ("InForce", epoch):
            return
    raise TimeoutError(f"epoch {epoch} is not in force")
