"""A member of a consumer group that fetches from where it is told, and knows which partitions are its own."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Thread
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streamwarden_kafka.codes import code_of, error_of
from streamwarden_kafka.errors import BrokerUnavailableError, NotAMemberError
from streamwarden_kafka.records import Offset, Partition

_REQUEST_TIMEOUT_S = 10.0
_PAUSE_S = 0.05
"""Between two questions to a broker that does not lead a partition yet."""
_MOST_UNANSWERED = 2
"""Requests for committed offsets in a row without an answer before the consumer is replaced."""


class AsksWatermarks(Protocol):
    """A consumer, in this process or another."""

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = ..., *, cached: bool = ...
    ) -> tuple[int, int] | None:
        """Return the first offset that a log still has, and its end; None where there is no answer in time."""
        ...


def ask_watermarks(consumer: AsksWatermarks, at: Partition, timeout_s: float = _REQUEST_TIMEOUT_S) -> tuple[int, int]:
    """Return the first offset that a log still has, and its end.

    A broker is named as a partition's leader before it takes that up itself, and for a while after another one has:
    until then it answers that it is not. librdkafka gives that answer to whoever asks, and looks for the leader anew.

    Raises:
        BrokerUnavailableError: no answer in time of one that leads.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            answer = consumer.get_watermark_offsets(TopicPartition(*at), max(deadline - time.monotonic(), _PAUSE_S))
            break
        except KafkaException as error:
            if code_of(error) != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() >= deadline:
                message = f"cannot read where {at[0]}/{at[1]} ends: {error_of(error).name()}"
                raise BrokerUnavailableError(message) from error
        time.sleep(_PAUSE_S)
    if answer is None or answer[1] < 0:  # negative: what librdkafka says in place of an error that was lost on its way
        raise BrokerUnavailableError(f"cannot read where {at[0]}/{at[1]} ends")
    return answer


def end_of(consumer: AsksWatermarks, at: Partition, offset: int) -> int:
    """Return where a log ends: as brokers said when it was last fetched from, if that is beyond ``offset``; else ask.

    A broker takes the end that it says with a fetch before it reads (Kafka's ``Partition.fetchRecords``): what is
    written in between is in the answer, and lies at or behind that end. So it accuses no record.

    A record at it or beyond has no such place: whoever wrote its batch gave it another offset than it has. Brokers look
    at the offsets in a batch only where they decompress it, and librdkafka believes them and goes on from there. Where
    that is beyond the end it is refused, and with the refusal it forgets the end that it knew (2.16), while records
    that it fetched before wait to be polled.

    Raises:
        BrokerUnavailableError: no answer in time.
    """
    end = known_end(consumer, at)
    return end if end > offset else ask_watermarks(consumer, at)[1]


def known_end(consumer: AsksWatermarks, at: Partition) -> int:
    """Return the high watermark as brokers said when the log was last fetched from; negative where it is not known."""
    _, end = consumer.get_watermark_offsets(TopicPartition(*at), cached=True) or (-1, -1)
    return end


def explain_untrue(offset: int, end: float) -> str | None:
    """Say what is wrong with the offset that a record gives, where its log ends there: None where nothing is."""
    return None if offset < end else f"a record gives the offset {offset}, and the log ends at {end}"


