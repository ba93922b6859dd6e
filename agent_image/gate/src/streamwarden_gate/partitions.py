"""Where a gate stands in each decision partition that it owns. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamwarden_contract.audit import ChainError, ChainHead, parse_metadata

from streamwarden_gate.active import ActiveSet
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason


@dataclass(frozen=True, slots=True)
class Place:
    """A position and the head of the audit chain there: what one offset commit holds."""

    position: int
    """Offset of the next record."""
    head: ChainHead
    topic_id: str
    """Of the decision topic."""

    @property
    def metadata(self) -> str:
        """What is committed with the position."""
        return self.head.metadata(self.topic_id, self.position)


class Partition:
    """One decision partition: the last commit, and what is added to it by the transaction at hand."""

    __slots__ = ("committed", "head", "number", "position")

    def __init__(self, number: int, place: Place) -> None:
        self.number = number
        self.committed = place
        self.position = place.position
        self.head = place.head

    @property
    def place(self) -> Place:
        """Where judging stands: what the next transaction commits."""
        return Place(self.position, self.head, self.committed.topic_id)

    @property
    def changed(self) -> bool:
        """Whether there is something to commit."""
        return self.place != self.committed

    def commit(self, place: Place) -> None:
        """Take over what a transaction committed; judging may be further already."""
        self.committed = place

    def count_try(self) -> None:
        """Say that a process died of what is next."""
        self.head = self.head.tried()

    def reach(self, offset: int) -> None:
        """Go on to the end of the partition: transaction markers count, and what was tried lies before it."""
        if offset > self.position:
            self.position, self.head = offset, self.head.untried()

    def rewind(self) -> None:
        """Go back to the last commit."""
        self.position, self.head = self.committed.position, self.committed.head


def place_of(number: int, offset: int, metadata: str | None, active: ActiveSet) -> Place | Refusal:
    """Read a committed offset, or say why the partition must not be judged.

    Args:
        number: the partition.
        offset: the committed offset; negative where there is none.
        metadata: what was committed with it.
        active: the set that would judge. The partition may have been judged by a newer one already: by a gate that
            read the log sooner, or under a log that has been lost since.
    """
    if offset < 0:
        return Refusal(RefusalReason.OFFSETS_LOST, f"decision partition {number} has no committed offset")
    topic_id = active.binding.decision_topic.topic_id
    try:
        head = parse_metadata(metadata, topic_id=topic_id, offset=offset)
    except ChainError as error:
        return Refusal(RefusalReason.CHAIN_LOST, f"decision partition {number}: {error}")
    if head.namespace_epoch > active.namespace_epoch or head.guardrail_epoch > active.guardrail_epoch:
        return Refusal(
            RefusalReason.ROLLED_BACK,
            f"decision partition {number} was judged under the epochs {head.namespace_epoch} and "
            f"{head.guardrail_epoch}; the policy log has {active.namespace_epoch} and {active.guardrail_epoch}",
        )
    return Place(offset, head, topic_id)


def advance_epochs(partitions: Iterable[Partition], active: ActiveSet) -> bool:
    """Put every head under the epochs of the set, and tell whether one was not: that is committed before a verdict."""
    epochs, advanced = (active.namespace_epoch, active.guardrail_epoch), False
    for partition in partitions:
        head = partition.head
        if (head.namespace_epoch, head.guardrail_epoch) != epochs:
            partition.head, advanced = head.under(namespace_epoch=epochs[0], guardrail_epoch=epochs[1]), True
    return advanced
