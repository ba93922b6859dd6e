"""``streamwarden stack``: a real Kafka and schema registry on this machine, without Docker."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.printing import Output, Printed
from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from streamwarden_devstack.stack.background import Background, Settings, State

app = typer.Typer(no_args_is_help=True, help="A real Kafka and schema registry on this machine, without Docker.")

_READY_TIMEOUT_S = 300.0
_DEFAULT_FOLDER = Path(".streamwarden/stack")

Folder = Annotated[
    Path, typer.Option("--state-dir", file_okay=False, help="Where data, logs and the operator's password are kept.")
]


class _Asked(NamedTuple):
    """What was said of a stack; None where nothing was."""

    kafka: str | None
    brokers: int | None
    tls: bool | None
    registry: bool | None
    address: str | None


Address = Annotated[
    str | None,
    typer.Option(
        help="Listen on this address of the machine, as for pods of 'streamwarden cluster up'; else on 127.0.0.1."
    ),
]


@app.command()
def up(  # noqa: PLR0913  # one parameter an option
    folder: Folder = _DEFAULT_FOLDER,
    *,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in the terminal until Ctrl-C.")] = False,
    kafka: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Which Kafka: 3.9, 4.0, 4.3 (where nothing is said) or 4.4.")
    ] = None,
    brokers: Annotated[
        int | None,
        typer.Option(help="1 (where nothing is said), or 3 with replication factor 3 and min.insync.replicas 2."),
    ] = None,
    tls: Annotated[
        bool | None,
        typer.Option("--tls", help="With a TLS listener beside the plain one, and its certificate's authority."),
    ] = None,
    registry: Annotated[
        bool | None, typer.Option(help="With the schema registry, which is so where nothing is said.")
    ] = None,
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Go on with the topics of the last time.")] = False,
    address: Address = None,
) -> None:
    """Start the stack, or find that it runs; returns once Kafka and registry answer.

    Users log in with SCRAM on every listener, and nobody may do anything that no ACL allows,
    but the operator: its client configuration is written below the folder, for Java and for librdkafka.

    \b
    streamwarden stack up                      one broker and the registry
    streamwarden stack up --brokers 3 --tls    one may be killed, and clients use TLS
    streamwarden stack up --kafka 3.9 --no-registry
    streamwarden stack status
    streamwarden stack down
    """  # noqa: D301  # \b is click's mark of a paragraph that keeps its lines
    from streamwarden_devstack.ports import LOOPBACK
    from streamwarden_devstack.stack import KafkaOptions
    from streamwarden_devstack.stack.background import Background, Settings
    from streamwarden_devstack.stack.errors import StackError
    from streamwarden_devstack.stack.versions import DEFAULT

    options = KafkaOptions(DEFAULT if kafka is None else kafka, 1 if brokers is None else brokers, bool(tls))
    try:
        options.check()
    except StackError as error:
        raise typer.BadParameter(str(error)) from error
    background = Background(folder)
    settings = Settings(options, registry is not False, keep_data, address or LOOPBACK)
    asked = _Asked(kafka, brokers, tls, registry, address)
    try:
        if foreground:
            _keep(background, settings)
        else:
            state = _ensure(background, settings)
            _demand_same(state, asked)
            _report(background, state)
    except StackError as error:
        fail(error)


@app.command()
def down(folder: Folder = _DEFAULT_FOLDER) -> None:
    """Stop the stack. Its files stay until the next start."""
    from streamwarden_devstack.stack.background import Background
    from streamwarden_devstack.stack.errors import StackError

    try:
        stopped = Background(folder).stop()
    except StackError as error:
        fail(error)
    typer.echo("stopped" if stopped else "no stack runs here")


@app.command()
def status(
    folder: Folder = _DEFAULT_FOLDER,
    output: Printed = Output.TEXT,
) -> None:
    """Ask both servers whether they answer; the exit code is 0 when they do, else 1."""
    from streamwarden_devstack.stack.background import Background
    from streamwarden_devstack.stack.health import check

    health = asyncio.run(check(Background(folder)))
    if output is Output.JSON:
        typer.echo(json.dumps(dataclasses.asdict(health) | {"healthy": health.healthy}, indent=2))
    else:
        typer.echo(health.describe())
    raise typer.Exit(ExitCode.DONE if health.healthy else ExitCode.FAILED)


def _ensure(background: Background, settings: Settings) -> State:
    from rich.console import Console
    from streamwarden_devstack.stack import ConsoleReporter, Stack

    console = Console(stderr=True)
    if (pid := background.pid()) is not None:
        return background.await_ready(lambda: background.pid() != pid, _READY_TIMEOUT_S)
    # Here and not in the background, so that a person sees the progress, and Ctrl-C ends it.
    stack = Stack(
        background.folder, kafka=settings.kafka, registry=settings.registry, reporter=ConsoleReporter(console)
    )
    asyncio.run(stack.download())
    with console.status("starting Kafka" + (" and the schema registry" if settings.registry else "")):
        process = background.spawn(settings)
        try:
            return background.await_ready(lambda: process.poll() is not None, _READY_TIMEOUT_S)
        except BaseException:
            # Also Ctrl-C: what is not up is not left half up.
            background.stop()
            raise


def _demand_same(state: State, asked: _Asked) -> None:
    """Refuse a stack that runs already, and is another than was asked for."""
    from streamwarden_devstack.stack.errors import StackError

    address = state.bootstrap_servers.partition(",")[0].rpartition(":")[0].strip("[]")
    runs = _Asked(state.kafka, state.brokers, bool(state.plain_bootstrap_servers), state.registry, address)
    if any(wanted not in {None, found} for wanted, found in zip(asked, runs, strict=True)):
        tls, registry = ("with" if there else "without" for there in (runs.tls, runs.registry))
        raise StackError(
            f"a stack of Kafka {state.kafka}, {state.brokers} broker(s), {tls} TLS, {registry} registry, on {address} "
            f"runs here already; end it with 'streamwarden stack down', or name another folder with --state-dir"
        )


def _keep(background: Background, settings: Settings) -> None:
    from rich.console import Console
    from streamwarden_devstack.stack import ConsoleReporter
    from streamwarden_devstack.stack.keeper import Wanted, keep

    def ready(state: State) -> None:
        _report(background, state)
        typer.echo("Ctrl-C stops it.")

    asyncio.run(keep(background, Wanted(settings, ConsoleReporter(Console(stderr=True)), ready)))


def _report(background: Background, state: State) -> None:
    rows = {
        "Kafka": state.bootstrap_servers,
        **({"without TLS": state.plain_bootstrap_servers} if state.plain_bootstrap_servers else {}),
        "schema registry": state.registry_url or "none",
        "operator": f"{background.client_properties} (librdkafka: {background.librdkafka_properties})",
    }
    for name, value in rows.items():
        typer.echo(f"{name:<16} {value}")
