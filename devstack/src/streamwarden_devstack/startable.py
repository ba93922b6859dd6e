"""Servers that run as long as a block does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Startable(ABC):
    """Started when ``async with`` is entered, and stopped when it is left."""

    @abstractmethod
    async def start(self) -> None:
        """Start; returns once it can be used, and raises where it cannot, with nothing left running."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop. Idempotent."""

    async def __aenter__(self) -> Self:
        """Start; it can be used inside the block."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()
