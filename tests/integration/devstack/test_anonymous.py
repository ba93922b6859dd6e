"""A connection that skips authentication is closed at its first request, on every listener."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.stack_fixture import RunningStack


def request(api_key: int, api_version: int, body: bytes) -> bytes:
    """A Kafka request with header version 1 and the client id ``t``."""
    message = struct.pack(">hhih", api_key, api_version, 1, 1) + b"t" + body
    return struct.pack(">i", len(message)) + message


METADATA_OF_ALL_TOPICS = request(3, 1, struct.pack(">i", -1))
PRODUCE_NOTHING = request(0, 3, struct.pack(">hhii", -1, 1, 1000, 0))
FETCH_THE_METADATA_LOG = request(1, 4, struct.pack(">iiiibi", -1, 100, 0, 1000, 0, 0))


@pytest.mark.parametrize("listener", ["client", "controller"])
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(METADATA_OF_ALL_TOPICS, id="metadata"),
        pytest.param(PRODUCE_NOTHING, id="produce"),
        pytest.param(FETCH_THE_METADATA_LOG, id="fetch"),
    ],
)
def test_a_request_before_authentication_is_answered_by_closing(
    stack: RunningStack, listener: str, first: bytes
) -> None:
    host, _, port = (stack.bootstrap_servers if listener == "client" else stack.controller_address).partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(first)
        assert connection.recv(1) == b""
