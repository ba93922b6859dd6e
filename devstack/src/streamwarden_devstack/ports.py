"""Free ports for servers that other processes reconnect to."""

from __future__ import annotations

import random
import socket

_RANGE = range(15_000, 30_000)
"""Below every system's ephemeral range. A client that reconnects to a dead server's port inside that range
can be given the very same port as its own and connect to itself; then the server cannot come back."""


LOOPBACK = "127.0.0.1"

PORT_RACES = 5
"""So often another process may be quicker on a port we found free."""


def is_free(port: int, address: str = LOOPBACK) -> bool:
    """Whether a server could listen on this port of this machine's address now."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        # As the JVM does: a port in TIME_WAIT counts as free, one that is listened on does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def host_port(address: str, port: int) -> str:
    """Write a port of an address as URLs and Kafka's clients read it: IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def free_ports(count: int, address: str = LOOPBACK) -> tuple[int, ...]:
    """Find different free ports. Another process may take one before we do: be ready to ask again."""
    order = random.SystemRandom().sample(_RANGE, len(_RANGE))
    free = (port for port in order if is_free(port) and is_free(port, address))
    return tuple(next(free) for _ in range(count))
