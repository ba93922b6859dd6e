"""``streamwarden stack``: a real Kafka and schema registry on this machine, without Docker."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from streamwarden_devstack.stack.background import Background, State

app = typer.Typer(no_args_is_help=True, help="A real Kafka and schema registry on this machine, without Docker.")

_READY_TIMEOUT_S = 300.0
_DEFAULT_FOLDER = Path(".streamwarden/stack")

Folder = Annotated[
    Path, typer.Option("--state-dir", file_okay=False, help="Where data, logs and the operator's password are kept.")
]


class Output(StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"


@app.command()
def up(
    folder: Folder = _DEFAULT_FOLDER,
    *,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in the terminal until Ctrl-C.")] = False,
    registry: Annotated[bool, typer.Option(help="With the schema registry.")] = True,
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Go on with the topics of the last time.")] = False,
    address: Annotated[
        str, typer.Option(help="Listen on this address of the machine, as for pods of 'streamwarden cluster up'.")
    ] = "127.0.0.1",
) -> None:
    """Start the stack, or find that it runs; returns once Kafka and registry answer."""
    from streamwarden_devstack.stack.background import Background
    from streamwarden_devstack.stack.errors import StackError

    background = Background(folder)
    try:
        if foreground:
            _keep(background, registry=registry, keep_data=keep_data, address=address)
        else:
            _report(background, _ensure(background, registry=registry, keep_data=keep_data, address=address))
    except StackError as error:
        _fail(error)


@app.command()
def down(folder: Folder = _DEFAULT_FOLDER) -> None:
    """Stop the stack. Its files stay until the next start."""
    from streamwarden_devstack.stack.background import Background
    from streamwarden_devstack.stack.errors import StackError

    try:
        stopped = Background(folder).stop()
    except StackError as error:
        _fail(error)
    typer.echo("stopped" if stopped else "no stack runs here")


@app.command()
def status(
    folder: Folder = _DEFAULT_FOLDER,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TEXT,
) -> None:
    """Ask both servers whether they answer; the exit code is 0 when they do, else 1."""
    from streamwarden_devstack.stack.background import Background
    from streamwarden_devstack.stack.health import check

    health = asyncio.run(check(Background(folder)))
    if output is Output.JSON:
        typer.echo(json.dumps(dataclasses.asdict(health) | {"healthy": health.healthy}, indent=2))
    else:
        typer.echo(health.describe())
    raise typer.Exit(0 if health.healthy else 1)


def _ensure(background: Background, *, registry: bool, keep_data: bool, address: str) -> State:
    from rich.console import Console
    from streamwarden_devstack.stack import ConsoleReporter, Stack

    console = Console(stderr=True)
    if (pid := background.pid()) is not None:
        return background.await_ready(lambda: background.pid() != pid, _READY_TIMEOUT_S)
    # Here and not in the background, so that a person sees the progress, and Ctrl-C ends it.
    asyncio.run(Stack(background.folder, registry=registry, reporter=ConsoleReporter(console)).download())
    with console.status("starting Kafka" + (" and the schema registry" if registry else "")):
        process = background.spawn(registry=registry, keep_data=keep_data, address=address)
        try:
            return background.await_ready(lambda: process.poll() is not None, _READY_TIMEOUT_S)
        except BaseException:
            # Also Ctrl-C: what is not up is not left half up.
            background.stop()
            raise


def _keep(background: Background, *, registry: bool, keep_data: bool, address: str) -> None:
    from rich.console import Console
    from streamwarden_devstack.stack import ConsoleReporter
    from streamwarden_devstack.stack.keeper import Wanted, keep

    def ready(state: State) -> None:
        _report(background, state)
        typer.echo("Ctrl-C stops it.")

    asyncio.run(keep(background, Wanted(registry, keep_data, ConsoleReporter(Console(stderr=True)), address, ready)))


def _report(background: Background, state: State) -> None:
    rows = {
        "Kafka": state.bootstrap_servers,
        "schema registry": state.registry_url or "none",
        "operator": f"{background.client_properties} (librdkafka: {background.librdkafka_properties})",
    }
    for name, value in rows.items():
        typer.echo(f"{name:<16} {value}")


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)
