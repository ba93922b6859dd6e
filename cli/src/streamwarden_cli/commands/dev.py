"""``streamwarden dev``: a whole governed loop from a folder of manifests, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from streamwarden_contract.names import SYSTEM

from streamwarden_cli.commands.session_options import (
    AtEnd,
    AttemptBypass,
    Installation,
    Producers,
    Report,
    Timeout,
    UntilIdle,
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder with manifests and agents.")
]


def dev(  # noqa: PLR0913  # one parameter an option
    folder: Folder,
    *,
    producers: Producers = None,
    at_end: AtEnd = "",
    until_idle: UntilIdle = False,
    attempt_bypass: AttemptBypass = False,
    report: Report = None,
    registry: Annotated[bool, typer.Option(help="With a schema registry.")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Once idle, stay up until Ctrl-C.")] = False,
    installation: Installation = SYSTEM,
    timeout: Timeout = None,
) -> None:
    """Start Kafka, apply the manifests, run agents and gates, and watch the files; Ctrl-C stops it all."""
    from streamwarden_cli.dev.options import DevOptions
    from streamwarden_cli.dev.run import run_dev

    options = DevOptions(
        folder=folder.resolve(),
        producers=tuple(producers or ()),
        at_end=at_end,
        until_idle=until_idle,
        attempt_bypass=attempt_bypass,
        report=None if report is None else report.absolute(),
        registry=registry,
        installation=installation,
        keep=keep,
        timeout_s=timeout,
    )
    raise typer.Exit(run_dev(options))
