"""``streamwarden dev``: a whole governed loop from a folder of manifests, on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from streamwarden_contract.names import SYSTEM

from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.session_options import (
    AtEnd,
    AttemptBypass,
    Installation,
    Producers,
    Report,
    Timeout,
    UntilIdle,
    require_until_idle,
)
from streamwarden_cli.exit_codes import ExitCode

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder with manifests and agents.")
]

Env = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME", help="Give agents this variable of your shell; repeatable."),
]
EnvFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Give agents the variables of this file: NAME=VALUE a line.")
]
Secrets = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Secrets that manifests refer to: a file of Secret manifests, or files NAMESPACE/SECRET/KEY in a folder.",
    ),
]
Python = Annotated[str, typer.Option(metavar="INTERPRETER", help="Run agents with this Python, which has the SDK.")]


def _agent(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise typer.BadParameter(f"{text!r}: write NAMESPACE/AGENT")
    return namespace, name


External = Annotated[
    list[Any] | None,
    typer.Option(
        "--external", metavar="NAMESPACE/AGENT", parser=_agent, help="You start this agent yourself; repeatable."
    ),
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
    env: Env = None,
    env_file: EnvFile = None,
    secrets: Secrets = None,
    python: Python = "",
    external: External = None,
) -> None:
    """Start Kafka, apply the manifests, run agents and gates, and watch the files; Ctrl-C stops it all."""
    require_until_idle(until_idle=until_idle, at_end=at_end, attempt_bypass=attempt_bypass, keep=keep)
    from streamwarden_cli.dev.options import DevOptions
    from streamwarden_cli.dev.run import run_dev
    from streamwarden_cli.local.local_secrets import SecretsError, chosen_variables, read_secrets
    from streamwarden_cli.local.pods import PodSettings
    from streamwarden_cli.local.python import PythonError, check_python

    try:
        pods = PodSettings(
            python=check_python(python) if python else sys.executable,
            env=chosen_variables(env or (), env_file, os.environ),
            secrets=None if secrets is None else read_secrets(secrets),
            run_by_person=frozenset(external or ()),
        )
    except (SecretsError, PythonError) as error:
        fail(error, code=ExitCode.USAGE)
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
        pods=pods,
    )
    raise typer.Exit(run_dev(options))
