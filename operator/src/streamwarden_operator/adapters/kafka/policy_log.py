"""Policy topics in Kafka: one transactional producer for all of them, which fences every earlier one."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from streamwarden_kafka.clients import open_consumer
from streamwarden_kafka.codes import END_OF_PARTITION
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError, ProducerFencedError, ProducersHangError
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.membership import ask_watermarks
from streamwarden_kafka.outcomes import OnAnswered, ignore
from streamwarden_kafka.producer_session import Limits
from streamwarden_kafka.records import Write
from streamwarden_kafka.transactions import TransactionalProducer

from streamwarden_operator.adapters.kafka.anybodys_log import AnybodysLog
from streamwarden_operator.adapters.kafka.errors import client_error, translate
from streamwarden_operator.adapters.kafka.fence_watch import FenceWatch
from streamwarden_operator.adapters.kafka.signed_records import PARTITION, POLL_S, READING, signed_record
from streamwarden_operator.adapters.kafka.threads import run_to_its_end
from streamwarden_operator.errors import CannotGoOnError, KafkaUnavailableError, LeadershipLostError, OperatorError
from streamwarden_operator.ports import SignedRecord
from streamwarden_operator.write_guard import WriteGuard, always

T = TypeVar("T")

_LOOK_S = 2.0
"""Between two looks at who has the transactional id."""
_TRANSACTION_S = 5.0
_MOST_SHOWN_AGAIN = 10_000
"""Records that are taken at once, to be passed over."""
_SETTINGS: dict[str, object] = {
    "message.timeout.ms": int(_TRANSACTION_S * 1000),
    "compression.type": "none",
    "linger.ms": 0,
}


@dataclass(slots=True)
class _Read:
    """What has been read of a topic."""

    position: int = -1
    """Behind the last record that was read, or at the end; -1 before anything was heard of the partition."""
    records: dict[bytes, SignedRecord] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Take one record, or the end of the partition; what we have written may have been taken before it comes."""
        offset, is_end = message.offset() or 0, message.error() is not None
        if offset < self.position:
            return
        self.position = offset if is_end else offset + 1
        if not is_end:
            self.put(signed_record(message))

    def put(self, record: SignedRecord) -> None:
        """Keep a key's last record; a tombstone takes it away."""
        if record.value is None:
            self.records.pop(record.key, None)
        else:
            self.records[record.key] = record

    def follow(self, records: Sequence[SignedRecord], offsets: Sequence[int], before: int) -> None:
        """Take what was written just now as read, if it follows what was read: nobody else has written in between.

        Args:
            records: in the order in which they were written.
            offsets: where they stand.
            before: where our transaction before it ended: behind that there is its marker, which nobody is shown.
        """
        expected = self.position + (1 if self.position == before else 0)
        if self.position < 0 or list(offsets) != list(range(expected, expected + len(records))):
            return
        for record in records:
            self.put(record)
        self.position = expected + len(records)


