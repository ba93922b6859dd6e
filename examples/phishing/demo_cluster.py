"""Runs the example on a Kubernetes cluster, from nothing: cluster, images, Kafka, operator, agents as pods; then says
what happened, as demo.py does. What was not there before is taken away at the end, unless --keep says otherwise."""

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from closing import problems, render
from demo import PLAIN_WIDTH, shown
from pages import PAGES
from rich.console import Console
from streamwarden_devstack.cluster import Cluster, ClusterError, ConsoleReporter, Wanted, open_cluster
from streamwarden_devstack.cluster.choosing import choose, observe
from streamwarden_devstack.cluster.installation import Kafka, install_example, install_operator
from streamwarden_devstack.stack.background import Background

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER.parents[1]
TIMEOUT_S = 900

KEPT = """
[bold]Kept running[/bold]
export KUBECONFIG={kubeconfig}
kubectl get agd,swpol,tct -n web      {kubectl}
cd {folder} && streamwarden watch --kafka {properties}
streamwarden stack down --state-dir {stack}; streamwarden cluster down"""


@dataclass
class Clock:
    """How long each step took."""

    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def step(self, name: str, what: str) -> Iterator[None]:
        print(f"{what} …", flush=True)
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)
        print(f"{what}: {self.seconds[name]:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, default=Path("build/demo-cluster.json"), help="where the figures go")
    parser.add_argument("--pages", type=int, default=PAGES, help="how many pages, from the first one on")
    parser.add_argument("--rate", type=float, default=50, help="pages a second")
    parser.add_argument("--context", default="", help="a cluster of yours: its kubeconfig's context")
    parser.add_argument("--host-address", default="", help="this machine, as pods of a cluster of yours see it")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    arguments = parser.parse_args()
    report = arguments.report.resolve()
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    wanted = Wanted(arguments.context, None, arguments.host_address)
    try:
        code = run(report, wanted, arguments)
    except ClusterError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if code:
        sys.exit(code)
    close(report)


def run(report: Path, wanted: Wanted, arguments: argparse.Namespace) -> int:
    """Bring everything up, let the loop run, and take it away again; return the exit code."""
    clock, build = Clock(), report.parent / "demo-cluster"
    stack = Background(build / "stack")
    ours = not choose(observe(wanted)).status().running
    cluster: Cluster | None = None
    try:
        with clock.step("cluster", "Kubernetes and Streamwarden's images"):
            cluster = open_cluster(wanted, reporter=ConsoleReporter(Console(stderr=True)))
        check_unused(cluster)
        with clock.step("stack", "Kafka and the schema registry"):
            command = ["streamwarden", "stack", "up", "--state-dir", str(stack.folder)]
            subprocess.run([*command, "--address", cluster.host_address], check=True)
        with clock.step("operator", "the operator"):
            install_operator(cluster, kafka_of(stack), SOURCE, build / "operator")
        with clock.step("example", "the example's manifests"):
            install_example(cluster, FOLDER, build / "example")
        code = watch(report, cluster, stack, arguments)
        add_seconds(report, clock)
        if arguments.keep:
            say_kept(cluster, stack)
        return code
    finally:
        if not arguments.keep:
            take_away(cluster, stack, ours=ours)


def check_unused(cluster: Cluster) -> None:
    """Refuse to take over a cluster in which Streamwarden works for somebody already."""
    if cluster.kubectl("get", "namespace", "streamwarden", "web", "--ignore-not-found", "-o", "name"):
        raise ClusterError(
            "this cluster has a namespace 'streamwarden' or 'web' already: end what runs there, as with "
            "'streamwarden cluster down', or use another cluster"
        )


def kafka_of(stack: Background) -> Kafka:
    state = stack.state()
    return Kafka(stack.librdkafka_properties.read_text(), state.registry_url if state else "")


def watch(report: Path, cluster: Cluster, stack: Background, arguments: argparse.Namespace) -> int:
    """Run the producers beside the loop until it is idle; return the exit code of ``streamwarden watch``."""
    python = shlex.quote(sys.executable)
    command = ["streamwarden", "watch", str(FOLDER), "--kafka", str(stack.librdkafka_properties), "--make-users"]
    command += ["--namespace", "web", "--until-idle", "--attempt-bypass", "--report", str(report)]
    command += ["--timeout", str(TIMEOUT_S)]
    command += ["--with", f"{python} producer.py --pages {arguments.pages} --rate {arguments.rate}"]
    command += ["--at-end", f"{python} score.py --pages {arguments.pages}"]
    return subprocess.run(command, check=False, env=environment(cluster)).returncode


def environment(cluster: Cluster) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}


def add_seconds(report: Path, clock: Clock) -> None:
    """Add how long it took until the loop could begin; its own times follow from there."""
    if not report.exists():
        return
    figures = json.loads(report.read_text())
    before = round(sum(clock.seconds.values()), 2)
    seconds = figures["seconds"]
    for name in ("ready", "first_command"):
        seconds[name] = None if seconds[name] is None else round(seconds[name] + before, 2)
    figures["seconds"] = {**seconds, **clock.seconds, "total": round(time.monotonic() - clock.started, 2)}
    report.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


def take_away(cluster: Cluster | None, stack: Background, *, ours: bool) -> None:
    """End what this run has started; a cluster that was there before only loses what was installed."""
    if cluster is not None:
        if ours:
            cluster.provider.down()
        else:
            uninstall(cluster)
    stack.stop()


def uninstall(cluster: Cluster) -> None:
    """Delete the example while the operator can still undo what it made, then the operator and the CRDs."""
    for what in (["namespace", "web"], ["namespace", "streamwarden"]):
        with contextlib.suppress(ClusterError):
            cluster.kubectl("delete", *what, "--ignore-not-found", "--timeout", "120s")
    with contextlib.suppress(ClusterError):
        cluster.kubectl("delete", "-k", SOURCE / "config" / "default", "--ignore-not-found", "--timeout", "60s")


def say_kept(cluster: Cluster, stack: Background) -> None:
    text = KEPT.format(
        kubeconfig=cluster.kubeconfig,
        kubectl=f"(kubectl is {cluster.provider.kubectl})",
        folder=shown(FOLDER),
        properties=stack.librdkafka_properties,
        stack=shown(stack.folder),
    )
    Console(highlight=False).print(text, soft_wrap=True)


def close(report: Path) -> None:
    figures = json.loads(report.read_text())
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    console.print(render(figures))
    console.print(f"\nThese figures as JSON   {shown(report)}", soft_wrap=True)
    if found := problems(figures):
        sys.exit(f"\nThis run does not show what it should: {'; '.join(found)}.")


if __name__ == "__main__":
    main()
