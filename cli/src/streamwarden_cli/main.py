"""The commands of people: ``streamwarden``, and ``kubectl streamwarden``."""

from __future__ import annotations

import errno
from typing import Annotated, Any

import typer
from streamwarden_operator.version_option import version_option
from typer.core import TyperGroup
from typing_extensions import override

from streamwarden_cli.commands import (
    audit,
    bypass,
    cluster,
    crds,
    credentials,
    dev,
    docs,
    gate,
    inventory,
    stack,
    uninstall,
    validate,
    watch,
)
from streamwarden_cli.commands.ending import fail
from streamwarden_cli.exit_codes import MEANINGS, ExitCode, end_interrupted

_EXTRA = "streamwarden_devstack"
_INSTALL = (
    "this needs the extra devstack: pip install 'streamwarden-cli[devstack]', "
    "with --find-links DIR where the wheels are in a folder"
)
_EPILOG = "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."


class _Commands(TyperGroup):
    """Ends every command the same way: interrupted, in need of what is not installed, unable to use a file."""

    @override
    def invoke(self, ctx: Any) -> Any:  # typer keeps its contexts' type private
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            end_interrupted()
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != _EXTRA:
                raise
            fail(error, _INSTALL, ExitCode.USAGE)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read our output has seen enough: click ends it
            if (cache := _why_cache_unusable(error)) is not None:
                fail(error, cache, ExitCode.USAGE)
            fail(error)


def _why_cache_unusable(error: OSError) -> str | None:
    try:
        from streamwarden_devstack.cache import cache_folder, why_unusable
    except ModuleNotFoundError:
        return None
    return why_unusable(error, cache_folder())


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    help="Govern agents that act on event streams: a whole loop on a laptop, and a closer look at a running one.",
    epilog=_EPILOG,
)


@app.callback()
def _root(*, version: Annotated[bool, version_option("streamwarden", "streamwarden-cli")] = False) -> None:
    del version


app.command()(dev.dev)
app.command()(validate.validate)
app.command()(watch.watch)
app.command()(credentials.credentials)
app.command()(bypass.bypass)
app.command()(uninstall.uninstall)
app.add_typer(audit.app, name="audit")
app.add_typer(gate.app, name="gate")
app.add_typer(inventory.app, name="inventory")
app.add_typer(stack.app, name="stack")
app.add_typer(cluster.app, name="cluster")
app.add_typer(crds.app, name="crds")
app.add_typer(docs.app, name="docs")
