"""``streamwarden dev``: a whole governed loop from a folder of manifests, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder with manifests and agents.")
]


def dev(  # noqa: PLR0913  # one parameter an option
    folder: Folder,
    *,
    producers: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="CMD", help="Start this in DIR once the agents are ready; repeatable."),
    ] = None,
    at_end: Annotated[
        str,
        typer.Option(metavar="CMD", help="Run this once idle; the JSON object that it prints goes into the report."),
    ] = "",
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End once the producers have ended and nothing is left to do.")
    ] = False,
    attempt_bypass: Annotated[
        bool, typer.Option("--attempt-bypass", help="Once idle, try every way round each agent's gate.")
    ] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the run's figures as JSON.")] = None,
    registry: Annotated[bool, typer.Option(help="With a schema registry.")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Once idle, stay up until Ctrl-C.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.001, help="Fail when it takes longer to become idle.")
    ] = None,
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
        keep=keep,
        timeout_s=timeout,
    )
    raise typer.Exit(run_dev(options))
