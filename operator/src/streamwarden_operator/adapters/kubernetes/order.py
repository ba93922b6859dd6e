"""Which of two states of an object is the older: by their resource versions, or by when they were asked for. No I/O.

Since Kubernetes 1.35 resource versions are numbers that may be compared. Before, only their equality means anything:
what a watch says may be older than what is known, and nobody can tell. So nothing is taken from there: the object is
listed again, and what was asked for after something was last taken in is newer than that.
"""

import re
from typing import Protocol

COMPARABLE_SINCE = (1, 35)
"""The first version of Kubernetes whose resource versions may be compared."""
OLDEST = (1, 33)
"""The first version of Kubernetes that the operator works with."""


class Order(Protocol):
    """Places for states of one object: the higher one is the later."""

    compares: bool
    """Whether what a watch says can be placed."""

    def asked(self) -> int:
        """Say that a request is about to be sent; what it brings is placed by what this returns."""
        ...

    def of(self, version: str, asked: int) -> int:
        """Return the place of a state with this ``resourceVersion`` in the answer to a request."""
        ...

    def taken(self, place: int) -> int:
        """Return the place at which a state is kept that is taken in now."""
        ...


class ByVersion:
    """Resource versions are compared as numbers; when somebody asked does not count."""

    compares = True

    def asked(self) -> int:
        """Count nothing."""
        return 0

    def of(self, version: str, asked: int) -> int:  # noqa: ARG002  # the protocol's
        """Return the number that the version is."""
        return int(version)

    def taken(self, place: int) -> int:
        """Keep it."""
        return place


class ByAsking:
    """Resource versions are words. What nobody asked for (a watch's) has the place 0: it is older than anything."""

    compares = False

    def __init__(self) -> None:
        self._now = 0

    def asked(self) -> int:
        """Return a moment of its own."""
        self._now += 1
        return self._now

    def of(self, version: str, asked: int) -> int:  # noqa: ARG002  # the protocol's
        """Return when it was asked for: the server answers with a state that is no older."""
        return asked

    def taken(self, place: int) -> int:  # noqa: ARG002  # the protocol's
        """Return a moment after all that was asked for until now: whether such an answer is newer cannot be told."""
        return self.asked()


def version_of(major: str, minor: str) -> tuple[int, int] | None:
    """Read what ``/version`` says (``1`` and ``34+``, with some vendors); None where it says nothing."""
    found = [re.match(r"\d+", part) for part in (major, minor)]
    return (int(found[0].group()), int(found[1].group())) if found[0] and found[1] else None


def order_for(version: tuple[int, int] | None) -> Order:
    """Return how states are ordered on this version of Kubernetes; on an unknown one nothing is compared."""
    return ByVersion() if version is not None and version >= COMPARABLE_SINCE else ByAsking()
