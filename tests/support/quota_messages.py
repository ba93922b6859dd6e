"""Kafka's messages about client quotas, version 0, written from the published format and not with our own code."""

from __future__ import annotations

import struct
from typing import Any

ALTER, DESCRIBE = 49, 48
NOT_ALLOWED, NOT_CONTROLLER, INVALID_REQUEST = 31, 41, 42

VERSIONS = {ALTER: (0, 1), DESCRIBE: (0, 1)}
"""That brokers speak, by key."""


def string(text: str | None) -> bytes:
    """Kafka's STRING and NULLABLE_STRING."""
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()


def array(*items: bytes) -> bytes:
    return struct.pack(">i", len(items)) + b"".join(items)


def operation(key: str, value: float, *, remove: bool) -> bytes:
    return string(key) + struct.pack(">d?", value, remove)


def quota(key: str, value: float) -> bytes:
    return array(string(key) + struct.pack(">d", value))


def user(name: str | None) -> bytes:
    return array(string("user") + string(name))


class Broker:
    """Encodes what it is asked, and decodes its answer from bytes, as a connection does."""

    versions = VERSIONS

    def __init__(self, *answers: bytes) -> None:
        self._answers = iter(answers)
        self.asked: list[tuple[int, int, bytes]] = []

    async def any_broker(self) -> Broker:
        return self

    async def ask(self, request: Any) -> Any:
        made = request.prepare(self.versions)
        self.asked.append((made.API_KEY, made.API_VERSION, made.encode()))
        return made.RESPONSE_TYPE.decode(next(self._answers))


def altered(code: int = 0, message: str | None = None) -> bytes:
    """AlterClientQuotasResponse, version 0."""
    return struct.pack(">i", 0) + array(struct.pack(">h", code) + string(message) + user("risk.guard.agent"))


def described(*entries: bytes, code: int = 0, message: str | None = None) -> bytes:
    """DescribeClientQuotasResponse, version 0; Kafka's array of entries may be null."""
    return struct.pack(">ih", 0, code) + string(message) + (array(*entries) if code == 0 else struct.pack(">i", -1))
