"""A port that writes down which of its methods were called, and passes every call on."""

from __future__ import annotations

from typing import Any


class Recording:
    """Stands for ``port``; ``calls`` has the names of the methods called, in order."""

    def __init__(self, port: object) -> None:
        self._port = port
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        async def recorded(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            return await method(*args, **options)

        return recorded
