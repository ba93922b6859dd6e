"""``streamwarden uninstall``: lets resources go that wait for an operator which is gone."""

from __future__ import annotations

from typing import Annotated

import typer

from streamwarden_cli.commands.ending import fail
from streamwarden_cli.exit_codes import ExitCode


def uninstall(
    *,
    context: Annotated[str, typer.Option(help="The kubeconfig's context; else the current one.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Take the operator's finalizers from all resources, so that they can be deleted without it.

    Stop the operator first: it would put them back. Everything in Kafka stays: topics, ACLs, users, policies in force.
    """
    from streamwarden_operator.errors import KubeconfigError, OperatorError
    from streamwarden_operator.handlers.uninstall import uninstall as release

    try:
        lines = release(context, dry_run=dry_run)
    except KubeconfigError as error:
        fail(error, code=ExitCode.USAGE)
    except OperatorError as error:
        fail(error)
    for line in lines:
        typer.echo(line)
    typer.echo(f"{len(lines)} resources {'have' if dry_run else 'had'} finalizers of Streamwarden")
