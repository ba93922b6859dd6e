"""A member of a group: which partitions are its own, and with which membership its offsets are fenced."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import Queue
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from streamwarden_kafka.errors import BrokerUnavailableError, NotAMemberError
from streamwarden_kafka.membership import GroupMember

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class ScriptedConsumer:
    """A consumer whose group does what the test says."""

    member_id: str = "member-1"
    epoch: int = 1
    """Of the group: what the metadata says that are asked for now."""
    silent: bool = False
    """Whether committed offsets are asked for in vain."""
    assigned: list[TopicPartition] = field(default_factory=list)
    closed: bool = False
    _on: dict[str, Callable[..., None]] = field(default_factory=dict)

    def subscribe(self, _topics: list[str], **callbacks: Callable[..., None]) -> None:
        self._on = callbacks

    def memberid(self) -> str:
        return self.member_id

    def consumer_group_metadata(self) -> tuple[str, int]:
        return self.member_id, self.epoch

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def unassign(self) -> None:
        self.assigned = []

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return [TopicPartition(each.topic, each.partition, 7) for each in partitions]

    def close(self) -> None:
        self.closed = True

    def give(self, *partitions: int) -> None:
        self._on["on_assign"](self, [TopicPartition("in", number) for number in partitions])

    def take(self, how: str = "on_revoke") -> None:
        self._on[how](self, [])


@dataclass
class Joined:
    """A member, and the consumers that it has used."""

    consumers: list[ScriptedConsumer] = field(default_factory=list)
    left_for: Queue[str] = field(default_factory=Queue)
    member: GroupMember = field(init=False)

    def __post_init__(self) -> None:
        self.member = GroupMember(self._open, ["in"], self.left_for.put)

    def _open(self) -> Consumer:
        self.consumers.append(ScriptedConsumer())
        return cast("Consumer", self.consumers[-1])

    @property
    def consumer(self) -> ScriptedConsumer:
        return self.consumers[-1]


@pytest.fixture
def joined() -> Joined:
    return Joined()


def metadata_of(member: GroupMember) -> Any:
    """What a transaction's offsets would be fenced with, or the words of the refusal."""
    try:
        return member.metadata()
    except NotAMemberError as error:
        return str(error)


NOBODY = "this process is no member of its group now"


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        pytest.param([], NOBODY, id="X10-before-an-assignment-nothing-is-committed-in-the-name-of-nobody"),
        pytest.param(
            [lambda consumer: consumer.give(0)], ("member-1", 1), id="X10-an-assignment-is-fenced-with-its-metadata"
        ),
        pytest.param(
            [lambda consumer: consumer.give(0), lambda consumer: setattr(consumer, "epoch", 2)],
            ("member-1", 1),
            id="X10-the-metadata-of-the-assignment-are-kept-though-the-group-has-gone-on",
        ),
        pytest.param(
            [lambda consumer: setattr(consumer, "member_id", ""), lambda consumer: consumer.give(0)],
            NOBODY,
            id="X10-an-empty-member-id-is-refused",
        ),
        pytest.param(
            [lambda consumer: consumer.give(0), lambda consumer: consumer.take()],
            NOBODY,
            id="X10-revoked-partitions-take-the-metadata-with-them",
        ),
        pytest.param(
            [lambda consumer: consumer.give(0), lambda consumer: consumer.take("on_lost")],
            NOBODY,
            id="X10-lost-partitions-take-the-metadata-with-them",
        ),
        pytest.param(
            [
                lambda consumer: consumer.give(0),
                lambda consumer: setattr(consumer, "epoch", 2),
                lambda consumer: consumer.give(0, 1),
            ],
            ("member-1", 2),
            id="X10-a-new-assignment-has-its-own-metadata",
        ),
    ],
)
def test_what_a_members_offsets_are_fenced_with(
    joined: Joined, happens: list[Callable[[ScriptedConsumer], None]], expected: object
) -> None:
    for step in happens:
        step(joined.consumer)
    assert metadata_of(joined.member) == expected


def test_nothing_is_fetched_before_it_is_known_from_where(joined: Joined) -> None:
    joined.consumer.give(0, 1)
    assert joined.member.assigned == {("in", 0), ("in", 1)}
    assert joined.consumer.assigned == []
    joined.member.fetch_from({("in", 1): 7})
    assert [(each.partition, each.offset) for each in joined.consumer.assigned] == [(1, 7)]


def test_every_change_of_hands_is_a_new_generation(joined: Joined) -> None:
    joined.consumer.give(0)
    joined.consumer.take()
    joined.consumer.give(0)
    assert joined.member.generation == 3


def test_a_consumer_that_gets_no_answer_twice_is_replaced_and_its_membership_is_over(joined: Joined) -> None:
    first = joined.consumer
    first.give(0)
    first.silent = True
    for _ in range(2):
        with pytest.raises(BrokerUnavailableError, match="cannot read the committed offsets: _TIMED_OUT"):
            joined.member.committed([("in", 0)])
    assert len(joined.consumers) == 2
    assert (joined.member.assigned, metadata_of(joined.member)) == (frozenset(), NOBODY)
    joined.consumer.give(1)
    first.member_id = ""
    first.give(0)  # the old one is closed beside it, and says late what it was given, and that it has left
    first.take()
    assert joined.member.assigned == {("in", 1)}
    assert metadata_of(joined.member) == ("member-1", 1)
    assert joined.left_for.get(timeout=30) == "member-1"


def test_one_answer_in_between_keeps_the_consumer(joined: Joined) -> None:
    for silent in (True, False, True):
        joined.consumer.silent = silent
        if silent:
            with pytest.raises(BrokerUnavailableError):
                joined.member.committed([("in", 0)])
        else:
            assert [each.offset for each in joined.member.committed([("in", 0)])] == [7]
    assert len(joined.consumers) == 1


def test_x07_whoever_remembers_a_member_is_told_its_id_and_that_it_has_left() -> None:
    told: list[str] = []
    consumer = ScriptedConsumer()
    member = GroupMember(lambda: cast("Consumer", consumer), ["in"], told.append, told.append)
    consumer.give(0)
    consumer.take()
    consumer.member_id = "member-2"
    consumer.give(0, 1)
    assert told == ["member-1", "member-2"]
    member.close()
    assert told == ["member-1", "member-2", ""]
