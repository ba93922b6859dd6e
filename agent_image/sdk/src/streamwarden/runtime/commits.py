"""What a turn came to: decisions and positions in one transaction, or positions alone."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    NotAMemberError,
    TransactionAbortedError,
    TransactionUnknownError,
)

from streamwarden.core.offset_metadata import OffsetMetadataError, decode
from streamwarden.core.positions import Positions
from streamwarden.core.records import Outgoing, Partition
from streamwarden.runtime.client_thread import ClientThread
from streamwarden.runtime.pauses import Pauses
from streamwarden.runtime.ports import Polled, Ports

_COMMIT_EVERY_S = 0.2
"""Positions without decisions are committed no oftener than this."""


class Commits:
    """Commits, and says where an outcome means to read on from the last commit.

    Attributes:
        positions: how far we are in each partition, and what of it the group knows.
    """

    def __init__(self, ports: Ports, thread: ClientThread, pauses: Pauses, stop: asyncio.Event) -> None:
        self.positions = Positions()
        self._ports = ports
        self._thread = thread
        self._pauses = pauses
        self._stop = stop
        self._committed_s = 0.0
        self._unreadable = set[str]()
        """Metadata that was told of."""
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """Open a producer, however long Kafka takes, or until we are to stop; the group hears of us meanwhile.

        Raises:
            ProducersHangError: only a new process can go on.
        """
        while not self._stop.is_set():
            try:
                await self._thread.call(self._ports.transactions.open)
            except BrokerUnavailableError as error:
                self._log.warning("Waiting for Kafka", step="open the producer", code=str(error))
                await self._thread.call(self._ports.feed.hold)
                await self._pauses.pause()
            else:
                return

    def take_up(self, committed: Mapping[Partition, int | None]) -> dict[Partition, int]:
        """Begin with what the group has committed, and return what is finished beyond, as ``Window`` has it."""
        feed = self._ports.feed
        beyond: dict[Partition, int] = {}
        for at, metadata in feed.offset_metadata.items():
            offset = committed.get(at)
            try:
                if offset is not None:
                    beyond[at] = decode(metadata, topic_id=feed.topic_ids.get(at.topic, ""), offset=offset)
            except OffsetMetadataError as error:
                if metadata not in self._unreadable:
                    self._unreadable.add(metadata)
                    self._log.warning(
                        "What is committed beside the offset says nothing of it: events beyond may be handled again",
                        topic=at.topic,
                        partition=at.number,
                        offset=offset,
                        problem=str(error),
                    )
        self.positions.reset(committed, beyond)
        return beyond

    async def commit(self, polled: Polled, outgoing: Sequence[Outgoing]) -> bool:
        """Commit what was polled and what came of it. False: nothing holds but the last commit, go back to it.

        With decisions it is one transaction. Positions alone are committed at most every 200 ms, without one; where
        that fails the next turn tries again.

        Args:
            polled: records that were taken and are done now, and ends that were reached.
            outgoing: decisions and failures that came of them, in order.

        Raises:
            ProducerFencedError: another process has taken over.
        """
        for record in polled.records:
            self.positions.finish(record)
        for at, offset in polled.ends:
            self.positions.reach(at, offset)
        try:
            await self._write(outgoing)
        except (TransactionAbortedError, NotAMemberError) as error:
            await self._go_back("Transaction aborted", error)
            return False
        except TransactionUnknownError as error:
            await self._go_back("Transaction of unknown outcome", error)
            await self.open()
            return False
        except BrokerUnavailableError as error:
            # Nothing hangs on it: the next turn tries again, or a rebalance says whose they are.
            self._log.warning("Positions not committed", code=str(error))
        return True

    async def commit_rest(self) -> None:
        """Commit what has no decision to go with, before we leave. What fails is read again by whoever comes next."""
        positions = self.positions.uncommitted()
        if positions:
            try:
                await self._thread.call(self._ports.feed.commit, positions, self._metadata_of(positions))
            except BrokerUnavailableError as error:
                self._log.warning("Positions not committed", code=str(error))

    async def _write(self, outgoing: Sequence[Outgoing]) -> None:
        feed, clock = self._ports.feed, self._ports.clock
        positions = self.positions.uncommitted()
        if outgoing:
            beside = self._metadata_of(positions)
            group = await self._thread.call(feed.metadata)
            await self._thread.call(self._ports.transactions.commit, outgoing, positions, group, beside)
        elif positions and clock.now_s() - self._committed_s >= _COMMIT_EVERY_S:
            await self._thread.call(feed.commit, positions, self._metadata_of(positions))
        else:
            return
        self.positions.mark_committed(positions)
        self._committed_s = clock.now_s()
        self._pauses.reset()

    def _metadata_of(self, positions: Mapping[Partition, int]) -> dict[Partition, str]:
        found = self.positions.offset_metadata(self._ports.feed.topic_ids)
        return {at: found[at] for at in positions if at in found}

    async def _go_back(self, what: str, error: Exception) -> None:
        self._log.warning("Going back to the last commit", cause=what, code=str(error))
        await self._pauses.pause()
