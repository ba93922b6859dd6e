"""The feed of policies, on logs in memory: a topic that is made again is read from its beginning."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_gate import feed as feeds
from streamwarden_gate.feed import PolicyFeed
from streamwarden_gate.reasons import RefusalReason
from streamwarden_kafka import topics
from streamwarden_kafka.codes import END_OF_PARTITION
from support.gate_log import AGENT, CLUSTER, FACTS, IDENTITY, INSTALLATION, NAMESPACE, POLICIES, MemoryKeys, MemoryLog
from support.policy_log import SigningKey, binding_record, epoch_record, policy_record, policy_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streamwarden_contract.policylog import Record
    from streamwarden_gate.settings import Settings


WAIT_S = 10.0


class Broker:
    """Two policy topics, and the clients that a feed has of them: they go on at their positions whatever is there."""

    def __init__(self, log: MemoryLog) -> None:
        self.cluster = CLUSTER
        self.logs: dict[str, list[tuple[bytes, bytes | None, Any]]] = {}
        self.ids = {name: facts.topic_id for name, facts in FACTS.items()}
        self._log = log
        self._positions: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self.make(INSTALLATION.guardrails, [epoch_record(revision_counter=0)])

    def make(self, topic: str, records: Iterable[Record]) -> None:
        """Make a topic, or make it again, with these records."""
        made = [self._log.key.signed(topic, record, cluster_id=CLUSTER) for record in records]
        # In this order: who sees the new id reads the new log, as of a broker. Signing takes a while on a busy machine.
        self.logs[topic] = made
        self.ids[topic] = f"{self.ids.get(topic, 'id')}+"

    def append(self, topic: str, records: Iterable[Record], key: SigningKey) -> None:
        """Write records at the end of a topic."""
        self.logs[topic] = self.logs[topic] + [key.signed(topic, each, cluster_id=CLUSTER) for each in records]

    def assign(self, places: Iterable[Any]) -> None:
        self._positions, self._told = {place.topic: 0 for place in places}, {}

    def poll(self, _timeout_s: float) -> Any:
        for topic, at in self._positions.items():
            log = self.logs.get(topic, [])
            if at < len(log):
                self._positions[topic] = at + 1
                return _message(topic, at, *log[at])
            if topic in self.logs and self._told.get(topic) != at:
                self._told[topic] = at
                return _message(topic, at, error=KafkaError(END_OF_PARTITION))
        threading.Event().wait(0.001)  # as a client does that has nothing
        return None

    def consume(self, _most: int, *, timeout: float) -> list[Any]:
        assert timeout == 0
        return []

    def close(self) -> None:
        """Nothing to do."""

    def cluster_id(self, *, timeout: float) -> str:
        assert timeout > 0
        return self.cluster

    def describe_topics(self, wanted: Any, **_: object) -> dict[str, Future[Any]]:
        return {name: self._described(name) for name in wanted.topic_names}

    def list_offsets(self, wanted: Iterable[Any], **_: object) -> dict[Any, Future[Any]]:
        ends = {name: SimpleNamespace(offset=len(log)) for name, log in self.logs.items()}
        return {place: _future(ends[place.topic]) if place.topic in ends else _failed() for place in wanted}

    def _described(self, name: str) -> Future[Any]:
        if name not in self.ids:
            return _failed()
        partitions = [None] * (FACTS[name].partitions if name in FACTS else 1)
        return _future(SimpleNamespace(topic_id=self.ids[name], partitions=partitions))


def _failed() -> Future[Any]:
    made: Future[Any] = Future()
    made.set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
    return made


def _future(result: object) -> Future[Any]:
    made: Future[Any] = Future()
    made.set_result(result)
    return made


def _message(topic: str, offset: int, *record: Any, error: KafkaError | None = None) -> Any:
    key, value, headers = record or (None, None, None)
    parts = {"topic": topic, "offset": offset, "error": error, "key": key, "value": value, "headers": headers}
    return SimpleNamespace(**{name: lambda part=part: part for name, part in parts.items()})


class KeyFile:
    """The file of public keys, as the operator has last written it."""

    def __init__(self, *keys: SigningKey) -> None:
        self._now, self._read = keys, keys

    def write(self, *keys: SigningKey) -> None:
        self._now = keys

    def refresh(self) -> bool:
        before, self._read = self._read, self._now
        return before != self._read

    def knows(self, key_id: str) -> bool:
        return MemoryKeys(*self._read).knows(key_id)

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        return MemoryKeys(*self._read).verify(key_id, signature, message)


@pytest.fixture
def broker(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker(log)
    monkeypatch.setattr(feeds, "policy_consumer", lambda *_: made)
    admin = SimpleNamespace(
        describe_topics=made.describe_topics, list_offsets=made.list_offsets, poll=lambda _timeout_s: 0
    )
    monkeypatch.setattr(feeds, "open_admin", lambda *_: admin)
    monkeypatch.setattr(topics, "EVERY_S", 0.0)
    return made


@pytest.fixture
def feed(log: MemoryLog, broker: Broker) -> Iterator[PolicyFeed]:
    assert broker.logs
    made = PolicyFeed(
        cast("Settings", SimpleNamespace(identity=IDENTITY, kafka=None, max_staleness_s=30.0)),
        cast("Any", KeyFile(log.key)),
    )
    made.start()
    yield made
    made.stop(timeout_s=WAIT_S)
    assert not made.alive


def wait_for(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def is_in_force(feed: PolicyFeed, epoch: int) -> bool:
    """Tell whether this epoch of the namespace's log is."""
    active = feed.view.active
    return active is not None and active.namespace_epoch == epoch


