"""The command ``streamwarden-operator``."""

from pathlib import Path
from typing import Annotated

import typer
from streamwarden_contract.models import KINDS

from streamwarden_operator import crd_yaml

app = typer.Typer(no_args_is_help=True, add_completion=False)
crds = typer.Typer(no_args_is_help=True)
app.add_typer(crds, name="crds", help="The CRD manifests, made from the models.")

CrdDir = Annotated[Path, typer.Option("--out", help="Folder of the manifests.", file_okay=False)]


@app.callback()
def _root() -> None:
    """Streamwarden's controller."""


@crds.command()
def generate(out: CrdDir = Path("crds")) -> None:
    """Write the manifests."""
    out.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        _path(out, kind.plural).write_text(crd_yaml.render(kind), encoding="utf-8")


@crds.command()
def check(out: CrdDir = Path("crds")) -> None:
    """Fail, naming each manifest that differs from the models."""
    stale = [str(path) for kind in KINDS if _read(path := _path(out, kind.plural)) != crd_yaml.render(kind)]
    if stale:
        typer.echo(f"out of date: {', '.join(stale)}; run 'streamwarden-operator crds generate'", err=True)
        raise typer.Exit(code=1)


def _path(folder: Path, plural: str) -> Path:
    return folder / f"{plural}.yaml"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
