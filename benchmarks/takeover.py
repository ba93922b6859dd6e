"""How soon a gate judges by a new policy while one rule is as slow as its cost limit lets it be.

A backlog of decisions, each as costly as a record can make it, keeps the gate busy; policies are published meanwhile.
The time is that from the end of the publisher's transaction until the gate's ack of the revision can be read: then its
epoch is committed, and nothing is judged by an earlier one any more.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition
from harness import ROOT, Figures, Goal, Result, percentile
from rule_costs import LONG, SCHEMA
from streamwarden_contract.acks import decode_ack
from streamwarden_devstack.stack import Stack
from streamwarden_judging.typed.checking import MAX_COST_NS, CheckedRule, checker_for
from streamwarden_judging.typed.facts import Covered, rule_types

sys.path.insert(0, str(ROOT / "tests"))  # the same world as the integration tests'

from support import gate_world  # needs the path above
from support.kafka_tools import Cluster  # likewise
from support.policy_log import SigningKey  # likewise

if TYPE_CHECKING:
    from support.gate_world import GateWorld

NAME = "takeover"
SLOW = "decision.parameters.l.all(x, x.matches('^[a-z]+$')) && decision.parameters.ns.all(x, string(x) != 'a')"
"""Of the corpus of ``rule_costs`` what takes longest below the limit."""
DECISIONS, PUBLICATIONS, PAUSE_S = 600, 40, 0.25
GOALS = (Goal("published_to_in_force_p99_ms", "below", 500), Goal("estimate_of_limit", "at least", 0.85))


def run() -> Result:
    """Start a broker, measure, and return the figures."""
    return asyncio.run(_run())


async def _run() -> Result:
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as folder:
        async with Stack(Path(folder) / "stack", registry=False) as stack:
            cluster = Cluster(stack.operator.librdkafka())
            return await asyncio.to_thread(_measure, cluster, Path(folder))


def _measure(cluster: Cluster, folder: Path) -> Result:
    checked = checker_for(*rule_types(Covered("block", SCHEMA))).check(SLOW)
    assert isinstance(checked, CheckedRule), checked
    key = SigningKey()
    gate_world.publish_guardrails(cluster, key)
    world = gate_world.build(cluster, folder / NAME, f"bench-{NAME}", key)
    world.publish(SLOW)
    world.propose(range(DECISIONS), parameters={"number": 1, "l": LONG, "ns": [7] * 500})
    consumer = _ack_consumer(world)
    world.start_gate()
    try:
        _await_revision(world, consumer)
        began, before = time.perf_counter(), world.audit_end()
        took_ms = [_publish(world, consumer, number) for number in range(PUBLICATIONS)]
        judged, seconds = world.audit_end() - before, time.perf_counter() - began
        assert not world.caught_up(), "the backlog was too small: the gate had nothing to judge at the end"
    finally:
        consumer.close()
        world.close()
    figures: Figures = {"estimate_of_limit": round(checked.cost_ns / MAX_COST_NS, 2)}
    figures["decision_ms"] = round(seconds * 1_000 / judged, 1)
    for name, fraction in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)):
        figures[f"published_to_in_force_{name}_ms"] = round(percentile(took_ms, fraction), 1)
    figures["publications"] = PUBLICATIONS
    notes = ("decision_ms: wall time, policies compiled and committed meanwhile", "broker and gate share the machine")
    return Result(NAME, figures, GOALS, notes)


def _publish(world: GateWorld, consumer: Consumer, number: int) -> float:
    """Publish a policy of its own, and return the milliseconds until the gate has it in force."""
    time.sleep(PAUSE_S * (1 + number % 5 / 5))  # at all moments of a batch
    world.publish(SLOW, f"decision.confidence >= 0.{number + 1}")
    published = time.perf_counter()
    _await_revision(world, consumer)
    return (time.perf_counter() - published) * 1_000


def _ack_consumer(world: GateWorld) -> Consumer:
    properties = {name: text for name, text in world.cluster.properties.items() if name != "partitioner"}
    consumer = Consumer({**properties, "group.id": "acks", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(world.names.shared.gates, 0, 0)])
    return consumer


def _await_revision(world: GateWorld, consumer: Consumer) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None or message.error() is not None or message.value() is None:
            continue
        ack = decode_ack(message.value() or b"")
        if ack.state == "InForce" and ack.namespace_epoch == world.epoch:
            return
    raise AssertionError(f"not in force within a minute: {json.dumps(world.log_lines()[-5:])}")


if __name__ == "__main__":
    result = run()
    print(result.write().read_text())
