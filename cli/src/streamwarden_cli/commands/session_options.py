"""Options that commands have in common: what to do beside a running loop and at its end, and whose loop it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from streamwarden_contract.names import is_dns_label

Producers = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="CMD", help="Start this in DIR once the agents are ready; repeatable."),
]
AtEnd = Annotated[
    str, typer.Option(metavar="CMD", help="Run this once idle; the JSON object that it prints goes into the report.")
]
UntilIdle = Annotated[
    bool, typer.Option("--until-idle", help="End once the producers have ended and nothing is left to do.")
]
AttemptBypass = Annotated[
    bool, typer.Option("--attempt-bypass", help="Once idle, try every way round each agent's gate.")
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, writable=True, help="Write the run's figures as JSON."),
]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=0.001, help="Fail when it takes longer to become idle.")
]


def require_until_idle(*, until_idle: bool, **asked: object) -> None:
    """Refuse what happens only once the loop is idle, where that would never come.

    Args:
        until_idle: whether it was asked for.
        asked: by option, as in ``at_end``: what was given.
    """
    for name, given in asked.items():
        if given and not until_idle:
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("this happens once all is idle: add --until-idle", param_hint=f"'{option}'")


def _check_installation(name: str) -> str:
    if not is_dns_label(name):
        raise typer.BadParameter(f"{name!r} is not a DNS label (a-z, 0-9, -)")
    return name


Installation = Annotated[
    str,
    typer.Option(
        envvar="STREAMWARDEN_INSTALLATION",
        callback=_check_installation,
        help="As the operator's setting: what the names in Kafka begin with that exist once an installation.",
    ),
]
