"""The gate on a real broker: exactly-once, audit on, 20 rules.

Under backlog: decisions a second by the largest batch of a transaction, beside a bare loop that consumes, produces two
records and commits, without judging anything. At 1,000 decisions a second: the time from handing a decision to the
agent's producer until a read_committed consumer has the command, and the same with the bare loop in the gate's place.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition
from harness import ROOT, RULES, Figures, Goal, Result, percentile
from streamwarden_devstack.stack import KafkaOptions, Stack

sys.path.insert(0, str(ROOT / "tests"))  # the same world as the integration tests'

from support import gate_world  # needs the path above
from support.gate_decisions import proposals  # likewise
from support.gate_world import GateWorld, eventually  # likewise
from support.kafka_tools import Cluster  # likewise
from support.policy_log import SigningKey  # likewise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "gate"
NAME_OF_THREE = "gate_on_three_brokers"
UNBOUND = "100000"
"""Records a second that a gate may judge: more than it can, so that its own speed is measured."""
BACKLOGS = {1: 1_500, 10: 10_000, 100: 30_000, 500: 50_000, 1_000: 50_000}
RATE, SECONDS, WARM_UP_S = 1_000, 12, 2
GOALS = (
    Goal("backlog_1000_decisions_per_s", "at least", 10_000),
    Goal("decision_to_command_p50_ms", "below", 10),
    Goal("decision_to_command_p99_ms", "below", 50),
)


def run() -> Result:
    """Start a broker, measure, and return the figures."""
    return asyncio.run(_run(NAME, 1, "one broker without replication"))


def run_on_three() -> Result:
    """The same on three brokers, where two must have what is acknowledged."""
    return asyncio.run(_run(NAME_OF_THREE, 3, "three brokers, three replicas, two in sync"))


async def _run(name: str, brokers: int, described: str) -> Result:
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as folder:
        async with Stack(Path(folder) / "stack", kafka=KafkaOptions(brokers=brokers), registry=False) as stack:
            cluster = Cluster(stack.operator.librdkafka())
            figures = await asyncio.to_thread(_measure, cluster, Path(folder))
    notes = (
        f"{len(RULES)} rules, 3 decision partitions, {described}",
        "brokers, gate and benchmark share the machine",
        "rates from the append times of the first and the last audit record",
    )
    return Result(name, figures, GOALS, notes)


def _measure(cluster: Cluster, folder: Path) -> Figures:
    assert len(RULES) == 20
    key = SigningKey()
    gate_world.publish_guardrails(cluster, key)
    figures: Figures = {}
    for batch, count in BACKLOGS.items():
        world = _world(cluster, folder, f"batch-{batch}", key)
        figures[f"backlog_{batch}_decisions_per_s"] = _backlog(world, batch, count)
        if batch == max(BACKLOGS):
            figures["bare_loop_1000_decisions_per_s"] = _bare_loop(world, batch, count)
    figures["gate_to_bare_loop_ratio"] = round(
        figures["backlog_1000_decisions_per_s"] / figures["bare_loop_1000_decisions_per_s"], 3
    )
    latencies = _latencies(_world(cluster, folder, "latency", key))
    floor = _bare_latencies(_world(cluster, folder, "floor", key))
    for name, fraction in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)):
        figures[f"decision_to_command_{name}_ms"] = round(percentile(latencies, fraction), 2)
        figures[f"bare_loop_{name}_ms"] = round(percentile(floor, fraction), 2)
    figures["p50_to_bare_loop_ratio"] = round(figures["decision_to_command_p50_ms"] / figures["bare_loop_p50_ms"], 2)
    figures["decision_to_command_samples"] = len(latencies)
    return figures


def _world(cluster: Cluster, folder: Path, name: str, key: SigningKey) -> GateWorld:
    world = gate_world.build(cluster, folder / name, f"bench-{name}", key)
    world.publish(*RULES)
    return world


def _backlog(world: GateWorld, batch: int, count: int) -> float:
    """Write everything first, then start the gate, and return its rate."""
    world.propose(range(count))
    world.start_gate(STREAMWARDEN_GATE_MAX_BATCH=str(batch), STREAMWARDEN_GATE_MAX_RATE=UNBOUND)
    try:
        eventually(world.caught_up, f"{count} decisions are judged", timeout_s=120, pause_s=0.5)
    finally:
        world.close()
    times = [message.timestamp()[1] for message in world.cluster.read_all(world.names.shared.audit)]
    assert len(times) == count, f"{len(times)} of {count} audit records"
    return round((count - 1) / ((max(times) - min(times)) / 1_000))


def _bare_loop(world: GateWorld, batch: int, count: int) -> float:
    """Read the same decisions and write two records for each, exactly-once, without looking at them."""
    began: list[float] = []
    _run_bare_loop(world, batch, count, lambda: began.append(time.perf_counter()))
    return round(count / (time.perf_counter() - began[0]))


def _run_bare_loop(world: GateWorld, batch: int, count: int, on_batch: Callable[[], object]) -> None:
    """Pass so many decisions on, and tell when a batch is in hand."""
    properties = {name: text for name, text in world.cluster.properties.items() if name != "partitioner"}
    group = f"bare-{world.names.decisions}"
    settings = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({**properties, "isolation.level": "read_committed", **settings})
    fast = {"retry.backoff.ms": 1, "retry.backoff.max.ms": 4, "linger.ms": 0}
    producer = Producer({**properties, "transactional.id": group, **fast})
    producer.init_transactions(30)
    consumer.subscribe([world.names.decisions])
    done, deadline = 0, time.monotonic() + SECONDS + 120
    while done < count:
        assert time.monotonic() < deadline, f"{done} of {count} in time"
        first = consumer.poll(1)
        if first is None:
            continue
        on_batch()
        messages = [first, *consumer.consume(batch - 1, timeout=0)]
        producer.begin_transaction()
        ends: dict[int, int] = {}
        for message in messages:
            assert message.error() is None
            value, key = message.value(), message.key()
            producer.produce(world.commands, value, key, headers=message.headers())
            producer.produce(world.names.shared.audit, value, key)
            ends[message.partition() or 0] = (message.offset() or 0) + 1
        offsets = [TopicPartition(world.names.decisions, number, offset) for number, offset in ends.items()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 10)
        producer.commit_transaction(10)
        done += len(messages)
    consumer.close()


def _latencies(world: GateWorld) -> list[float]:
    """Propose at a steady rate, and return milliseconds from each decision until its command has come."""
    world.start_gate(STREAMWARDEN_GATE_MAX_RATE=UNBOUND)
    try:
        world.wait_in_force()
        return _arrive(world)
    finally:
        world.close()


def _bare_latencies(world: GateWorld) -> list[float]:
    """The same with the bare loop in the gate's place: what Kafka's transactions take, on this machine and now."""
    loop = threading.Thread(target=_run_bare_loop, args=(world, max(BACKLOGS), RATE * SECONDS, lambda: None))
    loop.start()
    try:
        return _arrive(world)
    finally:
        loop.join()
        world.close()


def _arrive(world: GateWorld) -> list[float]:
    consumer = _command_consumer(world)
    sent: list[float] = []
    writer = threading.Thread(target=_write_steadily, args=(world, sent))
    writer.start()
    found = dict(_arrivals(consumer, RATE * SECONDS))
    writer.join()
    consumer.close()
    assert len(found) == RATE * SECONDS
    return [(found[number] - sent[number]) * 1_000 for number in range(RATE * WARM_UP_S, RATE * SECONDS)]


def _command_consumer(world: GateWorld) -> Consumer:
    properties = {name: text for name, text in world.cluster.properties.items() if name != "partitioner"}
    consumer = Consumer({**properties, "group.id": "latency", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(world.commands, number, 0) for number in range(world.partitions)])
    return consumer


def _write_steadily(world: GateWorld, sent: list[float]) -> None:
    producer = Producer({**world.agent_properties, "linger.ms": 0})
    records = proposals(range(RATE * SECONDS))
    began, pause = time.perf_counter(), threading.Event()
    for number, (key, value, headers) in enumerate(records):
        early = began + number / RATE - time.perf_counter()
        if early > 0:
            pause.wait(early)
        sent.append(time.perf_counter())
        producer.produce(world.names.decisions, value, key, headers=headers)
        producer.poll(0)
    assert producer.flush(30) == 0


def _arrivals(consumer: Consumer, count: int) -> Iterator[tuple[int, float]]:
    deadline, missing = time.monotonic() + SECONDS + 60, count
    while missing and time.monotonic() < deadline:
        first = consumer.poll(0.5)
        if first is None:
            continue
        for message in (first, *consumer.consume(500, timeout=0)):
            if message.error() is None:
                missing -= 1
                yield int((message.key() or b"page-").removeprefix(b"page-")), time.perf_counter()


if __name__ == "__main__":
    result = run()
    print(result.write().read_text())
