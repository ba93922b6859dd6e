"""``streamwarden inventory``: what an installation has made in Kafka."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.kafka_access import DevFolder, KafkaFile, kafka_connection
from streamwarden_cli.commands.printing import Output, Printed

app = typer.Typer(no_args_is_help=True, help="What an installation has made in Kafka, and takes for its own.")


@app.callback()
def _root() -> None:
    """What an installation has made in Kafka, and takes for its own."""


@app.command("list")
def list_(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only what lies in this namespace.")] = "",
    kafka: KafkaFile = None,
    folder: DevFolder = None,
    installation: Annotated[str, typer.Option(help="Whose inventory; the operator's STREAMWARDEN_INSTALLATION.")] = "",
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
