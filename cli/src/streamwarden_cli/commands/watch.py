"""``streamwarden watch``: the live table of a loop that runs in a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from streamwarden_contract.names import SYSTEM

from streamwarden_cli.commands.kafka_access import read_settings
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

Folder = Annotated[
    Path,
    typer.Argument(metavar="[DIR]", exists=True, file_okay=False, help="Where producers run and state lies (0700)."),
]


KafkaSettings = Annotated[
    Path,
    typer.Option(
        "--kafka",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="librdkafka settings of the operator, or of one of its trusted principals, who may read every topic (the "
        "right of anybody else to read decisions ends pods); one name=value a line.",
    ),
]


def watch(  # noqa: PLR0913  # one parameter an option
    kafka: KafkaSettings,
    folder: Folder = Path(),
    *,
    context: Annotated[str, typer.Option(help="The kubeconfig's context; else the current one.")] = "",
    namespaces: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Look here only; repeatable.")
    ] = None,
    installation: Installation = SYSTEM,
    make_users: Annotated[
        bool, typer.Option("--make-users", help="Make Kafka users for the principals that contracts name, as dev does.")
    ] = False,
    producers: Producers = None,
    at_end: AtEnd = "",
    until_idle: UntilIdle = False,
    attempt_bypass: AttemptBypass = False,
    report: Report = None,
    timeout: Timeout = None,
) -> None:
    """Show the agents, gates and policies of a cluster as they work, as dev does on this machine.

    It reads the three kinds with your kubeconfig and the topics with the Kafka settings of FILE, and changes
    nothing, unless you ask it to make users.
    """
    from streamwarden_cli.session.programs import require_processes
    from streamwarden_cli.watch.options import WatchOptions
    from streamwarden_cli.watch.run import run_watch

    if producers or at_end:
        require_processes()
    require_until_idle(until_idle=until_idle, at_end=at_end, attempt_bypass=attempt_bypass)

    connection = read_settings(kafka)
    options = WatchOptions(
        folder=folder.resolve(),
        kafka=connection,
        context=context,
        namespaces=frozenset(namespaces or ()),
        make_users=make_users,
        installation=installation,
        producers=tuple(producers or ()),
        at_end=at_end,
        until_idle=until_idle,
        attempt_bypass=attempt_bypass,
        report=None if report is None else report.absolute(),
        timeout_s=timeout,
    )
    raise typer.Exit(run_watch(options))
