"""Committed offsets of many groups: each is asked for by itself, all of them side by side, at their coordinators."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping

from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    IllegalGenerationError,
    NotCoordinatorForGroupError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest

from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    GroupHasMembersError,
    KafkaClientError,
    NotSpreadError,
)
from streamwarden_kafka.records import Partition
from streamwarden_kafka.wire.connections import NO_ERROR, Broker, Wire, refusal

_GROUP, TRANSACTION = 0, 1
"""The kinds of coordinators, in the protocol."""
_MOVED = frozenset({NotCoordinatorForGroupError.errno, GroupCoordinatorNotAvailableError.errno})
_MOVING = "the group's coordinator is moving to another broker"
_HAS_MEMBERS = frozenset({UnknownMemberIdError.errno, IllegalGenerationError.errno, RebalanceInProgressError.errno})
"""What Kafka answers to who commits for a group, and is none of its members."""
_NO_GENERATION, _NO_MEMBER, _AS_THE_BROKER_SAYS = -1, "", -1
"""Who commits so is nobody's member; how long it is kept is the broker's setting."""
_END_OF_TEXT = "\0"
"""confluent-kafka commits metadata with C's end of a text behind it, and needs it when it reads: without one it goes on
into whatever stands behind it in memory (librdkafka copies as many bytes as were committed).
"""
_ATTEMPTS = 2
"""A coordinator that has moved is looked up once more; what fails then is read again at the next poll."""
_SIDE_BY_SIDE = 64
"""Requests at a broker that wait for an answer: it works on one a connection, so more would only wait longer."""
_MOST_GROUPS = 100_000
"""Groups whose coordinator is remembered, those of deleted agents among them."""

Committed = dict[Partition, int | None]
"""None: nothing is committed."""

Positions = dict[Partition, tuple[int | None, str]]
"""The same, each with its metadata."""


async def find_coordinator(wire: Wire, broker: Broker, name: str, kind: int = _GROUP) -> int:
    """Return the node that is in charge of a group, or of a transactional id; the wire knows where it is.

    Raises:
        BrokerUnavailableError: it is not known, as yet.
    """
    answer = await broker.ask(FindCoordinatorRequest(name, kind))
    if answer.error_code != NO_ERROR:
        of = "group" if kind == _GROUP else "the transactional id"
        raise refusal(answer.error_code, f"find the coordinator of {of} {name!r}")
    wire.learn([(answer.coordinator_id, answer.host, answer.port)])
    return int(answer.coordinator_id)


class GroupOffsets:
    """Asks coordinators, and remembers who they are."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._coordinators: OrderedDict[str, int] = OrderedDict()

    async def committed(self, wanted: Mapping[str, Collection[Partition]]) -> dict[str, Committed | KafkaClientError]:
        """Return the committed offsets of each group, or why they could not be read."""
        found = await self.positions(wanted)
        return {
            group: own if isinstance(own, KafkaClientError) else {at: offset for at, (offset, _) in own.items()}
            for group, own in found.items()
        }

    async def positions(self, wanted: Mapping[str, Collection[Partition]]) -> dict[str, Positions | KafkaClientError]:
        """Return what each group has committed, with its metadata, or why it could not be read."""
        found: dict[str, Positions | KafkaClientError] = {}
        left = dict(wanted)
        for _ in range(_ATTEMPTS):
            unknown = [group for group in left if group not in self._coordinators]
            found |= await self._find(unknown)
            by_node: defaultdict[int, list[str]] = defaultdict(list)
            for group in left:
                if (node := self._coordinators.get(group)) is not None:
                    self._coordinators.move_to_end(group)
                    by_node[node].append(group)
            asked = [self._ask(node, {group: left[group] for group in groups}) for node, groups in by_node.items()]
            for answer in await asyncio.gather(*asked):
                found |= answer
            left = {group: wanted[group] for group in left if group not in found}
        return {group: found.get(group, NotSpreadError(_MOVING)) for group in wanted}

    async def commit(self, group: str, offsets: Mapping[Partition, tuple[int, str]]) -> None:
        """Commit offsets with their metadata for a group without members.

        Raises:
            GroupHasMembersError: it has some.
            NotSpreadError: nobody knows yet who is in charge of it, or of a topic.
            BrokerUnavailableError: no answer, or a refusal.
        """
        by_topic: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for (topic, number), (offset, metadata) in sorted(offsets.items()):
            by_topic[topic].append((number, offset, metadata + _END_OF_TEXT))
        request = OffsetCommitRequest(group, _NO_GENERATION, _NO_MEMBER, _AS_THE_BROKER_SAYS, list(by_topic.items()))
        if errors := await self._find([group] if group not in self._coordinators else []):
            raise errors[group]
        try:
            answer = await (await self._wire.broker(self._coordinators[group])).ask(request)
        except KafkaClientError:
            self._forget([group])
            raise
        for code in {code for _topic, answers in answer.topics for _number, code in answers} - {NO_ERROR}:
            self._forget([group])
            if code in _HAS_MEMBERS:
                raise GroupHasMembersError(f"group {group!r} has members: only they commit for it")
            raise refusal(code, f"commit offsets of group {group!r}")

    async def _find(self, groups: Collection[str]) -> dict[str, KafkaClientError]:
        """Look up coordinators, and return the errors."""
        if not groups:
            return {}
        try:
            broker = await self._wire.any_broker()
        except KafkaClientError as error:
            return dict.fromkeys(groups, error)
        limit = asyncio.Semaphore(_SIDE_BY_SIDE)
        errors = await asyncio.gather(*(self._find_one(broker, group, limit) for group in groups))
        while len(self._coordinators) > _MOST_GROUPS:
            self._coordinators.popitem(last=False)
        return {group: error for group, error in zip(groups, errors, strict=True) if error is not None}

    async def _find_one(self, broker: Broker, group: str, limit: asyncio.Semaphore) -> KafkaClientError | None:
        async with limit:
            try:
                self._coordinators[group] = await find_coordinator(self._wire, broker, group)
            except KafkaClientError as error:
                return error
        return None

    async def _ask(
        self, node: int, wanted: Mapping[str, Collection[Partition]]
    ) -> dict[str, Positions | KafkaClientError]:
        """Return what one broker says; a group of which it says that another one is in charge is left out."""
        try:
            broker = await self._wire.broker(node)
        except KafkaClientError as error:
            self._forget(wanted)
            return dict.fromkeys(wanted, error)
        limit = asyncio.Semaphore(_SIDE_BY_SIDE)
        answers = await asyncio.gather(*(self._ask_one(broker, group, wanted[group], limit) for group in wanted))
        found: dict[str, Positions | KafkaClientError] = {}
        for group, answer in zip(wanted, answers, strict=True):
            if answer is None or isinstance(answer, BrokerUnavailableError):
                self._forget([group])
            if answer is not None:
                found[group] = answer
        return found

    async def _ask_one(
        self, broker: Broker, group: str, partitions: Collection[Partition], limit: asyncio.Semaphore
    ) -> Positions | KafkaClientError | None:
        """Return a group's offsets; None where another broker is its coordinator."""
        by_topic: defaultdict[str, list[int]] = defaultdict(list)
        for topic, number in partitions:
            by_topic[topic].append(number)
        async with limit:
            try:
                answer = await broker.ask(OffsetFetchRequest(group, list(by_topic.items())))
            except KafkaClientError as error:
                return error
        if answer.error_code in _MOVED:
            return None
        if answer.error_code != NO_ERROR:
            return refusal(answer.error_code, f"read the offsets of group {group!r}")
        found: Positions = {}
        for topic, answers in answer.topics:
            for number, offset, metadata, code in answers:
                if code != NO_ERROR:
                    return refusal(code, f"read the offset of group {group!r} on topic {topic!r}")
                found[topic, number] = (offset if offset >= 0 else None, (metadata or "").removesuffix(_END_OF_TEXT))
        return found

    def _forget(self, groups: Collection[str]) -> None:
        for group in groups:
            self._coordinators.pop(group, None)
