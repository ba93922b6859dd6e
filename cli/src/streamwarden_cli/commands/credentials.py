"""``streamwarden credentials``: a client configuration, to use any Kafka tool as one of the loop's principals."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from streamwarden_kafka.connection import ClientFormat

from streamwarden_cli.commands.ending import fail


class Role(StrEnum):
    """Whose credentials of an agent's pod."""

    AGENT = "agent"
    GATE = "gate"


def credentials(  # one parameter an option
    agent: Annotated[str, typer.Argument(metavar="[NAMESPACE/AGENT]", help="An agent of a running dev.")] = "",
    *,
    role: Annotated[Role, typer.Option("--as", help="The agent itself, or its gate.")] = Role.AGENT,
    principal: Annotated[str, typer.Option(help="In place of an agent: a user that a contract's access names.")] = "",
    style: Annotated[ClientFormat, typer.Option("--format", help="For which clients.")] = ClientFormat.LIBRDKAFKA,
    output: Annotated[
        Path | None, typer.Option(help="File to write (mode 0600); else one below .streamwarden/clients.")
    ] = None,
    folder: Annotated[Path, typer.Option("--dir", help="Folder that dev runs in, or one below it.")] = Path(),
) -> None:
    """Write a Kafka client configuration (mode 0600) and print its path."""
    from streamwarden_kafka.private_files import write_private

    from streamwarden_cli.local.running import RunningDev
    from streamwarden_cli.local.state import StateError

    if bool(agent) == bool(principal):
        raise typer.BadParameter("name either NAMESPACE/AGENT or --principal USER")
    try:
        dev = RunningDev.find(folder)
        if principal:
            user = principal.removeprefix("User:")
            connection = dev.external_connection(user)
        else:
            namespace, name = split_agent(agent)
            user = f"{namespace}.{name}.{role}"
            connection = dev.pod_connection(namespace, name, role.value)
    except StateError as error:
        fail(error)
    path = output or dev.state.clients / f"{user}.{style}.properties"
    write_private(path, connection.render(style))
    typer.echo(path)


def split_agent(text: str) -> tuple[str, str]:
    """Read ``NAMESPACE/AGENT``."""
    namespace, separator, name = text.partition("/")
    if not (namespace and separator and name) or "/" in name:
        raise typer.BadParameter(f"{text!r}: write NAMESPACE/AGENT, as in risk/url-guard")
    return namespace, name
