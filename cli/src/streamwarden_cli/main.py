"""The command ``streamwarden``."""

import typer

from streamwarden_cli.commands import stack

app = typer.Typer(
    no_args_is_help=True,
    help="Govern agents that act on event streams: a whole loop on a laptop, and a closer look at a running one.",
)
app.add_typer(stack.app, name="stack")