class GroupMember:
    """A member of a group. Used from one thread only; partitions change hands in ``poll`` and ``drain``.

    Nothing is fetched of a partition before ``fetch_from`` says from where.
    """

    def __init__(
        self,
        open_consumer: Callable[[], Consumer],
        topics: Sequence[str],
        leave_for: Callable[[str], None],
        joined_as: Callable[[str], object] = lambda _member_id: None,
    ) -> None:
        """Join.

        Args:
            open_consumer: makes a consumer of the group; more than once, where one has to be replaced.
            topics: what the group reads.
            leave_for: leaves the group in the name of the member with this id; called in a thread of its own.
            joined_as: is told by which id the group knows this member; an empty one once it has left.
        """
        self.generation = 0
        """Grows with each rebalance: what was polled under an older one is somebody else's now."""
        self.assigned: frozenset[Partition] = frozenset()
        self._open_consumer = open_consumer
        self._leave_for = leave_for
        self._joined_as = joined_as
        self._member_id = ""
        self._topics = list(topics)
        self._unanswered = 0
        self._metadata: object = None
        self._consumer = self._join()

    def poll(self, timeout_s: float) -> Message | None:
        """Wait for a record, or for anything that librdkafka tells as one."""
        return self._consumer.poll(timeout_s)

    def drain(self, most: int) -> list[Message]:
        """Take what is there without waiting.

        Raises:
            KafkaException: the consumer cannot go on.
        """
        return self._consumer.consume(most, timeout=0)

    def committed(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        """Return what the group has committed; a negative offset where nothing.

        Raises:
            BrokerUnavailableError: no answer in time, or none for one of them.
        """
        wanted = [TopicPartition(*at) for at in sorted(partitions)]
        try:
            found = self._consumer.committed(wanted, timeout=_REQUEST_TIMEOUT_S)
        except KafkaException as error:
            self._unanswered += 1
            if self._unanswered >= _MOST_UNANSWERED:
                self._rejoin()
            raise BrokerUnavailableError(f"cannot read the committed offsets: {error_of(error).name()}") from error
        self._unanswered = 0
        for entry in found:
            if entry.error is not None:
                raise BrokerUnavailableError(
                    f"cannot read the committed offset of {entry.topic}/{entry.partition}: {entry.error.name()}"
                )
        return found

    def cluster_id(self) -> str:
        """Return the id of the Kafka that answered last.

        Raises:
            BrokerUnavailableError: none has.
        """
        try:
            return self._consumer.cluster_id(timeout=_REQUEST_TIMEOUT_S) or ""
        except KafkaException as error:
            raise BrokerUnavailableError(f"cannot ask for the cluster id: {error_of(error).name()}") from error

    def end_of(self, at: Partition, offset: int) -> int:
        """Return where a log ends: see ``end_of``.

        Raises:
            BrokerUnavailableError: no answer in time.
        """
        return end_of(self._consumer, at, offset)

    def known_end(self, at: Partition) -> int:
        """Return where a log ends, open transactions included: see ``known_end``."""
        return known_end(self._consumer, at)

    def watermarks(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """Return of each log the first offset that it still has, and its end.

        Raises:
            BrokerUnavailableError: no answer in time.
        """
        return {at: ask_watermarks(self._consumer, at) for at in sorted(partitions)}

    def fetch_from(self, positions: Mapping[Partition, int]) -> None:
        """Fetch from these positions and nothing else; what was fetched before and not polled is thrown away."""
        self._consumer.assign([TopicPartition(topic, number, at) for (topic, number), at in positions.items()])

    def commit(self, places: Iterable[Offset]) -> None:
        """Commit outside of any transaction.

        Raises:
            BrokerUnavailableError: not committed, as by a broker that is down or when partitions are no longer ours.
        """
        offsets = [TopicPartition(each.topic, each.partition, each.offset, each.metadata) for each in places]
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise BrokerUnavailableError(error_of(error).name()) from error
        for answer in answers:
            if answer.error is not None:
                raise BrokerUnavailableError(answer.error.name())

    def metadata(self) -> object:
        """Return the membership of the assignment, with which a transaction's offsets are fenced.

        Kept since the partitions were given: one that was asked for now could be that of a later assignment. Kafka
        takes transactional offsets from who names no member at all, so that is refused here.

        Raises:
            NotAMemberError: nothing is assigned.
        """
        if self._metadata is None:
            raise NotAMemberError("this process is no member of its group now")
        return self._metadata

    @property
    def is_member(self) -> bool:
        """Whether the group has taken it in; it may own nothing."""
        return self._metadata is not None

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
        self._joined_as("")

    def _join(self) -> Consumer:
        consumer = self._open_consumer()
        consumer.subscribe(self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)
        return consumer

    def _rejoin(self) -> None:
        """Go on with a new consumer.

        One that has lost its group's coordinator, as when a broker was killed, may never find it again: every request
        for committed offsets times out though the broker answers others (librdkafka 2.16).
        """
        old, self._consumer = self._consumer, self._join()
        gone, self._member_id = self._member_id, ""
        self._unanswered = 0
        self._change(frozenset(), None)
        # It may hang, too, and goes on sending heartbeats then: the group would wait for it to join again.
        Thread(target=old.close, name="old-consumer", daemon=True).start()
        if gone:
            Thread(target=self._leave_for, args=(gone,), name="old-member", daemon=True).start()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Not the partitions, paused: librdkafka would begin to look for their offsets, and its answer could come after
        # fetch_from and take the position back (measured: in 2 of 12 cases, records before the position came again).
        consumer.assign([])
        if consumer is not self._consumer:
            return  # it was replaced: what the group gave it before is told while it is closed, in another thread
        self._member_id = consumer.memberid() or ""
        self._joined_as(self._member_id)
        found = frozenset((entry.topic, entry.partition) for entry in partitions)
        self._change(found, consumer.consumer_group_metadata() if self._member_id else None)

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return  # it was replaced, and is being closed in another thread
        self._change(frozenset(), None)
        consumer.unassign()

    def _change(self, assigned: frozenset[Partition], metadata: object) -> None:
        self.assigned, self._metadata = assigned, metadata
        self.generation += 1
