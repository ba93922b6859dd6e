"""``streamwarden inventory``: what an installation has made in Kafka."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.kafka_access import DevFolder, KafkaFile, kafka_connection
from streamwarden_cli.commands.printing import Output, Printed
from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_contract.inventory_requests import Action, InventoryAnswer, InventoryRequest

Items = Annotated[list[str], typer.Argument(metavar="KIND/NAME...", help="As 'inventory list' has them.")]
Installation = Annotated[str, typer.Option(help="Whose inventory; the operator's STREAMWARDEN_INSTALLATION.")]
Context = Annotated[str, typer.Option(help="The kubeconfig's context; else the current one.")]
OperatorNamespace = Annotated[str, typer.Option(help="Where the operator runs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what the operator would do.")]
Wait = Annotated[float, typer.Option("--wait", min=1, help="Longest wait for the answer, in seconds.")]

app = typer.Typer(no_args_is_help=True, help="What an installation has made in Kafka, and takes for its own.")


@app.callback()
def _root() -> None:
    """What an installation has made in Kafka, and takes for its own."""


@app.command("list")
def list_(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only what lies in this namespace.")] = "",
    kafka: KafkaFile = None,
    folder: DevFolder = None,
    installation: Installation = "",
    output: Printed = Output.TEXT,
) -> None:
    """List users and namespaces that the operator has made; it changes and takes back nothing else.

    The principal needs READ on the topic INSTALLATION.inventory. Nothing is written, no group is joined, and signatures
    are not checked: the operator does that. Stage Intent: about to be made, or a crash was in between.
    """
    import structlog
    from streamwarden_contract.names import SYSTEM, InstallationNames, is_dns_label

    from streamwarden_cli.audit.inventory import as_json, chosen, read_inventory, table
    from streamwarden_cli.audit.reader import AuditReader
    from streamwarden_cli.audit.source import AbsentError, AuditReadError

    if installation and not is_dns_label(installation):
        raise typer.BadParameter(f"{installation!r} is not a DNS label", param_hint="--installation")
    connection = kafka_connection(kafka, folder)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    reader = AuditReader(connection)
    try:
        rows = read_inventory(reader, InstallationNames(installation or SYSTEM).inventory)
    except AuditReadError as error:
        hint = "Is it this Kafka, and --installation right? An operator makes its inventory at its first start"
        fail(error, f"{error}. {hint}" if isinstance(error, AbsentError) else "")
    finally:
        reader.close()
    if output is Output.JSON:
        typer.echo(json.dumps([as_json(row) for row in chosen(rows, namespace)], indent=2))
    else:
        for line in table(rows, namespace):
            typer.echo(line)


@app.command()
def adopt(
    items: Items,
    *,
    installation: Installation = "",
    context: Context = "",
    operator_namespace: OperatorNamespace = "streamwarden",
    dry_run: DryRun = False,
    wait_s: Wait = 60.0,
    output: Printed = Output.TEXT,
) -> None:
    """Take namespaces (namespace/NAME) and users of agents and gates (user/NAME) for this installation's.

    For what a lost inventory has forgotten, and no living agent takes back. A user that is adopted and that no
    AgentDeployment wants is deleted at once, with its ACLs and quotas: try --dry-run first. The command writes a
    ConfigMap in the operator's namespace, with your kubeconfig; the operator does it and answers there.
    """
    from streamwarden_contract.inventory_requests import Action

    request = _requested(Action.ADOPT, items, installation, dry_run=dry_run)
    _show(_order(request, context, operator_namespace, wait_s), output)


@app.command()
def release(  # noqa: PLR0913  # one parameter an option
    items: Items,
    *,
    installation: Installation = "",
    context: Context = "",
    operator_namespace: OperatorNamespace = "streamwarden",
    unwatched: Annotated[
        bool,
        typer.Option(
            "--unwatched", help="Also in namespaces that the operator does not watch: nobody looks who uses it."
        ),
    ] = False,
    dry_run: DryRun = False,
    wait_s: Wait = 60.0,
    output: Printed = Output.TEXT,
) -> None:
    """Take things out of the inventory: they stay in Kafka as they are, and the operator takes them for nobody's.

    What a living resource uses is refused. The command writes a ConfigMap in the operator's namespace, with your
    kubeconfig; the operator does it and answers there.
    """
    from streamwarden_contract.inventory_requests import Action

    request = _requested(Action.RELEASE, items, installation, dry_run=dry_run, unwatched=unwatched)
    _show(_order(request, context, operator_namespace, wait_s), output)


def _requested(
    action: Action, items: Sequence[str], installation: str, *, dry_run: bool, unwatched: bool = False
) -> InventoryRequest:
    from streamwarden_contract.errors import InventoryError
    from streamwarden_contract.inventory_requests import build_request
    from streamwarden_operator.clock import utc_now

    try:
        return build_request(
            action,
            items,
            request_id=str(uuid.uuid4()),
            installation=installation,
            now=utc_now(),
            dry_run=dry_run,
            unwatched=unwatched,
        )
    except InventoryError as error:
        raise typer.BadParameter(str(error), param_hint="KIND/NAME") from error


def _order(request: InventoryRequest, context: str, namespace: str, wait_s: float) -> InventoryAnswer:
    from streamwarden_operator.errors import KubeconfigError, OperatorError
    from streamwarden_operator.handlers.ordering import order

    try:
        return order(context, namespace, request, wait_s=wait_s, tell=lambda said: typer.echo(said, err=True))
    except KubeconfigError as error:
        fail(error, code=ExitCode.USAGE)
    except OperatorError as error:
        fail(error)


def _show(answer: InventoryAnswer, output: Output) -> None:
    """Print an answer, and end by it."""
    from streamwarden_contract.inventory_requests import Outcome

    if output is Output.JSON:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        for item in answer.items:
            typer.echo(f"{item.outcome.value.lower():<9}  {item.item}: {item.message}")
    if answer.refused:
        typer.echo(f"error: {answer.refused}", err=True)
    if answer.refused or any(item.outcome is Outcome.REFUSED for item in answer.items):
        raise typer.Exit(ExitCode.FAILED)
