"""The SDK on a real broker: an agent that decides at once, exactly-once.

Under backlog: events a second from the first transaction's end to the last one's, beside a bare loop that reads,
writes one record for each and commits, without decoding or handling anything. One event at a time: from its
production until a read_committed consumer has the decision; the next one is written then. Both with the SDK's own
transactions and with bare ones in the two orders that are possible, all in alternation.

Beside a slow key: one event at a time again, while another key's events take two seconds each, and the same without.
Slow calls: events a second of an agent that waits 200 ms for each, 64 side by side.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition
from harness import ROOT, Figures, Goal, Result, percentile
from streamwarden.core.batching import MAX_BATCH_RECORDS
from streamwarden.core.records import Outgoing, Partition
from streamwarden.runtime.feed import KafkaFeed
from streamwarden.runtime.history import KafkaHistory
from streamwarden.runtime.pauses import LoopClock
from streamwarden.runtime.ports import NO_METADATA, OffsetMetadata, Ports, Transactions
from streamwarden.runtime.transactions import KafkaTransactions
from streamwarden_devstack.stack import Stack

sys.path.insert(0, str(ROOT / "tests"))  # the same world as the tests'

from support.kafka_tools import Cluster  # needs the path above
from support.sdk_served import Served, deciding_agent, page_headers  # likewise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from streamwarden import Agent, Event
    from streamwarden_kafka.connection import Connection

NAME = "sdk"
PARTITIONS = 3
BACKLOG = 30_000
ONE_AT_A_TIME, WARM_UP = 300, 30
ROUNDS = 3
SLOW = 999_999
"""The slow key's page."""
WAYS = ("sdk", "offsets_first", "decisions_first")
SLOW_KEY_S, SLOW_EVENTS = 2.0, 10
SLOW_CALL_S, SLOW_CALLS, SLOW_CALL_KEYS = 0.2, 3_000, 1_000
GOALS = (
    Goal("sdk_backlog_events_per_s", "at least", 10_000),
    Goal("beside_a_slow_key_added_max_ms", "at most", 50),
    Goal("slow_calls_events_per_s", "at least", 300),
)


