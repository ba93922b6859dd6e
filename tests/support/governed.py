"""Streamwarden on a real node: the operator as a Deployment, Kafka at an address that pods reach.

Once a session; each test takes a namespace of its own (``Plant``), and nothing is cleaned between them.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from streamwarden_devstack.cluster import Cluster, ClusterError, ConsoleReporter, open_cluster
from streamwarden_devstack.cluster.choosing import choose, observe
from streamwarden_devstack.cluster.installation import Kafka, install_operator
from support.kafka_tools import Cluster as KafkaCluster
from support.kafka_tools import holds
from support.stack_fixture import OwnStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PATIENCE_S = 180.0
"""Far more than anything takes on a busy machine; only a broken run waits so long."""


@dataclass(frozen=True)
class Governed:
    """The installation."""

    cluster: Cluster
    stack: OwnStack
    kafka: KafkaCluster
    """With the operator's own rights."""

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self.cluster.kubectl(*arguments, stdin=stdin)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def explain(self) -> str:
        """Return what a person would look at first."""
        looks = (
            ("get", "agentdeployments,policies,topiccontracts,pods", "-A", "-o", "wide"),
            ("get", "events", "-A", "--sort-by=.lastTimestamp"),
            ("logs", "-n", "streamwarden", "deployment/streamwarden-operator", "--tail=60"),
        )
        return "\n".join(self._look(look) for look in looks)

    def until(self, condition: Callable[[], object], wait_s: float = PATIENCE_S) -> None:
        """Wait until something holds; fail with what a person would look at."""
        deadline = time.monotonic() + wait_s
        while not holds(condition):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {wait_s:g} s; this is how it stands:\n{self.explain()}")
            time.sleep(0.2)  # each look starts a kubectl

    def _look(self, arguments: tuple[str, ...]) -> str:
        try:
            return self.kubectl(*arguments)
        except ClusterError as error:
            return str(error)


@contextmanager
def installed(folder: Path) -> Iterator[Governed]:
    """Install everything; a cluster that was not there before is taken away at the end.

    Raises:
        ClusterError: no cluster is possible here, or it did not come up.
    """
    provider = choose(observe())
    was_up = provider.status().running
    cluster = open_cluster(reporter=ConsoleReporter(Console(stderr=True)))
    try:
        with running_stack(folder / "stack", address=cluster.host_address) as stack:
            install_operator(cluster, Kafka(stack.operator.render(), stack.registry_url), ROOT, folder / "operator")
            yield Governed(cluster, stack, KafkaCluster(stack.operator_properties))
    finally:
        if not was_up and os.environ.get("KEEP_CLUSTER") != "1":
            provider.down()
