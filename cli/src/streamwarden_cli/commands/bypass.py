"""``streamwarden bypass``: try every way round an agent's gate, with the agent's own credentials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from streamwarden_contract.names import SYSTEM

from streamwarden_cli.commands.credentials import split_agent
from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.session_options import Installation
from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from streamwarden_cli.bypass.attempts import Answer


def bypass(
    agent: Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT", help="An agent of a running dev.")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder that dev runs in, or one below it.")] = Path(),
    installation: Installation = SYSTEM,
) -> None:
    """Try every way round the agent's gate with the agent's credentials; exit code 0 when each is refused.

    The attempts are real: one that gets through does what it says.
    """
    from streamwarden_cli.bypass.attempts import all_refused, build_attempts, run_attempts
    from streamwarden_cli.local.running import RunningDev
    from streamwarden_cli.local.state import StateError
    from streamwarden_cli.session.targets import find_target

    namespace, name = split_agent(agent)
    try:
        dev = RunningDev.find(folder)
        connection = dev.pod_connection(namespace, name, "agent")
        target = find_target(namespace, name, dev.agents(), dev.contracts(), installation)
    except StateError as error:
        fail(error)
    answers = run_attempts(build_attempts(target), connection)
    _show(agent, answers)
    raise typer.Exit(ExitCode.DONE if all_refused(answers) else ExitCode.FAILED)


def _show(agent: str, answers: list[Answer]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"{agent}, with its own credentials", title_justify="left")
    table.add_column("attempt")
    table.add_column("the broker's answer")
    for answer in answers:
        table.add_row(answer.attempt, answer.code if answer.refused else f"[bold red]{answer.code}[/]")
    if console.is_terminal:
        console.print(table)
    else:
        for answer in answers:
            typer.echo(f"{'refused' if answer.refused else 'NOT REFUSED'}\t{answer.code}\t{answer.attempt}")
    refused = sum(answer.refused for answer in answers)
    typer.echo(f"{refused} of {len(answers)} attempts refused by the broker")
