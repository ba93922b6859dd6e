"""The command ``streamwarden-operator``."""

from pathlib import Path
from typing import Annotated

import typer
from streamwarden_contract.models import KINDS

from streamwarden_operator import crd_yaml, reference

app = typer.Typer(no_args_is_help=True, add_completion=False)
crds = typer.Typer(no_args_is_help=True)
app.add_typer(crds, name="crds", help="The CRD manifests, made from the models.")

docs = typer.Typer(no_args_is_help=True)
app.add_typer(docs, name="docs", help="The reference pages, made from the models.")

CrdDir = Annotated[Path, typer.Option("--out", help="Folder of the manifests.", file_okay=False)]
DocsDir = Annotated[Path, typer.Option("--out", help="Folder of the pages.", file_okay=False)]


@app.callback()
def _root() -> None:
    """Streamwarden's controller."""


@crds.command("generate")
def generate_crds(out: CrdDir = Path("crds")) -> None:
    """Write the manifests."""
    _write(out, _manifests())


@crds.command("check")
def check_crds(out: CrdDir = Path("crds")) -> None:
    """Fail, naming each manifest that differs from the models."""
    _check(out, _manifests(), "streamwarden-operator crds generate")


@docs.command("generate")
def generate_docs(out: DocsDir = Path("docs/reference")) -> None:
    """Write the pages."""
    _write(out, reference.pages())


@docs.command("check")
def check_docs(out: DocsDir = Path("docs/reference")) -> None:
    """Fail, naming each page that differs from the models."""
    _check(out, reference.pages(), "streamwarden-operator docs generate")


def _manifests() -> dict[str, str]:
    return {f"{kind.plural}.yaml": crd_yaml.render(kind) for kind in KINDS}


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _check(folder: Path, files: dict[str, str], remedy: str) -> None:
    stale = [str(folder / name) for name, text in files.items() if _read(folder / name) != text]
    if stale:
        typer.echo(f"out of date: {', '.join(stale)}; run '{remedy}'", err=True)
        raise typer.Exit(code=1)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
