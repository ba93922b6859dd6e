"""What the gates report, read in one thread; what each said last is handed to the event loop."""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from pydantic import ValidationError
from streamwarden_contract.acks import MOST_BYTES_OF_ONE, GateAck, ack_key, decode_ack
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.names import NamespaceNames
from streamwarden_kafka.clients import Settings, open_producer
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.isolated.consumer import IsolatedConsumer
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.records import Partition
from streamwarden_kafka.topic_reader import TopicReader

from streamwarden_operator.adapters.kafka.ack_room import MOST_BYTES, AckRoom
from streamwarden_operator.adapters.kafka.errors import translate
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.supervision import FIRST_PAUSE_S, LONGEST_PAUSE_S, pause_s
from streamwarden_operator.write_guard import WriteGuard, always

OnAck = Callable[[str, str, str, GateAck | None], None]
"""Namespace, agent, pod, and the ack; None once a gate is gone for good."""

TASK = "gate-acks"
"""What metric and log call the thread that reads."""
PARTITION = 0
_TOLD_EACH_S = 10.0
"""How often it is said of a topic that something on it is no ack."""
_AT_ONCE = 50
"""So many acks are taken in before others have their turn in the event loop."""
_SETTINGS: Settings = {"auto.offset.reset": "earliest", "enable.partition.eof": True}

_log = structlog.get_logger(__name__)


def _nobody(_: str) -> None:
    """Before anybody listens."""


def _ignore(_namespace: str, _agent: str, _pod: str, _ack: GateAck | None) -> None:
    """Before anybody listens."""


