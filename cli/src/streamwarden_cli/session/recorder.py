"""Reads what the loop wrote, as an auditor would: committed records only, in a thread of its own."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from typing import TYPE_CHECKING, TextIO, TypeVar

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition
from streamwarden_contract.decision import decode_failure
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.events import FAILURE_TYPE
from streamwarden_contract.events import decode as decode_event
from streamwarden_kafka.codes import DEADLY, DISCONNECTED, END_OF_PARTITION, OFFSETS_GONE, UNDECODABLE, error_of
from streamwarden_kafka.errors import BrokerUnavailableError, KafkaClientError, NotReachedError
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.records import headers_of
from streamwarden_kafka.wire.raw import fetch_batch

from streamwarden_cli.session.roles import AgentTopics, TopicRoles
from streamwarden_cli.session.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamwarden_contract.names import InstallationNames
    from streamwarden_kafka.connection import Connection

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_POLL_S = 0.1
_MOST_RECORDS, _MOST_BYTES = 500, 4 * 1024 * 1024
_UNREADABLE = UNDECODABLE | {DEADLY}
_METADATA_TIMEOUT_S = 5.0
_LOOK_AGAIN_S = 0.5
"""How often a topic is looked for that is not there: it may never be, and records of the others wait meanwhile."""
_FAILURE_HEADER = ("ce_type", FAILURE_TYPE.encode())


class RecorderError(Exception):
    """The recorder's client has failed for good."""