class KafkaPolicyLog:
    """Implements ``ports.PolicyLog``. Calls are served one at a time, each in a thread.

    A read is cheap when nobody else has written since the last one: the consumer stays where it is, and what was
    written here is known. After an error whose
    outcome is not known, producer and consumer are dropped, and the next call begins anew: a commit that timed out may
    have happened.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        transactional_id: str,
        timeout_s: float = 10.0,
        guard: WriteGuard = always,
        on_wire_answered: OnAnswered = ignore,
    ) -> None:
        """Prepare; nothing connects before the first call.

        Args:
            connection: the operator's.
            transactional_id: of the one publisher.
            timeout_s: longest wait for one step: fencing, reading to the end, a commit.
            guard: asked before another publisher is fenced, and before each transaction.
            on_wire_answered: called after each look at who publishes.
        """
        self._guard = guard
        self._connection = connection
        self._client_log = ClientLog("policy-log", quiet=True)
        self._transactional_id = transactional_id
        self._timeout_s = timeout_s
        self._producer = TransactionalProducer(
            connection,
            transactional_id,
            self._client_log,
            _SETTINGS,
            limits=Limits(_TRANSACTION_S, open_s=timeout_s, call_s=timeout_s, hung_s=3 * timeout_s),
            on_delivered=self._delivered,
            replace_shaken=False,  # who comes back from a cut network must find out that another one publishes now
        )
        self._lock = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._anybodys = AnybodysLog(connection, self._readers, timeout_s=timeout_s)
        self._fence = FenceWatch(connection, transactional_id, timeout_s=_LOOK_S, on_answered=on_wire_answered)
        self._used = False
        """Whether the producer was opened or has written since it was noted who has the id."""
        self._cluster_id = ""
        self._consumer: Consumer | None = None
        self._asker: Consumer | None = None
        self._reads: dict[str, _Read] = {}
        self._written: dict[str, int] = {}
        """By topic: behind the last record that was written here."""
        self._offsets: list[int] = []
        """Of what is being written."""
        self._fenced = False

    @property
    def _readers(self) -> str:
        return f"{self._transactional_id}.reader"

    @property
    def cluster_id(self) -> str:
        """Kafka's cluster id; empty before the first read."""
        return self._cluster_id

    async def look(self, topic: str) -> Mapping[bytes, SignedRecord]:
        """Return what ``read`` does, and fence nobody.

        Raises:
            KafkaUnavailableError: not read to the end within the timeout; or it cannot be read, or holds too much.
        """
        if not self._cluster_id:
            await self._serve(self._ready_asker, "ask Kafka for its id")
        async with self._looking:  # whoever publishes does not wait for what somebody else has written
            return await run_to_its_end(lambda: self._look(topic, f"look at {topic!r}"))

    async def read(self, topic: str) -> Mapping[bytes, SignedRecord]:
        """Return the last record of every key, tombstones left out, after fencing any other publisher.

        Raises:
            KafkaUnavailableError: not read to the end within the timeout.
            CannotGoOnError: only a new process can read and publish; a ``LeadershipLostError`` where another publisher
                has fenced this one.
        """
        return await self._serve(lambda: self._read_fenced(topic), f"read {topic!r}")

    async def publish(self, topic: str, records: Sequence[SignedRecord]) -> None:
        """Write the records in one transaction, in order.

        Raises:
            KafkaUnavailableError: not written, or not known to be; read again before the next attempt.
            CannotGoOnError: only a new process can publish; a ``LeadershipLostError`` where another publisher has
                fenced this one, and nothing was written.
        """
        await self._serve(lambda: self._publish(topic, records), f"publish on {topic!r}")

    async def fenced(self) -> LeadershipLostError:
        """Return once another publisher has fenced this one, which only a publication would find out else."""
        while True:
            await asyncio.sleep(_LOOK_S)
            async with self._lock:
                if self._producer.is_open and await self._fence.is_fenced():
                    self._fenced = True
                    await asyncio.to_thread(self._drop)
                    return LeadershipLostError(f"another operator has taken {self._transactional_id!r} over")

    async def close(self) -> None:
        """Let go of the connections; an open transaction is aborted by the broker."""
        async with self._lock:
            await asyncio.to_thread(self._drop)
            await self._fence.close()
        async with self._looking:
            await asyncio.to_thread(self._anybodys.close)

    async def _serve(self, work: Callable[[], T], doing: str) -> T:
        async with self._lock:
            try:
                answer = await run_to_its_end(lambda: self._guarded(work, doing))
            except asyncio.CancelledError:
                if self._used:  # it has gone on to its end, and opened the producer anew perhaps
                    self._fence.forget()
                raise
            if self._used:
                self._used = False
                await self._fence.note()
            return answer

    def _guarded(self, work: Callable[[], T], doing: str) -> T:
        if self._fenced:
            raise LeadershipLostError(f"could not {doing}: another operator publishes now")
        try:
            return work()
        except ProducerFencedError as error:
            # Also where it is not certain that it was another process: a restart costs little, a second publisher much.
            self._drop()
            self._fenced = True
            raise LeadershipLostError(f"could not {doing}: another operator publishes now") from error
        except ProducersHangError as error:
            self._drop()
            raise CannotGoOnError(f"could not {doing}: {error}") from error
        except KafkaClientError as error:
            self._drop()
            raise client_error(error, doing) from error
        except KafkaException as error:
            self._drop()
            raise translate(error, doing) from error
        except OperatorError:
            self._drop()
            raise

    def _look(self, topic: str, doing: str) -> Mapping[bytes, SignedRecord]:
        try:
            return self._anybodys.read(topic)
        except KafkaClientError as error:
            raise client_error(error, doing) from error
        except KafkaException as error:
            raise translate(error, doing) from error

    def _publish(self, topic: str, records: Sequence[SignedRecord]) -> None:
        self._guard()
        self._used = True
        self._producer.open()
        before = self._written.get(topic, 0)
        self._offsets = []
        self._producer.commit(
            [Write(topic, record.key, record.value, list(record.headers), PARTITION) for record in records]
        )
        if topic in self._reads:
            self._reads[topic].follow(records, self._offsets, before)

    def _delivered(self, message: Message) -> None:
        """Note where a record stands; called in the transaction's thread, while ``_publish`` waits."""
        topic, offset = message.topic(), message.offset()
        if topic is not None and offset is not None:
            self._offsets.append(offset)
            self._written[topic] = max(offset + 1, self._written.get(topic, 0))

    def _read_fenced(self, topic: str) -> Mapping[bytes, SignedRecord]:
        self._guard()
        self._used = self._used or not self._producer.is_open
        self._producer.open()  # and fence every other one
        return self._read(topic)

    def _read(self, topic: str) -> Mapping[bytes, SignedRecord]:
        consumer = self._ready_consumer()
        if topic not in self._reads:
            consumer.incremental_assign([TopicPartition(topic, PARTITION, OFFSET_BEGINNING)])
            self._reads[topic] = _Read()
        read = self._reads[topic]
        deadline = time.monotonic() + self._timeout_s
        low, end = ask_watermarks(self._ready_asker(), (topic, PARTITION), self._timeout_s)
        written, last = self._written.get(topic, 0), end
        if written and end <= written + 1:
            # Nothing but our own transaction: its commit is answered before its marker is written, so the end may still
            # be the old one; and behind its last record there is only that marker, which no fetch shows soon.
            end = written
        if read.position > last:  # another topic of this name: none of what was read is there
            read = self._reads[topic] = _Read()
            self._written.pop(topic, None)
            consumer.incremental_unassign([TopicPartition(topic, PARTITION)])
            consumer.incremental_assign([TopicPartition(topic, PARTITION, OFFSET_BEGINNING)])
        if read.position < 0 and low == end:
            read.position = end
        for shown in consumer.consume(_MOST_SHOWN_AGAIN, 0):  # our own records, which are known: they would pile up
            self._take(shown)
        while read.position < end:
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(f"could not read {topic!r}: not at its end after {self._timeout_s:g} s")
            message = consumer.poll(POLL_S)
            if message is not None:
                self._take(message)
        return dict(read.records)

    def _take(self, message: Message) -> None:
        """Take one record, or the end of a partition; records of other topics arrive here too."""
        error, topic = message.error(), message.topic()
        if error is not None and error.code() != END_OF_PARTITION:
            raise KafkaException(error)
        if topic is not None and message.offset() is not None and topic in self._reads:
            self._reads[topic].take(message)

    def _ready_consumer(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._new_consumer()
        return self._consumer

    def _ready_asker(self) -> Consumer:
        """Return the client that asks where a topic ends.

        Not the one that reads: a broker answers a connection's requests in order, and there a fetch is always waiting.
        """
        if self._asker is None:
            self._asker = self._new_consumer()
            self._cluster_id = self._asker.list_topics(timeout=self._timeout_s).cluster_id or self._cluster_id
        return self._asker

    def _new_consumer(self) -> Consumer:
        # Never joined and never committed to: librdkafka wants a name.
        return open_consumer(self._connection, self._readers, self._client_log, READING)

    def _drop(self) -> None:
        consumers = self._consumer, self._asker
        self._consumer, self._asker = None, None
        self._reads, self._written = {}, {}
        self._producer.close()
        for consumer in consumers:
            if consumer is not None:
                consumer.close()
