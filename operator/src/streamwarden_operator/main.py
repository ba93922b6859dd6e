"""The command ``streamwarden-operator``."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from streamwarden_contract.models import KINDS

from streamwarden_operator import crd_yaml, reference
from streamwarden_operator.errors import InvalidSpecError, OperatorError
from streamwarden_operator.settings import OperatorSettings, load_settings

# Plain tracebacks: logs are for programs, and local variables may be secrets.
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
crds = typer.Typer(no_args_is_help=True)
app.add_typer(crds, name="crds", help="The CRD manifests, made from the models.")

docs = typer.Typer(no_args_is_help=True)
app.add_typer(docs, name="docs", help="The reference pages, made from the models.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]

CrdDir = Annotated[Path, typer.Option("--out", help="Folder of the manifests.", file_okay=False)]
DocsDir = Annotated[Path, typer.Option("--out", help="Folder of the pages.", file_okay=False)]


@app.callback()
def _root() -> None:
    """Streamwarden's controller."""


@app.command()
def run() -> None:
    """Run the operator until it is told to stop.

    Settings come from the environment (STREAMWARDEN_*, see docs/reference/settings.md). It needs

    * STREAMWARDEN_KAFKA_PROPERTIES: a file with librdkafka's settings of the operator's own Kafka user,

    * STREAMWARDEN_GATE_IMAGE: the image of the gate in every pod,

    * an API server with the CRDs: KUBECONFIG, the pod's service account, or ~/.kube/config.

    Exits with 0 when stopped by a signal, 1 when another operator has taken over, 2 when a setting must be mended.
    """
    from streamwarden_operator.handlers.running import run as run_operator
    from streamwarden_operator.logs import configure_logging

    settings = _settings()
    configure_logging()
    try:
        code = run_operator(settings)
    except InvalidSpecError as error:
        _refuse(str(error))
    raise typer.Exit(code)


@app.command()
def uninstall(*, dry_run: DryRun = False) -> None:
    """Take the operator's finalizers from all resources, so that they can be deleted without it.

    Stop the operator first: it would put them back. Everything in Kafka stays: topics, ACLs, users, policies in force.
    """
    from streamwarden_operator.handlers.uninstall import uninstall as release

    try:
        lines = release(_settings(), dry_run=dry_run)
    except OperatorError as error:
        _refuse(str(error))
    for line in lines:
        typer.echo(line)
    typer.echo(f"{len(lines)} resources {'have' if dry_run else 'had'} finalizers of Streamwarden")


def _settings() -> OperatorSettings:
    try:
        return load_settings()
    except (InvalidSpecError, ValidationError) as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)


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