class BareTransactions(Transactions):
    """The same transactions and nothing besides, in one order or the other; what fails ends the benchmark."""

    def __init__(self, kafka: Connection, transactional_id: str, topic: str, *, offsets_first: bool) -> None:
        settings = {"transactional.id": transactional_id, "retry.backoff.ms": 1, "retry.backoff.max.ms": 4}
        batches = {"batch.size": 512 * 1024, "linger.ms": 2, "compression.type": "lz4"}
        self._producer = Producer({**kafka.librdkafka(), "partitioner": "murmur2_random", **settings, **batches})
        self._topic = topic
        self._offsets_first = offsets_first

    def open(self) -> None:
        self._producer.init_transactions(30)

    def commit(
        self,
        records: Sequence[Outgoing],
        positions: Mapping[Partition, int],
        group_metadata: object,
        offset_metadata: OffsetMetadata = NO_METADATA,
    ) -> None:
        offsets = [TopicPartition(*at, offset, offset_metadata.get(at, "")) for at, offset in positions.items()]
        steps = [
            lambda: self._producer.send_offsets_to_transaction(offsets, group_metadata, 10),
            lambda: self._produce(records),
        ]
        self._producer.begin_transaction()
        for step in steps if self._offsets_first else reversed(steps):
            step()
        self._producer.commit_transaction(10)

    def close(self) -> None:
        self._producer.close()

    def _produce(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            self._producer.produce(self._topic, record.value, record.key, headers=list(record.headers))


@dataclass
class Timed(Transactions):
    """Notes when each transaction began and ended, and how many records it had."""

    inner: Transactions
    spans: list[tuple[float, float, int]] = field(default_factory=list)

    def open(self) -> None:
        self.inner.open()

    def commit(
        self,
        records: Sequence[Outgoing],
        positions: Mapping[Partition, int],
        group_metadata: object,
        offset_metadata: OffsetMetadata = NO_METADATA,
    ) -> None:
        began = time.perf_counter()
        self.inner.commit(records, positions, group_metadata, offset_metadata)
        self.spans.append((began, time.perf_counter(), len(records)))

    def close(self) -> None:
        self.inner.close()

    def rate(self) -> float:
        """Return events a second after the first transaction."""
        return sum(count for _, _, count in self.spans[1:]) / (self.spans[-1][1] - self.spans[0][1])

    def durations_ms(self) -> list[float]:
        """Return how long each transaction took."""
        return [(ended - began) * 1_000 for began, ended, _ in self.spans]


def run() -> Result:
    """Start a broker, measure, and return the figures."""
    return asyncio.run(_run())


async def _run() -> Result:
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as folder:
        async with Stack(Path(folder) / "stack", registry=False) as stack:
            return await _measure(stack.operator)


async def _measure(kafka: Connection) -> Result:
    cluster = Cluster(kafka.librdkafka())
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    waits: dict[str, list[float]] = {way: [] for way in WAYS}
    commits: dict[str, list[float]] = {way: [] for way in WAYS}
    floor: list[float] = []
    for turn in range(ROUNDS):
        for way in WAYS[turn % len(WAYS) :] + WAYS[: turn % len(WAYS)]:  # none always comes last
            name = f"{way.replace('_', '-')}-{turn}"
            rates[way].append(await _backlog(cluster, kafka, way, f"backlog-{name}"))
            latencies, durations = await _one_at_a_time(cluster, kafka, way, f"single-{name}")
            waits[way] += latencies
            commits[way] += durations
        floor.append(await asyncio.to_thread(_bare_loop, cluster, kafka, f"bare-{turn}"))
    alone, _ = await _one_at_a_time(cluster, kafka, "sdk", "no-slow-key")
    beside = await _beside_a_slow_key(cluster, kafka, "slow-key")
    slow_calls = [await _slow_calls(cluster, kafka, f"slow-calls-{turn}") for turn in range(ROUNDS)]
    figures: Figures = {}
    for way in WAYS:
        figures[f"{way}_backlog_events_per_s"] = round(median(rates[way]))
        for name, fraction in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            figures[f"{way}_event_to_decision_{name}_ms"] = round(percentile(waits[way], fraction), 2)
            figures[f"{way}_transaction_{name}_ms"] = round(percentile(commits[way], fraction), 2)
    figures["bare_loop_events_per_s"] = round(median(floor))
    figures["sdk_to_bare_loop_ratio"] = round(median(rates["sdk"]) / median(floor), 3)
    for name, found in (("beside_a_slow_key", beside), ("without_a_slow_key", alone)):
        figures[f"{name}_p50_ms"] = round(percentile(found, 0.5), 2)
        figures[f"{name}_p99_ms"] = round(percentile(found, 0.99), 2)
        figures[f"{name}_max_ms"] = round(max(found), 2)
    figures["beside_a_slow_key_added_max_ms"] = round(max(beside) - max(alone), 2)
    figures["slow_calls_events_per_s"] = round(median(slow_calls))
    notes = (
        f"{PARTITIONS} partitions of input and of decisions, one broker without replication",
        "broker, agent and benchmark share the machine",
        f"{ROUNDS} rounds of each in alternation; rates are medians, times of all {ROUNDS * ONE_AT_A_TIME} events",
    )
    return Result(NAME, figures, GOALS, notes)


def _serve(kafka: Connection, way: str, name: str, agent: Agent | None = None) -> tuple[Served, Timed]:
    topic = f"{name}.decisions"
    if way == "sdk":
        timed = Timed(KafkaTransactions(kafka, name, topic))
    else:
        timed = Timed(BareTransactions(kafka, name, topic, offsets_first=way == "offsets_first"))
    ports = Ports(KafkaFeed(kafka, name, [name]), timed, partial(KafkaHistory, kafka, name), LoopClock())
    return Served(ports, agent or deciding_agent(), name), timed


async def _backlog(cluster: Cluster, kafka: Connection, way: str, name: str) -> float:
    """Write everything first, then start the agent, and return its rate."""
    cluster.create_topics(name, f"{name}.decisions", partitions=PARTITIONS)
    cluster.produce(name, [(f"page-{n}".encode(), b"{}", page_headers(n)) for n in range(BACKLOG)])
    served, timed = _serve(kafka, way, name)
    async with served:
        await served.until(lambda: sum(count for _, _, count in timed.spans) >= BACKLOG)
    return timed.rate()


def _bare_loop(cluster: Cluster, kafka: Connection, name: str) -> float:
    """Read the same events and write a record for each, exactly-once, without looking at them."""
    cluster.create_topics(name, f"{name}.decisions", partitions=PARTITIONS)
    cluster.produce(name, [(f"page-{n}".encode(), b"{}", page_headers(n)) for n in range(BACKLOG)])
    settings = {"group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({**kafka.librdkafka(), "isolation.level": "read_committed", **settings})
    consumer.subscribe([name])
    transactions = BareTransactions(kafka, name, f"{name}.decisions", offsets_first=True)
    transactions.open()
    done, began, first = 0, 0.0, 0
    while done < BACKLOG:
        messages = consumer.consume(MAX_BATCH_RECORDS, timeout=0.1)
        ends = {Partition(name, each.partition() or 0): (each.offset() or 0) + 1 for each in messages}
        records = [Outgoing(each.key() or b"", each.value() or b"", tuple(each.headers() or ())) for each in messages]
        if records:
            transactions.commit(records, ends, consumer.consumer_group_metadata())
            done += len(records)
            began, first = (began, first) if began else (time.perf_counter(), done)
    rate = (done - first) / (time.perf_counter() - began)
    consumer.close()
    transactions.close()
    return rate


async def _one_at_a_time(cluster: Cluster, kafka: Connection, way: str, name: str) -> tuple[list[float], list[float]]:
    """Write each event when the decision on the one before has come; return both kinds of milliseconds."""
    cluster.create_topics(name, f"{name}.decisions", partitions=PARTITIONS)
    served, timed = _serve(kafka, way, name)
    async with served:
        await served.until(lambda: served.ready)
        latencies = await asyncio.to_thread(_ask_and_wait, kafka, name)
    return latencies, timed.durations_ms()[WARM_UP:]


async def _beside_a_slow_key(cluster: Cluster, kafka: Connection, name: str) -> list[float]:
    """Do as ``_one_at_a_time`` while the events of another key, in the same partition, take long one after another."""
    cluster.create_topics(name, f"{name}.decisions", partitions=PARTITIONS)
    slow = f"page-{SLOW}"

    def wait(event: Event) -> Awaitable[object] | None:
        return asyncio.sleep(SLOW_KEY_S) if event.entity == slow else None

    served, _ = _serve(kafka, "sdk", name, deciding_agent(wait))
    async with served:
        await served.until(lambda: served.ready)

        def write_slow_ones() -> None:
            cluster.produce(name, [(slow.encode(), b"{}", page_headers(SLOW))] * SLOW_EVENTS)

        return await asyncio.to_thread(_ask_and_wait, kafka, name, slow.encode(), write_slow_ones)


async def _slow_calls(cluster: Cluster, kafka: Connection, name: str) -> float:
    """Return the rate of an agent that waits for each event, as for a model behind a network."""
    cluster.create_topics(name, f"{name}.decisions", partitions=PARTITIONS)
    keys = [number % SLOW_CALL_KEYS for number in range(SLOW_CALLS)]
    cluster.produce(name, [(f"page-{key}".encode(), b"{}", page_headers(key)) for key in keys])
    served, timed = _serve(kafka, "sdk", name, deciding_agent(lambda _event: asyncio.sleep(SLOW_CALL_S)))
    async with served:
        await served.until(lambda: sum(count for _, _, count in timed.spans) >= SLOW_CALLS)
    return timed.rate()


def _ask_and_wait(
    kafka: Connection, name: str, other_key: bytes | None = None, warmed_up: Callable[[], None] = lambda: None
) -> list[float]:
    """Return how long each decision took, after some that do not count; ``warmed_up`` is called between the two."""
    properties = kafka.librdkafka()
    producer = Producer({**properties, "partitioner": "murmur2_random", "linger.ms": 0})
    consumer = Consumer({**properties, "group.id": f"{name}-reader", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(f"{name}.decisions", number, 0) for number in range(PARTITIONS)])
    latencies = []
    for number in range(WARM_UP + ONE_AT_A_TIME):
        if number == WARM_UP:
            warmed_up()
        sent = time.perf_counter()
        producer.produce(name, b"{}", f"page-{number}".encode(), headers=page_headers(number))
        producer.poll(0)
        while True:
            message = consumer.poll(30)
            assert message is not None
            assert message.error() is None
            if message.key() != other_key:
                break
        latencies.append((time.perf_counter() - sent) * 1_000)
    producer.flush(10)
    consumer.close()
    return latencies[WARM_UP:]


if __name__ == "__main__":
    result = run()
    print(result.write().read_text())
