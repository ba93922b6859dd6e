"""``streamwarden gate``: what people tell a gate."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from streamwarden_cli.commands.credentials import split_agent
from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.kafka_access import DevFolder, KafkaFile, kafka_connection

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_contract.models.skip import SkipRequest
    from streamwarden_kafka.connection import Connection

    from streamwarden_cli.skips.asking import Stand, Wish
    from streamwarden_cli.skips.places import Place

app = typer.Typer(no_args_is_help=True, help="What people tell a gate.")


@app.callback()
def _root() -> None:
    """What people tell a gate."""


@app.command()
def skip(  # noqa: PLR0913  # one parameter an option
    agent: Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT", help="Whose gate.")],
    *,
    partition: Annotated[int, typer.Option(min=0, help="Of the agent's decision topic.")],
    last: Annotated[int, typer.Option("--to", min=0, metavar="OFFSET", help="The last offset to pass over.")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit.")],
    first: Annotated[
        int | None, typer.Option("--from", min=0, metavar="OFFSET", help="The first one; else where the gate stands.")
    ] = None,
    requested_by: Annotated[
        str, typer.Option("--requested-by", metavar="NAME", help="Who asks: a claim, for the audit; else your login.")
    ] = "",
    kafka: KafkaFile = None,
    context: Annotated[str, typer.Option(help="The kubeconfig's context; else the current one.")] = "",
    folder: DevFolder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be passed over.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let a halted gate go on behind decisions that halt it; they are passed over unjudged, with one audit record.

    It writes spec.skips of the AgentDeployment, with your kubeconfig: the operator signs it for the gate, which does it
    once. Decisions before and behind the range are judged as ever. With --kafka it needs DESCRIBE and READ on the
    decision topic, and DESCRIBE on the group NAMESPACE.AGENT.gate, to see where the gate stands.
    """
    from streamwarden_cli.local.state import StateError
    from streamwarden_cli.skips.asking import SkipError, Wish, add_request

    namespace, name = split_agent(agent)
    connection = kafka_connection(kafka, folder)
    wish = Wish(
        partition=partition, first=first, last=last, reason=reason, requested_by=requested_by or getpass.getuser()
    )
    try:
        place = _place(folder, context, namespace, name)
        known = place.read()
        stand, request = _show(connection, namespace, name, wish)
        add_request(known, request, stand)  # so that nobody is asked about what cannot be
        if dry_run:
            return
        _confirm(yes=yes)
        place.change(lambda known: add_request(known, request, stand))
        typer.echo("asked: once it is done, the agent's GateReady says RecordsSkipped, and the audit has the range")
    except (SkipError, StateError) as error:
        fail(error)


def _place(folder: Path | None, context: str, namespace: str, agent: str) -> Place:
    from streamwarden_cli.local.running import RunningDev
    from streamwarden_cli.skips.places import ClusterPlace, DevPlace

    if folder is not None:
        return DevPlace(RunningDev.find(folder), namespace, agent)
    return ClusterPlace(context, namespace, agent)


def _show(connection: Connection, namespace: str, agent: str, wish: Wish) -> tuple[Stand, SkipRequest]:
    """Say what would be done."""
    import structlog
    from streamwarden_contract.names import AgentNames

    from streamwarden_cli.audit.reader import AuditReader
    from streamwarden_cli.audit.source import AuditReadError
    from streamwarden_cli.skips.asking import build_request, describe
    from streamwarden_cli.skips.standing import find_stand, show_batches

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    reader = AuditReader(connection)
    try:
        stand = find_stand(reader, AgentNames(namespace, agent))
    except AuditReadError as error:
        fail(error)
    finally:
        reader.close()
    request = build_request(wish, stand)
    for line in (*describe(request, stand), *show_batches(connection, stand, request)):
        typer.echo(line)
    return stand, request


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not is_terminal():
        raise typer.BadParameter("there is no terminal to ask on: say --yes", param_hint="--yes")
    typer.confirm("Pass over them?", abort=True)


def is_terminal() -> bool:
    """Tell whether somebody can answer."""
    return sys.stdin.isatty()
