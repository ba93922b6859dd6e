"""Starts and stops one look at a cluster's loop; Ctrl-C at any time."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    ConnectionSettingsError,
    LoginRefusedError,
    MechanismNotOfferedError,
)
from streamwarden_kafka.wire.reach import reach
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.adapters.kubernetes.resource_types import KINDS
from streamwarden_operator.errors import KubeconfigError, OperatorError

from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.local.state import StateError, StateFolder
from streamwarden_cli.session.interrupts import log_to, run_interruptibly, to_the_end
from streamwarden_cli.session.options import SessionError
from streamwarden_cli.session.screen import open_screen
from streamwarden_cli.session.session import Session, Timing
from streamwarden_cli.watch.loop import ClusterLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamwarden_kafka.connection import Connection

    from streamwarden_cli.session.screen import Screen
    from streamwarden_cli.watch.options import WatchOptions


_TIMEOUT_S = 10.0
"""Longest wait for one answer of the API server."""
_KAFKA_S = 30.0
"""Longest wait for the first answer of Kafka."""


def run_watch(options: WatchOptions) -> ExitCode:
    """Watch until idle, Ctrl-C or a failure; returns the exit code."""
    state = StateFolder(options.folder)
    os.umask(0o077)
    try:
        configuration = asyncio.run(load_configuration(options.context))  # before anything is made in the folder
        connect = partial(KubernetesClient, configuration, timeout_s=_TIMEOUT_S)
        with state.locked():
            state.prepare()
            with (state.logs / "watch.log").open("a", encoding="utf-8") as log:
                log_to(log)
                return asyncio.run(_watch(options, state, connect))
    except (StateError, KubeconfigError) as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return ExitCode.USAGE if isinstance(error, KubeconfigError) else ExitCode.FAILED


async def _watch(options: WatchOptions, state: StateFolder, connect: Callable[[], KubernetesClient]) -> ExitCode:
    # It has no manifests to make, as it changes nothing.
    cluster = KubernetesCluster(connect(), lambda _: (), namespaces=options.namespaces, resources=KINDS)
    screen = open_screen(Console())
    return await run_interruptibly(
        lambda: _session(options, state, screen, cluster), screen, (SessionError, OperatorError, StateError)
    )


async def _session(options: WatchOptions, state: StateFolder, screen: Screen, cluster: KubernetesCluster) -> None:
    started = time.monotonic()
    loop = ClusterLoop(options, state, screen, cluster)
    try:
        await loop.start()
        await reach_kafka(options.kafka, screen)
        await Session(options, state, screen, loop, Timing(started)).run()
    finally:
        await to_the_end(loop.stop())


async def reach_kafka(connection: Connection, screen: Screen, patience_s: float = _KAFKA_S) -> None:
    """Have Kafka answer once: whoever reads it later waits for ever, and shows figures that are none.

    Raises:
        SessionError: it does not answer, or refuses the login; says which settings to look at.
    """

    def wait(why: str) -> None:
        screen.say(f"waiting for Kafka: {why}", problem=True)

    try:
        await reach(connection, "streamwarden-watch", patience_s=patience_s, waits=wait)
    except ConnectionSettingsError:
        return  # of librdkafka alone: what it comes to is shown as it comes
    except (LoginRefusedError, MechanismNotOfferedError) as error:
        look = "sasl.username, sasl.password and sasl.mechanism"
        raise SessionError(f"{error}. Look at {look} in the file that --kafka names") from error
    except BrokerUnavailableError as error:
        look = "bootstrap.servers and security.protocol"
        raise SessionError(f"{error}. Look at {look} in the file that --kafka names") from error
