"""How a command says that it has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import typer

from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def fail(error: Exception, message: str = "", code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """End with a message, the error's own where none is given: it is all that a person needs."""
    typer.echo(f"error: {message or error}", err=True)
    raise typer.Exit(code) from error


def report_written(paths: Sequence[Path]) -> None:
    """Say which generated files were written."""
    for path in paths:
        typer.echo(f"wrote {path}")


def fail_stale(paths: Sequence[Path], remedy: str) -> NoReturn:
    """End because generated files are stale, and say what to run."""
    typer.echo(f"out of date: {', '.join(map(str, paths))}; run '{remedy}'", err=True)
    raise typer.Exit(ExitCode.FAILED)
