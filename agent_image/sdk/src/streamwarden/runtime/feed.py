"""The consumer: brings records and knows which partitions are ours."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from streamwarden_kafka.clients import open_admin
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.leaving import leave_for
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.membership import GroupMember, end_of
from streamwarden_kafka.records import Offset, TopicFacts
from streamwarden_kafka.topics import TopicWatch, describe_topics
from typing_extensions import override

from streamwarden.core.records import Partition
from streamwarden.runtime.consumers import Collected, open_input, open_member
from streamwarden.runtime.passing import Passing
from streamwarden.runtime.ports import NO_METADATA, Feed, OffsetMetadata, Polled

_DESCRIBE_S = 10.0
"""Longest wait for the topics' ids where they are needed: whenever partitions are given, or have lost their place."""


class KafkaFeed(Feed):
    """The agent's member of its consumer group."""

    def __init__(self, kafka: Connection, group: str, topics: Sequence[str]) -> None:
        """Join the group; partitions come with a later ``poll`` or ``hold``.

        Args:
            kafka: the Kafka, and the agent's user.
            group: the agent's.
            topics: its inputs and outcomes.
        """
        self._member = GroupMember(lambda: open_member(kafka, group), topics, partial(leave_for, kafka, group))
        self._reader = open_input(kafka, group, gone="error")
        self._passing = Passing.of(kafka, group, self._reader, self._find_start)
        self._kafka = kafka
        self._admin: AdminClient | None = None
        self._watch = TopicWatch(self._one_admin, sorted(topics))
        self._topics = sorted(topics)
        self._topic_ids: dict[str, str] = {}
        self._offset_metadata: dict[Partition, str] = {}
        self._paused: frozenset[Partition] = frozenset()

    @property
    @override
    def generation(self) -> int:
        return self._member.generation

    @override
    def poll(self, *, records: int, size: int, timeout_s: float) -> Polled:
        generation, reading = self.generation, bool(self._passing.positions)
        told = self._member.poll(0 if reading else timeout_s)
        if generation != self.generation:
            self._stop_reading()
            return Polled()  # what comes is fetched again by whom it belongs to now
        collected = Collected(self._topic_ids, lambda at, offset: end_of(self._reader, at, offset))
        if told is not None:
            collected.add(told)
        for message in self._reader.take(records, size, timeout_s) if reading else ():
            collected.add(message)
        drained = len(collected.records) < records and collected.size + collected.header_memory < size
        self._passing.listen(collected, drained=drained, paused=self._paused)
        others = self._watch.others(self._topic_ids, time.monotonic())
        collected.gone += [at for at in self._passing.positions if at.topic in others]
        passed = self._passing.follow(collected)
        if collected.unreadable or collected.doubted:
            self._read_on()
        return Polled((*collected.records, *passed), tuple(collected.ends), tuple(collected.gone))

    @override
    def hold(self) -> None:
        self._stop_reading()
        self._member.poll(0)  # takes part in rebalances; what it might bring is dropped: start() goes by our positions

    @override
    def pause(self, partitions: frozenset[Partition]) -> None:
        for tell, some in (
            (self._reader.resume, self._paused - partitions),
            (self._reader.pause, partitions - self._paused),
        ):
            if some:
                tell(TopicPartition(*at) for at in some)
        self._paused = partitions

    @override
    def start(self, positions: Mapping[Partition, int | None]) -> None:
        self._passing.start(positions)
        self._paused = frozenset()
        self._read_on()

    def _read_on(self) -> None:
        """Drop what is fetched and not polled, and fetch from where we are."""
        paused, self._paused = self._paused, frozenset()
        self._reader.assign(TopicPartition(*at, offset) for at, offset in self._passing.positions.items())
        self.pause(paused & self._passing.positions.keys())

    def _stop_reading(self) -> None:
        if self._passing.positions:
            self.start({})

    def _find_start(self, at: Partition) -> int:
        return self._member.watermarks([at])[at][0]

    @override
    def committed(self) -> dict[Partition, int | None]:
        if not self._member.assigned:
            self._offset_metadata = {}
            return {}
        self._ask_for_ids()
        found = self._member.committed(self._member.assigned)
        self._offset_metadata = {
            Partition(each.topic, each.partition): each.metadata for each in found if each.metadata
        }
        return {Partition(each.topic, each.partition): each.offset if each.offset >= 0 else None for each in found}

    @override
    def logs(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        self._ask_for_ids()  # a log that goes back may be another topic's
        found = self._member.watermarks((at.topic, at.number) for at in partitions)
        return {Partition(*at): bounds for at, bounds in found.items()}

    def _one_admin(self) -> AdminClient:
        """Return what asks about topics: one for always, as a password that is replaced ends no connection."""
        if self._admin is None:
            self._admin = self._open_admin()
        return self._admin

    def _open_admin(self) -> AdminClient:
        return open_admin(self._kafka, ClientLog("topics", quiet=True))

    def _describe(self) -> dict[str, TopicFacts]:
        """Describe the topics. A client that gets no answer may go on asking a broker that is frozen for a minute."""
        is_tried = self._admin is not None
        try:
            return describe_topics(self._one_admin(), self._topics, timeout_s=_DESCRIBE_S)
        except BrokerUnavailableError:
            if not is_tried:
                raise
            fresh = self._open_admin()
            described = describe_topics(fresh, self._topics, timeout_s=_DESCRIBE_S)
            self._admin = fresh  # the one before stays where this one fares no better: it may be refused
            return described

    def _ask_for_ids(self) -> None:
        described = self._describe()
        self._topic_ids = {name: found.topic_id for name, found in described.items()}
        self._watch.begin(time.monotonic())

    @property
    @override
    def offset_metadata(self) -> OffsetMetadata:
        return self._offset_metadata

    @property
    @override
    def topic_ids(self) -> Mapping[str, str]:
        return self._topic_ids

    @override
    def commit(self, positions: Mapping[Partition, int], offset_metadata: OffsetMetadata = NO_METADATA) -> None:
        self._member.commit([Offset(*at, offset, offset_metadata.get(at, "")) for at, offset in positions.items()])

    @override
    def metadata(self) -> object:
        return self._member.metadata()

    @override
    def close(self) -> None:
        self._reader.close()
        self._member.close()
