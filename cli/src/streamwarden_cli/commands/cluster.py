"""``streamwarden cluster``: a Kubernetes cluster for tests and the demo, with Streamwarden's images."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streamwarden_cli.commands.ending import fail
from streamwarden_cli.commands.printing import Output, Printed
from streamwarden_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_devstack.cluster.errors import ClusterError
    from streamwarden_devstack.cluster.images import Built
    from streamwarden_devstack.cluster.provider import Provider
    from streamwarden_devstack.cluster.reporting import Reporter

app = typer.Typer(no_args_is_help=True, help="A Kubernetes cluster for tests and the demo, with Streamwarden's images.")

Context = Annotated[
    str, typer.Option(envvar="STREAMWARDEN_CLUSTER_CONTEXT", help="Use a cluster of yours: the kubeconfig's context.")
]
Kubeconfig = Annotated[
    Path | None, typer.Option(dir_okay=False, exists=True, help="Where the context is; else KUBECONFIG says it.")
]
HostAddress = Annotated[str, typer.Option(metavar="IP", help="This machine, as pods of a cluster of yours see it.")]
_MB = 1_000_000


@app.command()
def up(
    context: Context = "",
    kubeconfig: Kubeconfig = None,
    host_address: HostAddress = "",
    *,
    images: Annotated[bool, typer.Option(help="Build and load Streamwarden's images.")] = True,
) -> None:
    """Make a cluster, or find that there is one; returns once its node is ready."""
    from streamwarden_devstack.cluster.errors import ClusterError
    from streamwarden_devstack.cluster.running import load_built

    try:
        provider = _choose(context, kubeconfig, host_address)
        provider.up(_reporter())
        references = load_built(provider, _reporter()) if images else {}
        _report(provider, references)
    except ClusterError as error:
        _fail(error)


@app.command()
def build(
    context: Context = "",
    kubeconfig: Kubeconfig = None,
    api_server: Annotated[
        str, typer.Option(metavar="VERSION", help="Only the API server of a minor version, for tests against it.")
    ] = "",
) -> None:
    """Build the programs of a cluster and Streamwarden's images, as far as they have changed, and start nothing.

    The first time it takes some minutes; 'up' is a matter of seconds then, and of no downloads.
    """
    from streamwarden_devstack.cache import cache_folder
    from streamwarden_devstack.cluster.errors import ClusterError
    from streamwarden_devstack.cluster.running import build as build_images
    from streamwarden_devstack.cluster.tools import ensure_tools

    try:
        if api_server:
            ensure_tools(cache_folder(), _reporter(), api_server)
            return
        provider = _choose(context, kubeconfig)
        provider.prepare(_reporter())
        build_images(provider, _reporter())
    except ClusterError as error:
        _fail(error)


@app.command()
def images(context: Context = "", kubeconfig: Kubeconfig = None, output: Printed = Output.TEXT) -> None:
    """Build the images that have changed, and load them into the cluster when it is up."""
    from streamwarden_devstack.cache import cache_folder
    from streamwarden_devstack.cluster.errors import ClusterError
    from streamwarden_devstack.cluster.images import load_images
    from streamwarden_devstack.cluster.running import build

    try:
        provider = _choose(context, kubeconfig)
        built = build(provider, _reporter())
        _show(built, output)
        if provider.status().running:
            load_images(provider, [image.reference for image in built], cache_folder(), _reporter())
    except ClusterError as error:
        _fail(error)


@app.command()
def down(context: Context = "", kubeconfig: Kubeconfig = None) -> None:
    """Take the cluster away, with all that is in it. Programs and images stay for the next time."""
    from streamwarden_devstack.cluster.errors import ClusterError

    try:
        taken = _choose(context, kubeconfig).down()
    except ClusterError as error:
        _fail(error)
    typer.echo("the cluster is gone" if taken else "no cluster of ours runs here")


@app.command()
def status(context: Context = "", kubeconfig: Kubeconfig = None, output: Printed = Output.TEXT) -> None:
    """Look whether the cluster is up; the exit code is 0 when its node is ready, else 1."""
    from streamwarden_devstack.cluster.errors import ClusterError

    try:
        found = _choose(context, kubeconfig).status()
    except ClusterError as error:
        _fail(error)
    typer.echo(json.dumps(dataclasses.asdict(found), indent=2) if output is Output.JSON else found.describe())
    raise typer.Exit(ExitCode.DONE if found.ready else ExitCode.FAILED)


def _fail(error: ClusterError) -> NoReturn:
    from streamwarden_devstack.cluster.errors import ContextError

    fail(error, code=ExitCode.USAGE if isinstance(error, ContextError) else ExitCode.FAILED)


def _choose(context: str, kubeconfig: Path | None, host_address: str = "") -> Provider:
    from streamwarden_devstack.cluster.choosing import Wanted, choose, observe

    return choose(observe(Wanted(context, kubeconfig, host_address)))


def _reporter() -> Reporter:
    from rich.console import Console
    from streamwarden_devstack.cluster.reporting import ConsoleReporter

    return ConsoleReporter(Console(stderr=True))


def _report(provider: Provider, references: dict[str, str]) -> None:
    from streamwarden_devstack.cluster.errors import ClusterError

    try:
        host_address = provider.host_address
    except ClusterError:
        host_address = "not known (--host-address)"
    rows = {
        "cluster": provider.status().describe(),
        "kubeconfig": f"export KUBECONFIG={provider.kubeconfig}",
        "kubectl": str(provider.kubectl),
        "this machine": f"{host_address}, as pods see it",
        **{f"image {name}": reference for name, reference in references.items()},
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        typer.echo(f"{name:<{width}}  {value}")


def _show(built: Sequence[Built], output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps([dataclasses.asdict(image) for image in built], indent=2))
        return
    for image in built:
        typer.echo(f"{image.reference}  {image.size / _MB:.0f} MB")
