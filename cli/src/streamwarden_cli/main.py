"""The command ``streamwarden``."""

import typer

from streamwarden_cli.commands import bypass, cluster, credentials, dev, stack, watch

app = typer.Typer(
    no_args_is_help=True,
    help="Govern agents that act on event streams: a whole loop on a laptop, and a closer look at a running one.",
)
app.command()(dev.dev)
app.command()(watch.watch)
app.command()(credentials.credentials)
app.command()(bypass.bypass)
app.add_typer(stack.app, name="stack")
app.add_typer(cluster.app, name="cluster")
