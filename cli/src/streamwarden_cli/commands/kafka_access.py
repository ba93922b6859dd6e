"""As whom a command reads Kafka: by a file of settings, or as the operator of a running ``dev``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamwarden_cli.commands.ending import fail

if TYPE_CHECKING:
    from streamwarden_kafka.connection import Connection

KafkaFile = Annotated[
    Path | None,
    typer.Option(
        "--kafka",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="librdkafka settings of somebody with the rights that are said above; one name=value a line.",
    ),
]
DevFolder = Annotated[
    Path | None, typer.Option("--dir", help="In place of --kafka: folder that dev runs in, or one below it.")
]


def kafka_connection(kafka: Path | None, folder: Path | None) -> Connection:
    """Return the connection that a file names, or that of a running dev's operator; exactly one must be said."""
    from streamwarden_cli.local.running import RunningDev
    from streamwarden_cli.local.state import StateError

    if (kafka is None) == (folder is None):
        raise typer.BadParameter("name either --kafka FILE or --dir DIR")
    if kafka is not None:
        return read_settings(kafka)
    try:
        return RunningDev.find(folder or Path()).operator_connection()
    except StateError as error:
        fail(error)


def read_settings(kafka: Path) -> Connection:
    """Return the connection that a file names; a setting that no client could be made with is refused at once."""
    from streamwarden_kafka.clients import check_settings
    from streamwarden_kafka.connection import Connection
    from streamwarden_kafka.errors import ConnectionSettingsError

    try:
        connection = Connection.read(kafka)
        check_settings(connection)
    except ConnectionSettingsError as error:
        named = str(error) if str(error).startswith(str(kafka)) else f"{kafka}: {error}"
        raise typer.BadParameter(named, param_hint="--kafka") from error
    return connection
