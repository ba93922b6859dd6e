"""``streamwarden audit``: what the gates of a namespace have written down, looked at by somebody else."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.kafka_access import DevFolder, KafkaFile, kafka_connection
from streamwarden_cli.commands.printing import Output, Printed
from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

app = typer.Typer(no_args_is_help=True, help="What gates have written down: whether it is whole.")

_SILENT_S = 1.0
"""What takes no longer shows no progress."""


@app.callback()
def _root() -> None:
    """What gates have written down: whether it is whole."""


@app.command()
def verify(  # one parameter an option
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace", "-n", help="Whose audit topic to read. With --dir: where left out, that of dev's agents."
        ),
    ] = "",
    kafka: KafkaFile = None,
    folder: DevFolder = None,
    agent: Annotated[str, typer.Option(help="Look at this agent only.")] = "",
    *,
    heads: Annotated[
        bool, typer.Option(help="Compare with what gates have committed: without it a cut-off end is not seen.")
    ] = True,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Compare with the decision topics: each committed decision, once.")
    ] = False,
    output: Printed = Output.TEXT,
) -> None:
    """Check that the audit chains of a namespace are whole; exit code 0 only when all was checked and nothing is wrong.

    The principal needs READ on the topic NAMESPACE.streamwarden.audit; DESCRIBE on the decision topics and on the
    groups NAMESPACE.AGENT.gate, for what gates have committed; for --decisions READ on the decision topics.
    What it may not read is said as "not checked". It reads to the ends of now, joins no group and writes nothing.
    """
    import structlog

    from streamwarden_cli.audit.source import AuditReadError
    from streamwarden_cli.audit.verifying import Wanted, verify

    if not namespace and folder is None:
        raise typer.BadParameter("Missing option '--namespace': it may be left out with --dir only")
    _check_names(namespace, agent)
    if decisions and not heads:
        raise typer.BadParameter("needs what gates have committed: leave --no-heads out", param_hint="--decisions")
    connection = kafka_connection(kafka, folder)
    # What clients say of their connections is no part of the output; what matters of it becomes an error.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    wanted = Wanted(
        namespace=namespace or _only_namespace(folder or Path()), agent=agent, heads=heads, decisions=decisions
    )
    try:
        with _progress() as progress:
            report = verify(connection, wanted, progress)
    except AuditReadError as error:
        fail(error)
    if output is Output.JSON:
        typer.echo(report.to_json())
    else:
        for line in report.lines():
            typer.echo(line)
    raise typer.Exit(ExitCode.DONE if report.whole else ExitCode.FAILED)


def _check_names(namespace: str, agent: str) -> None:
    from streamwarden_contract.errors import NameNotAllowedError
    from streamwarden_contract.names import check_agent_name, check_namespace

    try:
        if namespace:
            check_namespace(namespace)
        if agent:
            check_agent_name(agent)
    except NameNotAllowedError as error:
        raise typer.BadParameter(str(error)) from error


def _only_namespace(folder: Path) -> str:
    """Return the namespace of all agents of a running dev."""
    from streamwarden_cli.local.running import RunningDev
    from streamwarden_cli.local.state import StateError

    try:
        found = RunningDev.find(folder).agents()
    except StateError as error:
        fail(error)
    namespaces = sorted({each.metadata.namespace for each in found})
    if len(namespaces) != 1:
        known = ", ".join(namespaces) or "none"
        raise typer.BadParameter(f"say which; namespaces of agents here: {known}", param_hint="--namespace")
    return namespaces[0]


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far it is; nothing where there is none."""
    from rich.console import Console

    console, started_s = Console(stderr=True), time.monotonic()
    status = console.status("reading")

    def show(records: int, offsets: int) -> None:
        seconds = time.monotonic() - started_s
        if console.is_terminal and seconds > _SILENT_S:
            status.update(f"{records:,} records of {offsets:,} offsets, {records / seconds:,.0f}/s")
            status.start()

    try:
        yield show
    finally:
        status.stop()
