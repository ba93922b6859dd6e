"""``streamwarden docs``: the reference pages, made from the models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamwarden_cli.commands.ending import fail_stale, report_written

app = typer.Typer(no_args_is_help=True, help="For contributors: the reference pages, made from the models.")

Folder = Annotated[Path, typer.Option("--out", help="Folder of the pages.", file_okay=False)]
_DEFAULT_FOLDER = Path("docs/reference")


@app.command()
def generate(out: Folder = _DEFAULT_FOLDER) -> None:
    """Write the pages, and print their paths."""
    from streamwarden_cli.generated import files, reference

    report_written(files.write(out, reference.pages()))


@app.command()
def check(out: Folder = _DEFAULT_FOLDER) -> None:
    """Fail, naming each page that differs from the models."""
    from streamwarden_cli.generated import files, reference

    if stale := files.stale(out, reference.pages()):
        fail_stale(stale, "streamwarden docs generate")
