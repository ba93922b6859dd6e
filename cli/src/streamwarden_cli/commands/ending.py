"""How a command says that it has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import typer

from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def fail(error: Exception) -> NoReturn:
    """End with the error's message, which is all that a person needs."""
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(ExitCode.FAILED) from error


def fail_stale(paths: Sequence[Path], remedy: str) -> NoReturn:
    """End because generated files are stale, and say what to run."""
    typer.echo(f"out of date: {', '.join(map(str, paths))}; run '{remedy}'", err=True)
    raise typer.Exit(ExitCode.FAILED)
