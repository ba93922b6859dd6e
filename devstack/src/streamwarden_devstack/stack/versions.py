"""The versions of Kafka that the stack runs, by name; each has a set of its own in ``jars.lock``."""

from __future__ import annotations

from streamwarden_devstack.stack.errors import StackError

KAFKAS = {"3.9": "3.9.2", "4.0": "4.0.2", "4.3": "4.3.1", "4.4": "4.4.0"}
"""A minor version and the release it stands for."""
DEFAULT = "4.3"


def kafka_set(minor: str) -> str:
    """Name the lock's set of jars for a minor version, as in ``4.3``.

    Raises:
        StackError: There is none. The message names those there are.
    """
    if minor not in KAFKAS:
        raise StackError(f"no Kafka {minor} here; there are {', '.join(KAFKAS)}")
    return f"kafka-{minor}"
