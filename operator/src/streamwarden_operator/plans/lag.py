"""What a group has left of one partition, from a handful of offsets. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets that are not processed: from ``begin`` up to, and without, ``end``. Some of them may hold no record."""

    begin: int
    end: int

    @property
    def offsets(self) -> int:
        """How many there are."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group stands in a partition."""

    committed: int | None
    """None: the group has committed nothing."""
    end: int
    """What a read_committed reader can reach: records of open transactions are beyond it."""

    @property
    def is_plain(self) -> bool:
        """Whether the group stands at the end, so that nothing else needs to be known."""
        return self.committed == self.end

    @property
    def is_beyond(self) -> bool:
        """Whether the committed offset lies behind the end: of an open transaction, or of an earlier topic."""
        return self.committed is not None and self.committed > self.end


def span_of(place: Place, *, low: int, high: int, earliest: bool) -> Span | None:
    """Return what the group has left; None where nobody can tell.

    Args:
        place: where the group stands.
        low: the partition's first offset: what lay before it is deleted, and nobody can be behind with it. Of meaning
            only where the place is not plain.
        high: the end of the partition, open transactions included. Of meaning only where the place is beyond.
        earliest: whether the group begins at ``low`` where it has no usable offset. One beyond ``high`` is of a topic
            that was deleted and made again; one between the two ends is a read_uncommitted reader's, who is ahead.
    """
    if place.committed is not None and not place.is_beyond:
        return Span(max(place.committed, min(low, place.end)), place.end)
    if place.committed is not None and place.committed <= high:
        return Span(place.end, place.end)
    return Span(min(low, place.end), place.end) if earliest else None
