"""The process that keeps a stack's servers until it is told to end: in the background, or in a terminal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich.console import Console
from streamwarden_kafka.connection import ClientFormat
from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.ports import LOOPBACK
from streamwarden_devstack.stack.background import Background, Settings, State, try_lock
from streamwarden_devstack.stack.brokers.identity import KafkaOptions
from streamwarden_devstack.stack.errors import StackError
from streamwarden_devstack.stack.reporting import ConsoleReporter, Reporter
from streamwarden_devstack.stack.running import Stack
from streamwarden_devstack.stack.versions import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOCK_ATTEMPTS = 20
"""Somebody who looks whether we run holds the lock for a moment."""
_LOCK_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to keep, and whom to tell."""

    settings: Settings
    reporter: Reporter
    on_ready: Callable[[State], None] = lambda _: None


async def keep(background: Background, wanted: Wanted) -> None:
    """Start the servers, and keep them until SIGTERM or SIGINT.

    Raises:
        StackError: Another process keeps a stack in this folder, or the servers do not come up.
    """
    private_folder(background.folder)
    with background.lock.open("a+") as file:
        await _take(file, background)
        background.say(State("starting"))
        keeping = asyncio.create_task(_keep(background, wanted))
        ended = asyncio.Event()
        ending = asyncio.create_task(ended.wait())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await asyncio.wait((keeping, ending), return_when=asyncio.FIRST_COMPLETED)
        # Once: a second Ctrl-C must not interrupt the stopping.
        keeping.cancel()
        ending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


async def _keep(background: Background, wanted: Wanted) -> None:
    settings = wanted.settings
    stack = Stack(
        background.folder,
        kafka=settings.kafka,
        registry=settings.registry,
        reporter=wanted.reporter,
        keep_data=settings.keep_data,
        address=settings.address,
    )
    try:
        wanted.on_ready(await _start(stack, background, wanted))
        await asyncio.Event().wait()
    except StackError as error:
        background.say(State("failed", error=str(error)))
        raise
    finally:
        await stack.stop()


async def _take(file: IO[str], background: Background) -> None:
    for _ in range(_LOCK_ATTEMPTS):
        if try_lock(file):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return
        await asyncio.sleep(_LOCK_PAUSE_S)
    raise StackError(f"a stack runs in {background.folder} already; end it with 'streamwarden stack down'")


async def _start(stack: Stack, background: Background, wanted: Wanted) -> State:
    await stack.start()
    write_private(background.librdkafka_properties, stack.operator.render())
    write_private(background.client_properties, stack.operator.render(ClientFormat.JAVA))
    settings = wanted.settings
    if settings.registry:
        await stack.registry_ready()
    state = State(
        phase="ready",
        registry=settings.registry,
        bootstrap_servers=stack.bootstrap_servers,
        registry_url=stack.registry_url if settings.registry else "",
        plain_bootstrap_servers=stack.plain_operator.bootstrap_servers if settings.kafka.tls else "",
        kafka=settings.kafka.version,
        brokers=settings.kafka.brokers,
        seconds=stack.seconds,
    )
    background.say(state)
    return state


def parse_arguments(arguments: Sequence[str] | None = None) -> tuple[Path, Settings]:
    """Read what :meth:`Settings.arguments` says, after the folder; the process's own by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--registry", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--keep-data", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--address", default=LOOPBACK)
    parser.add_argument("--kafka", default=DEFAULT)
    parser.add_argument("--brokers", type=int, default=1)
    asked = parser.parse_args(arguments)
    kafka = KafkaOptions(asked.kafka, asked.brokers, asked.tls)
    return asked.folder, Settings(kafka, asked.registry, asked.keep_data, asked.address)


def main() -> None:
    """Keep the stack that the arguments name; what there is to say goes to stdout."""
    folder, settings = parse_arguments()
    console = Console(force_terminal=False, width=200)
    try:
        asyncio.run(keep(Background(folder), Wanted(settings, ConsoleReporter(console))))
    except StackError as error:
        console.print(str(error), highlight=False, markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