def tighter(log: MemoryLog, epoch: int) -> list[Record]:
    """Return a log with as many records as the first one, of a later epoch, that allows nothing."""
    policy = policy_record(NAMESPACE, "confident", policy_spec("false"), revision=epoch, epoch=epoch)
    schema = log.schema.model_copy(update={"epoch": epoch})
    binding = binding_record(NAMESPACE, AGENT, [policy], log.targets, revision=epoch, epoch=epoch)
    return [policy, schema, binding, epoch_record(epoch, revision_counter=epoch)]


def test_a_policy_topic_that_is_made_again_and_reaches_our_position_is_read_from_its_beginning(
    log: MemoryLog, broker: Broker, feed: PolicyFeed
) -> None:
    broker.make(POLICIES, [log.policy, log.schema, log.binding, epoch_record()])
    wait_for(partial(is_in_force, feed, 1))
    for epoch in (2, 3):
        broker.make(POLICIES, tighter(log, epoch))
        wait_for(partial(is_in_force, feed, epoch))
        assert feed.view.problem is None


def test_a_policy_topic_that_comes_late_is_read(log: MemoryLog, broker: Broker, feed: PolicyFeed) -> None:
    wait_for(lambda: feed.view.problem is None and feed.alive)
    broker.make(POLICIES, tighter(log, 1))
    wait_for(partial(is_in_force, feed, 1))


def test_a_policy_topic_that_is_made_again_with_an_older_log_changes_nothing_in_force(
    log: MemoryLog, broker: Broker, feed: PolicyFeed
) -> None:
    broker.make(POLICIES, tighter(log, 7))
    wait_for(partial(is_in_force, feed, 7))
    broker.make(POLICIES, [log.policy, log.schema, log.binding, epoch_record()])
    wait_for(lambda: feed.view.problem)
    assert feed.view.problem is not None
    assert feed.view.problem.reason is RefusalReason.ROLLED_BACK
    assert is_in_force(feed, 7)


@pytest.mark.slow
def test_nothing_is_judged_while_a_mirror_of_the_kafka_answers_under_its_address(
    log: MemoryLog, broker: Broker, feed: PolicyFeed
) -> None:
    broker.make(POLICIES, tighter(log, 7))
    wait_for(partial(is_in_force, feed, 7))
    broker.cluster = "its-mirror"
    wait_for(lambda: feed.view.active is None)
    assert feed.view.problem is not None
    assert feed.view.problem.reason is RefusalReason.ANOTHER_CLUSTER
    assert "'its-mirror'" in feed.view.problem.message
    broker.cluster = CLUSTER
    wait_for(partial(is_in_force, feed, 7))
    assert feed.view.problem is None


def test_x83_a_set_stays_in_force_while_its_key_is_replaced(log: MemoryLog, broker: Broker, feed: PolicyFeed) -> None:
    file, new = cast("KeyFile", feed._keys), SigningKey("new")
    seen: list[object] = []

    def holds(epoch: int, key_id: str) -> bool:
        seen.append(feed.view.active is None)
        active = feed.view.active
        epochs = active.epochs if active is not None and active.namespace_epoch == epoch else None
        return epochs is not None and epochs.namespace is not None and epochs.namespace.key_id == key_id

    records: list[Record] = [log.policy, log.schema, log.binding]
    broker.make(POLICIES, [*records, epoch_record()])
    wait_for(partial(is_in_force, feed, 1))
    file.write(log.key, new)
    broker.append(POLICIES, [*records, epoch_record(2, revision_counter=1)], new)
    broker.append(INSTALLATION.guardrails, [epoch_record(2, revision_counter=0)], new)
    wait_for(partial(holds, 2, "new"))
    file.write(new)
    broker.append(POLICIES, [epoch_record(3, revision_counter=1)], new)
    wait_for(partial(holds, 3, "new"))
    assert feed.view.problem is None
    assert not any(seen)
