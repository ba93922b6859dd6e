"""The option ``--version``, for this command and for that of people."""

from importlib.metadata import version
from typing import Any

import typer


def version_option(command: str, distribution: str) -> Any:  # noqa: ANN401  # as typer's own
    """Return what typer makes a flag of that shows the version and ends."""

    def show(*, wanted: bool) -> None:
        if wanted:
            typer.echo(f"{command} {version(distribution)}")
            raise typer.Exit

    return typer.Option("--version", callback=show, is_eager=True, help="Show the version and exit.")