class Recorder:
    """Counts into a ``Tally`` and writes the run's decisions, one JSON object a line."""

    def __init__(self, connection: Connection, names: InstallationNames, decisions: Path) -> None:
        """Prepare; ``connection`` is the operator's, who may read everything."""
        self._connection = connection
        # Never joined and never committed: partitions are assigned by hand.
        self._group = names.reader_group("recorder")
        self._path = decisions
        self._lock = threading.Lock()
        self._tally = Tally()
        self._roles = TopicRoles()
        self._wanted: queue.SimpleQueue[TopicRoles] = queue.SimpleQueue()
        self._drains: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._positions: dict[tuple[str, int], int] = {}
        self._unassigned: set[str] = set()
        self._look_again_s = 0.0
        """On the monotonic clock."""
        self.failed: str = ""
        """Why the thread has ended by itself; empty while it has not."""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def watch(self, roles: TopicRoles) -> None:
        """Read these topics from their beginning on, as soon as they exist."""
        self._wanted.put(roles)

    def look(self, at: Callable[[Tally], T]) -> T:
        """Return what ``at`` makes of the figures, which stand still meanwhile."""
        with self._lock:
            return at(self._tally)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything that is committed now has been counted; False when it takes longer."""
        done = threading.Event()
        self._drains.put(done)
        return done.wait(timeout_s) and not self.failed

    def stop(self) -> None:
        """End the thread. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        settings = {"auto.offset.reset": "error", "enable.partition.eof": True}
        reader = IsolatedConsumer(self._connection, self._group, "recorder", settings, quiet=True)
        try:
            with self._path.open("a", encoding="utf-8", buffering=1) as lines:
                while not self._stop.is_set():
                    self._assign(reader)
                    self._take(reader, lines)
                    self._finish_drains(reader, lines)
        except (KafkaException, KafkaClientError, RecorderError, OSError, ValueError, KeyError) as error:
            self.failed = f"{type(error).__name__}: {error}"
            _log.exception("the recorder has failed")
        finally:
            reader.close()

    def _assign(self, reader: IsolatedConsumer) -> None:
        while not self._wanted.empty():
            self._roles = self._wanted.get()
            known = {topic for topic, _ in self._positions}
            self._unassigned = set(self._roles.all) - known
            self._look_again_s = 0.0
        if not self._unassigned or time.monotonic() < self._look_again_s:
            return
        self._look_again_s = time.monotonic() + _LOOK_AGAIN_S
        try:
            topics = reader.partitions(_METADATA_TIMEOUT_S)
        except KafkaException as error:
            if error_of(error).retriable() or error_of(error).code() in DISCONNECTED:
                return
            raise
        new = {name for name in self._unassigned if topics.get(name)}
        if new:
            self._positions.update({(name, partition): 0 for name in sorted(new) for partition in topics[name]})
            self._unassigned -= new
            self._read_on(reader)

    def _read_on(self, reader: IsolatedConsumer) -> None:
        reader.assign(TopicPartition(*at, offset or OFFSET_BEGINNING) for at, offset in self._positions.items())

    def _take(self, reader: IsolatedConsumer, lines: TextIO) -> None:
        for message in reader.take(_MOST_RECORDS, _MOST_BYTES, _POLL_S):
            received_ms, now_s = time.time() * 1000, time.monotonic()
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None  # noqa: S101  # a record has a place
            assert partition is not None  # noqa: S101
            error = message.error()
            if error is not None and error.code() in _UNREADABLE:
                self._pass_over(reader, (topic, partition), error)
                return  # what came behind it is fetched again
            if error is not None:
                self._follow(error, (topic, partition), offset)
                continue
            assert offset is not None  # noqa: S101
            self._positions[topic, partition] = offset + 1
            with self._lock:
                self._count(topic, message, lines, received_ms, now_s)

    def _follow(self, error: KafkaError, at: tuple[str, int], offset: int | None) -> None:
        if error.code() == END_OF_PARTITION:
            if offset is not None:
                self._positions[at] = offset
        elif error.fatal() or error.code() in OFFSETS_GONE:
            raise RecorderError(f"{error.name()}: {error.str()}")

    def _pass_over(self, reader: IsolatedConsumer, at: tuple[str, int], error: KafkaError) -> None:
        """Read on behind a batch that cannot be read; where its end is not known, it is tried again."""
        first = max(self._positions[at], _watermarks(reader, at)[0])
        try:
            found = fetch_batch(self._connection, f"{self._group}-pass", *at, first)
        except NotReachedError as not_yet:
            self._positions[at] = not_yet.reached
        except BrokerUnavailableError as unavailable:
            _log.warning(
                "a batch that cannot be read is not found yet", topic=at[0], partition=at[1], cause=str(unavailable)
            )
        else:
            self._positions[at] = found.header.last + 1
            _log.warning(
                "a batch cannot be read and is not counted",
                topic=at[0],
                partition=at[1],
                first=first,
                last=found.header.last,
                cause=error.str(),
            )
        self._read_on(reader)

    def _count(self, topic: str, message: Message, lines: TextIO, received_ms: float, now_s: float) -> None:
        roles, tally = self._roles, self._tally
        if topic in roles.audits:
            line = tally.audit(json.loads(message.value() or b"{}"), commands=roles.commands)
            if line is not None:
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
        elif topic in roles.commands:
            tally.command(_event_id(message), received_ms=received_ms, now_s=now_s)
        elif topic in roles.outcomes:
            tally.outcome()
        elif topic in roles.events:
            tally.event()
        elif topic in roles.decisions:
            _count_failure(roles.decisions[topic], message, tally)

    def _finish_drains(self, reader: IsolatedConsumer, lines: TextIO) -> None:
        while not self._drains.empty():
            done = self._drains.get()
            ends = {place: _watermarks(reader, place)[1] for place in self._positions}
            while not self._stop.is_set() and any(self._positions[place] < end for place, end in ends.items()):
                self._take(reader, lines)
            lines.flush()
            done.set()


def _count_failure(agent: AgentTopics, message: Message, tally: Tally) -> None:
    """Count a failure record; what is none, or cannot be read, is for the gate to judge."""
    if _FAILURE_HEADER in headers_of(message):
        with contextlib.suppress(MalformedEventError):
            tally.failure(agent, decode_failure(message.value() or b""))


def _watermarks(reader: IsolatedConsumer, at: tuple[str, int]) -> tuple[int, int]:
    found = reader.get_watermark_offsets(TopicPartition(*at), _METADATA_TIMEOUT_S)
    if found is None:
        raise RecorderError(f"{at[0]}/{at[1]}: nobody says where it ends")
    return found


def _event_id(message: Message) -> str:
    try:
        return decode_event(headers_of(message), strict=False).id
    except MalformedEventError:
        return ""
