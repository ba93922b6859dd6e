"""``streamwarden crds``: the CRD manifests, made from the models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamwarden_cli.commands.ending import fail_stale, report_written

app = typer.Typer(no_args_is_help=True, help="For contributors: the CRD manifests, made from the models.")

Folder = Annotated[Path, typer.Option("--out", help="Folder of the manifests.", file_okay=False)]
_DEFAULT_FOLDER = Path("crds")


@app.command()
def generate(out: Folder = _DEFAULT_FOLDER) -> None:
    """Write the manifests, and print their paths."""
    from streamwarden_cli.generated import crd_yaml, files

    report_written(files.write(out, crd_yaml.manifests()))


@app.command()
def check(out: Folder = _DEFAULT_FOLDER) -> None:
    """Fail, naming each manifest that differs from the models."""
    from streamwarden_cli.generated import crd_yaml, files

    if stale := files.stale(out, crd_yaml.manifests()):
        fail_stale(stale, "streamwarden crds generate")
