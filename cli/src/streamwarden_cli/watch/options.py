"""What ``streamwarden watch`` was asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamwarden_cli.session.options import SessionOptions

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_kafka.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions(SessionOptions):
    """The options of one run of ``watch``."""

    folder: Path
    """Where its state lies and producers run."""
    kafka: Connection
    """Of somebody who may read every topic, as the operator."""
    context: str = ""
    """The kubeconfig's context; empty: the current one."""
    namespaces: frozenset[str] = frozenset()
    """Where to look; empty: everywhere."""
    make_users: bool = False
    """Make Kafka users for the principals that contracts name in ``access``, as ``dev`` does."""
