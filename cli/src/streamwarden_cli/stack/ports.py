"""Free ports for servers that other processes reconnect to."""

from __future__ import annotations

import random
import socket

_RANGE = range(15_000, 30_000)
"""Below every system's ephemeral range. A client that reconnects to a dead server's port inside that range
can be given the very same port as its own and connect to itself; then the server cannot come back."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As the JVM does: a port in TIME_WAIT counts as free, one that is listened on does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> tuple[int, ...]:
    """Find different free ports. Another process may take one before we do: be ready to ask again."""
    order = random.SystemRandom().sample(_RANGE, len(_RANGE))
    free = (port for port in order if is_free(port))
    return tuple(next(free) for _ in range(count))
