"""Reads what the loop wrote, as an auditor would: committed records only, in a thread of its own."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from typing import TYPE_CHECKING, TextIO, TypeVar

import structlog
from streamwarden_contract.decision import decode_failure
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.events import FAILURE_TYPE
from streamwarden_contract.events import decode as decode_event
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.records import headers_of
from streamwarden_kafka.topic_reader import TopicReader

from streamwarden_cli.session.roles import AgentTopics, TopicRoles
from streamwarden_cli.session.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from confluent_kafka import Message
    from streamwarden_contract.names import InstallationNames
    from streamwarden_kafka.connection import Connection

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_FAILURE_HEADER = ("ce_type", FAILURE_TYPE.encode())


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
        self.failed: str = ""
        """Why the thread has ended by itself; empty while it has not."""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def watch(self, roles: TopicRoles) -> None:
        """Read these topics from their beginning on, as soon as they exist; those of before are read on."""
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
        consumer = IsolatedConsumer(self._connection, self._group, "recorder", settings, quiet=True)
        try:
            reader = TopicReader(consumer, self._connection, self._group)
            with self._path.open("a", encoding="utf-8", buffering=1) as lines:
                while not self._stop.is_set():
                    self._follow_roles(reader)
                    self._take(reader, lines)
                    self._finish_drains(reader, lines)
        except Exception as error:  # noqa: BLE001  # whatever it was, it is said on the screen
            self.failed = f"{type(error).__name__}: {error}"
            _log.exception("the recorder has failed")
        finally:
            consumer.close()

    def _follow_roles(self, reader: TopicReader) -> None:
        while not self._wanted.empty():
            self._roles = self._wanted.get().after(self._roles)
            reader.want(self._roles.all)
        reader.look_for_topics()

    def _take(self, reader: TopicReader, lines: TextIO) -> None:
        for message in reader.take():
            received_ms, now_s = time.time() * 1000, time.monotonic()
            with self._lock:
                self._count(message.topic() or "", message, lines, received_ms, now_s)

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

    def _finish_drains(self, reader: TopicReader, lines: TextIO) -> None:
        while not self._drains.empty():
            done = self._drains.get()
            ends = reader.ends()
            while not self._stop.is_set() and not reader.has_reached(ends):
                self._take(reader, lines)
            lines.flush()
            done.set()


def _count_failure(agent: AgentTopics, message: Message, tally: Tally) -> None:
    """Count a failure record; what is none, or cannot be read, is for the gate to judge."""
    if _FAILURE_HEADER in headers_of(message):
        with contextlib.suppress(MalformedEventError):
            tally.failure(agent, decode_failure(message.value() or b""))


def _event_id(message: Message) -> str:
    try:
        return decode_event(headers_of(message), strict=False).id
    except MalformedEventError:
        return ""
