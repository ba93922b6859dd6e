"""Where people order what is to become of things that the inventory has, or has lost."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ordered:
    """A request as it was found, and the answer beside it."""

    request: str
    """Its JSON; empty where there is none."""
    answer: str
    """The last answer's JSON; empty where there is none."""
    version: str
    """Of the object that has both."""


class InventoryRequests(Protocol):
    """One place, which only who administers the operator's own namespace can write."""

    async def read(self) -> Ordered | None:
        """Return what stands there; None where there is nothing."""
        ...

    async def answer(self, ordered: Ordered, answer: str) -> None:
        """Write an answer beside the request that was read.

        Raises:
            ConflictError: somebody has written there meanwhile; read again.
        """
        ...
