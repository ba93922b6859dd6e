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
    from streamwarden_kafka.connection import Connection
    from streamwarden_kafka.errors import ConnectionSettingsError

    from streamwarden_cli.local.running import RunningDev
    from streamwarden_cli.local.state import StateError

    if (kafka is None) == (folder is None):
        raise typer.BadParameter("name either --kafka FILE or --dir DIR")
    try:
        if kafka is not None:
            return Connection.read(kafka)
        return RunningDev.find(folder or Path()).operator_connection()
    except ConnectionSettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--kafka") from error
    except StateError as error:
        fail(error)
