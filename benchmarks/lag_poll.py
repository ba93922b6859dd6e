"""Reading the lag of a thousand groups on a real broker, as the operator does every few seconds.

One reading: the committed offset of each group, the end of each partition, and what that costs in time and CPU of this
process; beside it, as a floor, librdkafka's own request for the ends alone. Then the scaler over it, with a thousand
agents: the time from a record's acknowledgement until more pods are asked for.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec
from harness import ROOT, Figures, Goal, Result, percentile
from streamwarden_contract.models.scaling import Scaling
from streamwarden_devstack.stack import Stack
from streamwarden_kafka.wire.connections import Broker, Wire
from streamwarden_operator.adapters.kafka.lags import KafkaLags
from streamwarden_operator.ports import GroupLag, GroupReads, WorkloadState
from streamwarden_operator.reconcilers.scaling.scaler import Scaler
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore

sys.path.insert(0, str(ROOT / "tests"))  # the same helpers as the integration tests'

from support.fakes import FakeCluster  # needs the path above
from support.kafka_tools import Cluster  # likewise
from support.operator_harness import agent, resolved  # likewise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamwarden_kafka.connection import Connection

NAME = "lag_poll"
GROUPS, RECORDS = 1_000, 4
READINGS = 30
MARKED = 200
WAKE_UPS = 12
GOALS = (
    Goal("reading_p99_ms", "below", 1_000),
    Goal("lag_to_scaled_max_s_polling_every_1_s", "below", 2),
    Goal("lag_to_scaled_p50_s_polling_every_5_s", "below", 5),
)


def run() -> Result:
    """Start a broker, measure, and return the figures."""
    return asyncio.run(_run())


async def _run() -> Result:
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as folder:
        async with Stack(Path(folder) / "stack", registry=False) as stack:
            operator = stack.operator
            await asyncio.to_thread(_prepare, operator)
            await _commit_first(operator)
            figures = await _readings(operator)
            figures |= await _markers(operator)
            for interval_s in (1, 5):
                waits = await _wake_ups(operator, interval_s)
                for name, fraction in (("p50", 0.5), ("max", 1.0)):
                    figures[f"lag_to_scaled_{name}_s_polling_every_{interval_s}_s"] = round(
                        percentile(waits, fraction), 2
                    )
            figures["lag_to_scaled_samples"] = WAKE_UPS
    notes = (
        f"{GROUPS} groups with one partition each, one broker; {READINGS} readings",
        "broker and benchmark share the machine; CPU is this process's alone",
        f"markers: {MARKED} partitions with a transaction marker and nothing else behind the committed offset",
        f"scaled: {GROUPS} agents with two groups each, Kubernetes in memory",
    )
    return Result(NAME, figures, GOALS, notes)


def _prepare(operator: Connection) -> None:
    """Make the topics, and write some records to each input."""
    cluster = Cluster(operator.librdkafka())
    names = [topic for number in range(GROUPS) for topic in (_input(number), _decisions(number))]
    for start in range(0, len(names), 500):
        cluster.create_topics(*names[start : start + 500])
    producer = Producer(operator.librdkafka())
    for number in range(GROUPS):
        for _ in range(RECORDS):
            producer.produce(_input(number), b"x", b"k")
        producer.poll(0)
    assert producer.flush(60) == 0


async def _commit_first(operator: Connection) -> None:
    """Commit the first record of each input, and the beginning of each decision topic.

    There is one broker, so it is everybody's coordinator.
    """
    wire = Wire(operator, "bench", timeout_s=10)
    broker = await wire.any_broker()
    for number in range(GROUPS):
        await _commit(broker, _group(number, "agent"), _input(number), {0: 1})
        await _commit(broker, _group(number, "gate"), _decisions(number), {0: 0})
    await wire.close()


async def _commit(broker: Broker, group: str, topic: str, offsets: dict[int, int]) -> None:
    """Commit for a group without members, once it has been heard of."""
    request = OffsetCommitRequest(
        group, -1, "", -1, [(topic, [(partition, offset, "") for partition, offset in offsets.items()])]
    )
    while True:
        await broker.ask(FindCoordinatorRequest(group, 0))
        answer = await broker.ask(request)
        if {code for _, answers in answer.topics for _, code in answers} == {0}:
            return
        await asyncio.sleep(0.1)


async def _readings(operator: Connection) -> Figures:
    memory_before = _memory_mib()
    lags = KafkaLags(operator)
    wanted = [GroupReads(_group(number, "agent"), (_input(number),), earliest=True) for number in range(GROUPS)]
    started = time.perf_counter()
    found = await lags.read(wanted)
    first_ms = (time.perf_counter() - started) * 1_000
    assert set(found.values()) == {GroupLag(RECORDS - 1, 1)}, "not every lag is right"
    times, cpu_ms = await _timed(lambda: lags.read(wanted))
    memory_mib = _memory_mib() - memory_before
    await lags.close()
    floor, floor_cpu_ms = await _timed(lambda: asyncio.to_thread(_floor, operator))
    return {
        "first_reading_ms": round(first_ms),
        **{f"reading_{name}_ms": round(percentile(times, part)) for name, part in (("p50", 0.5), ("p99", 0.99))},
        "reading_cpu_ms": round(cpu_ms),
        "memory_mib": round(memory_mib, 1),
        "ends_alone_librdkafka_p50_ms": round(percentile(floor, 0.5)),
        "ends_alone_librdkafka_cpu_ms": round(floor_cpu_ms),
    }


def _floor(operator: Connection, kept: list[Any] = []) -> None:  # noqa: B006  # one client for all rounds
    if not kept:
        kept.append(Cluster(operator.librdkafka()).admin)
    wanted = {TopicPartition(_input(number), 0): OffsetSpec.latest() for number in range(GROUPS)}
    for future in kept[0].list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED).values():
        future.result(10)


async def _timed(work: Callable[[], Awaitable[object]]) -> tuple[list[float], float]:
    """Return the milliseconds of each round, and the CPU milliseconds of one, after a round to warm up."""
    await work()
    times: list[float] = []
    cpu_s = _cpu_s()
    for _ in range(READINGS):
        started = time.perf_counter()
        await work()
        times.append((time.perf_counter() - started) * 1_000)
        await asyncio.sleep(0.1)
    return times, (_cpu_s() - cpu_s) * 1_000 / READINGS


async def _markers(operator: Connection) -> Figures:
    """Measure the reading that looks into partitions with nothing but markers."""
    cluster = Cluster(operator.librdkafka())
    topic = "bench.marked"
    await asyncio.to_thread(cluster.create_topics, topic, partitions=MARKED)
    producer = Producer({**operator.librdkafka(), "transactional.id": "bench"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for partition in range(MARKED):
        producer.produce(topic, b"x", b"k", partition=partition)
    producer.commit_transaction(30)
    while sum(cluster.end_offsets(topic).values()) < 2 * MARKED:  # noqa: ASYNC110  # markers show without a signal
        await asyncio.sleep(0.05)
    wire = Wire(operator, "bench", timeout_s=10)
    await _commit(await wire.any_broker(), "bench.marked", topic, dict.fromkeys(range(MARKED), 1))
    await wire.close()
    lags = KafkaLags(operator)
    reads = GroupReads("bench.marked", (topic,), earliest=True)
    assert await lags.read([reads]) == {reads: GroupLag(MARKED, MARKED)}
    started = time.perf_counter()
    assert await lags.read([reads]) == {reads: GroupLag(0, MARKED)}
    took_ms = (time.perf_counter() - started) * 1_000
    await lags.close()
    return {"reading_with_200_partitions_of_markers_ms": round(took_ms)}


async def _wake_ups(operator: Connection, interval_s: int) -> list[float]:
    """Return the seconds from a record's acknowledgement until pods are asked for, of some agents among all."""
    cluster, store = FakeCluster(), ScalingStore(enabled=True)
    scaling = Scaling(polling_interval=interval_s, activation_lag_threshold=RECORDS, max_replica_count=3)
    for number in range(GROUPS):
        plain = agent(f"a{number}", "bench")
        made = cluster.put(plain.model_copy(update={"spec": plain.spec.model_copy(update={"scaling": scaling})}))
        cluster.workloads["bench", f"a{number}"] = cast("Any", object())
        cluster.replicas["bench", f"a{number}"] = 0
        store.observe(resolved(made, _input(number)), WorkloadState(0, desired=0))
    lags = KafkaLags(operator)
    scaler = asyncio.create_task(Scaler(cast("Any", cluster), lags, store, wake=lambda _: None).run())
    await asyncio.sleep(2 * interval_s)
    waits: list[float] = []
    producer = Producer(operator.librdkafka())
    for number in random.sample(range(GROUPS), WAKE_UPS):
        await asyncio.sleep(random.uniform(0, interval_s))  # noqa: S311  # spreads load, guards nothing
        for _ in range(2 * RECORDS):
            producer.produce(_input(number), b"x", b"k")
        await asyncio.to_thread(producer.flush, 10)
        started = time.perf_counter()
        while cluster.replicas["bench", f"a{number}"] == 0:  # noqa: ASYNC110  # the fake gives no signal
            await asyncio.sleep(0.01)
        waits.append(time.perf_counter() - started)
    scaler.cancel()
    await asyncio.gather(scaler, return_exceptions=True)
    await lags.close()
    return waits


def _input(number: int) -> str:
    return f"bench.in{number}"


def _decisions(number: int) -> str:
    return f"bench.a{number}.decisions"


def _group(number: int, role: str) -> str:
    return f"bench.a{number}.{role}"


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1_024
    return 0.0