class KafkaGateAcks:
    """Implements ``ports.GateAcks``. Everything but the reading happens in the event loop."""

    def __init__(
        self,
        connection: Connection,
        *,
        group: str,
        timeout_s: float = 10.0,
        first_pause_s: float = FIRST_PAUSE_S,
        guard: WriteGuard = always,
    ) -> None:
        """Prepare. Set ``on_ack`` before ``start``.

        Args:
            connection: the operator's.
            group: of the reader, which never joins it and never commits: librdkafka wants a name.
            timeout_s: longest wait until a tombstone is written.
            first_pause_s: until the reading thread, when it broke, begins again.
            guard: asked before tombstones are.
        """
        self._guard = guard
        self._connection = connection
        self._group = group
        self._client_log = ClientLog("gate-acks", quiet=True)
        self.on_ack: OnAck = _ignore
        """Called in the event loop after an ack was taken in."""
        self.on_complete: Callable[[str], None] = _nobody
        """Called in the event loop with a namespace, once all that its gates had said was taken in."""
        self._complete: set[str] = set()
        self._acks: dict[str, dict[str, dict[str, GateAck]]] = {}
        """By namespace, agent and pod."""
        self._room = AckRoom()
        self._ignored: dict[str, tuple[float, int]] = {}
        """By topic: when it was said that something is no ack (monotonic seconds), and how many there were since."""
        self._new: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._watched: set[str] = set()
        self._assigned: list[str] = []
        """Namespaces that the thread reads; its own."""
        self.on_restart: Callable[[str], None] = _nobody
        """Called in the event loop, with ``TASK``, when the thread broke and begins again."""
        self._first_pause_s = first_pause_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._timeout_s = timeout_s
        self._writing = asyncio.Lock()
        self._producer: Producer | None = None

    def of_namespace(self, namespace: str) -> Sequence[GateAck]:
        """Return the last ack of every gate of the namespace, ordered by agent and pod."""
        return [ack for agent in sorted(self._acks.get(namespace, ())) for ack in self.of_agent(namespace, agent)]

    def of_agent(self, namespace: str, agent: str) -> Sequence[GateAck]:
        """Return the last ack of every gate of an agent, ordered by pod."""
        return [ack for _, ack in sorted(self._acks.get(namespace, {}).get(agent, {}).items())]

    def complete(self, namespace: str) -> bool:
        """Tell whether the namespace's gates topic has been read to its end once."""
        return namespace in self._complete

    async def forget(self, namespace: str, agent: str, pods: Collection[str]) -> None:
        """Write a tombstone for each gate; the reading thread then drops what it said.

        Raises:
            KafkaUnavailableError: not all of them were written.
        """
        keys = [ack_key(agent, pod) for pod in pods]
        async with self._writing:
            await asyncio.to_thread(self._bury, NamespaceNames(namespace).gates, keys)

    def watch(self, namespace: str) -> None:
        """Read the namespace's gates topic, from its beginning; it must exist. Once is enough."""
        if namespace not in self._watched:
            self._watched.add(namespace)
            self._new.put(namespace)

    def start(self) -> None:
        """Begin to read; acks are handed to the running event loop."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=[loop], name=TASK, daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _bury(self, topic: str, keys: Sequence[bytes]) -> None:
        if self._producer is None:
            # As gates do: a tombstone must not overtake an ack.
            timeout_ms = int(self._timeout_s * 1000)
            settings = {"enable.idempotence": True, "delivery.timeout.ms": timeout_ms}
            self._producer = open_producer(self._connection, self._client_log, settings)
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)

        self._guard()
        for key in keys:
            self._producer.produce(topic, key=key, value=None, partition=PARTITION, on_delivery=delivered)
        left = self._producer.flush(self._timeout_s)
        if failed:
            raise translate(KafkaException(failed[0]), f"write to {topic!r}")
        if left:
            raise KafkaUnavailableError(f"could not write to {topic!r}: no answer within {self._timeout_s:g} s")
        _log.info("gates forgotten", topic=topic, gates=len(keys))

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read until it is to stop; whatever breaks is told, and all is read again from the beginning."""
        breaks = 0
        while not self._stopping.is_set():
            begun_s = time.monotonic()
            try:
                self._read(loop)
            except Exception as error:  # noqa: BLE001  # the outermost loop: nobody stands above the thread
                breaks = 1 if time.monotonic() - begun_s >= LONGEST_PAUSE_S else breaks + 1
                _log.error("task broke, and is started again", task=TASK, breaks=breaks, exc_info=error)
                self._call(loop, self._restarted)
                self._stopping.wait(pause_s(breaks, self._first_pause_s))

    def _restarted(self) -> None:
        self.on_restart(TASK)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        # Whoever has a gate's password may write any batch: one that ends its reader ends no operator.
        consumer = IsolatedConsumer(self._connection, self._group, "gate-acks", _SETTINGS, quiet=True)
        try:
            reader = TopicReader(consumer, self._connection, self._group, _not_read)
            reader.read(map(_place, self._assigned))
            while not self._stopping.is_set():
                self._assign_new(reader)
                self._hand_over(reader.take(), loop)
                for topic, _ in reader.ended:
                    self._call(loop, self._reach_end, _namespace_of(topic))
        finally:
            consumer.close()

    def _assign_new(self, reader: TopicReader) -> None:
        new = list[str]()
        while not self._new.empty():
            new.append(self._new.get())
        if new:
            self._assigned += new
            reader.read(map(_place, new))

    def _hand_over(self, messages: Sequence[Message], loop: asyncio.AbstractEventLoop) -> None:
        """Pass on what each gate said last: a thousand of them speak after each publication, and some of them twice."""
        last = dict[tuple[str, str], _Said]()
        for message in reversed(messages):
            topic = message.topic() or ""
            gate = _namespace_of(topic), (message.key() or b"").decode("utf-8", errors="replace")
            if gate in last:
                continue
            try:
                last[gate] = _Said(*gate, _ack_in(message, *gate), len(message.value() or b""))
            except _NoAckError as error:
                self._tell_ignored(topic, message.offset(), str(error))
                if isinstance(error, _TooLargeError):  # a gate has said it, and what it said before may be true no more
                    last[gate] = _Said(*gate, None, 0)
        said = [*last.values()][::-1]
        for first in range(0, len(said), _AT_ONCE):
            self._call(loop, self._take, said[first : first + _AT_ONCE])

    def _tell_ignored(self, topic: str, offset: int | None, error: str) -> None:
        """Say it of a topic now and then, with how many more there were: whoever may write there writes any number."""
        now_s, (told_s, more) = time.monotonic(), self._ignored.get(topic, (-math.inf, 0))
        if now_s - told_s < _TOLD_EACH_S:
            self._ignored[topic] = told_s, more + 1
            return
        self._ignored[topic] = now_s, 0
        _log.warning("ack ignored", topic=topic, offset=offset, error=error, more_before=more)

    def _call(self, loop: asyncio.AbstractEventLoop, then: Callable[..., None], *args: object) -> None:
        try:
            loop.call_soon_threadsafe(then, *args)
        except RuntimeError:
            self._stopping.set()  # the loop has closed: nobody listens any more

    def _reach_end(self, namespace: str) -> None:
        if namespace not in self._complete:
            self._complete.add(namespace)
            self.on_complete(namespace)

    def _take(self, said: Iterable["_Said"]) -> None:
        for each in said:
            self._take_one(each)

    def _take_one(self, said: "_Said") -> None:
        namespace, (agent, _, pod) = said.namespace, said.key.partition("/")
        known = self._acks.setdefault(namespace, {})
        gates = known.setdefault(agent, {})
        fits = self._room.take(namespace, said.key, said.size)
        if self._room.is_news(namespace, fits=fits):
            _log.error("acks left out: the namespace has too many", namespace=namespace, most_bytes=MOST_BYTES)
        ack = said.ack if fits else None  # what it said before may be true no more
        if ack is None:
            gates.pop(pod, None)
        else:
            gates[pod] = ack
        if not gates:
            del known[agent]
        self.on_ack(namespace, agent, pod, ack)


class _Said(NamedTuple):
    """What a gate said last."""

    namespace: str
    key: str
    ack: GateAck | None
    """None: a tombstone."""
    size: int
    """Of its text, in bytes."""


class _NoAckError(Exception):
    """A record is no gate's ack."""


class _TooLargeError(_NoAckError):
    """It is larger than what is read."""


def _ack_in(message: Message, namespace: str, key: str) -> GateAck | None:
    """Read an ack; None in a tombstone.

    Raises:
        _NoAckError: says why there is none.
    """
    value = message.value()
    if value is None:
        return None
    if len(value) > MOST_BYTES_OF_ONE:
        raise _TooLargeError("too large")
    try:
        ack = decode_ack(value)
    except (MalformedEventError, ValidationError) as malformed:
        raise _NoAckError(type(malformed).__name__) from None
    agent, _, pod = key.partition("/")
    if (ack.namespace, ack.agent, ack.pod) != (namespace, agent, pod):  # of slashes there may be more: one reading
        raise _NoAckError("names another gate")
    return ack


def _place(namespace: str) -> Partition:
    return NamespaceNames(namespace).gates, PARTITION


def _namespace_of(topic: str) -> str:
    return topic.split(".", 1)[0]


def _not_read(topic: str, error: KafkaError) -> None:
    unknown = error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    _log.warning("gates topic", topic=topic, code=error.name(), unknown_topic=unknown)
