"""The commands of people: ``streamwarden``, and ``kubectl streamwarden``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from streamwarden_cli.commands import bypass, cluster, crds, credentials, dev, docs, stack, uninstall, watch
from streamwarden_cli.exit_codes import MEANINGS, ExitCode, end_interrupted

_EXTRA = "streamwarden_devstack"
_EPILOG = "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."


class _Commands(TyperGroup):
    """Ends every command the same way where it is interrupted, and where it needs what is not installed."""

    @override
    def invoke(self, ctx: Any) -> Any:  # typer keeps its contexts' type private
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            end_interrupted()
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != _EXTRA:
                raise
            typer.echo("error: this needs an extra: pip install 'streamwarden-cli[devstack]'", err=True)
            raise typer.Exit(ExitCode.USAGE) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    help="Govern agents that act on event streams: a whole loop on a laptop, and a closer look at a running one.",
    epilog=_EPILOG,
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"streamwarden {version('streamwarden-cli')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


app.command()(dev.dev)
app.command()(watch.watch)
app.command()(credentials.credentials)
app.command()(bypass.bypass)
app.command()(uninstall.uninstall)
app.add_typer(stack.app, name="stack")
app.add_typer(cluster.app, name="cluster")
app.add_typer(crds.app, name="crds")
app.add_typer(docs.app, name="docs")
