"""``streamwarden validate``: what admission says of a folder of manifests, without a cluster and without Kafka."""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from streamwarden_cli.exit_codes import ExitCode


class Output(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


Manifests = Annotated[
    Path, typer.Argument(metavar="DIR", exists=True, help="Folder with manifests (YAML or JSON), or one file.")
]
Printed = Annotated[
    Output, typer.Option("--output", "-o", help="For people, for programs, for code scanning, for CI's test reports.")
]


def validate(folder: Manifests, *, output: Printed = Output.TEXT) -> None:
    """Say all that is wrong with a folder of manifests, each with file, line and column. Needs no cluster, no Kafka.

    What an API server would refuse, or the operator not accept, is an error; a warning is accepted there and hardly
    meant. Resources of other kinds are passed over.
    """
    from streamwarden_cli.validate import formats
    from streamwarden_cli.validate.findings import Level, find

    findings = find(folder)
    match output:
        case Output.TEXT:
            typer.echo(formats.as_text(findings))
        case Output.JSON:
            typer.echo(formats.as_json(findings))
        case Output.SARIF:
            typer.echo(formats.as_sarif(findings, version("streamwarden-cli"), Path.cwd()))
        case Output.JUNIT:
            typer.echo(formats.as_junit(findings))
    if not findings.resources:
        typer.echo(f"error: no manifests in {folder}", err=True)
    if findings.count(Level.ERROR) or not findings.resources:
        raise typer.Exit(ExitCode.FAILED)
