"""A cluster with an operator or several beside it: processes with the rights of config/, an API server, a Kafka.

There is no node: a test marks the agent's pod as a kubelet would, and reports for its gate.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from streamwarden_contract.acks import GateAck, ReadFormats
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.names import InstallationNames, NamespaceNames
from streamwarden_contract.policylog import NEWEST_FORMAT
from support.api_server import OPERATOR_USER, ROOT, running_api_server, write_overlay
from support.kubernetes_side import conditions
from support.operator_process import COMMAND, OperatorProcess, allow_lease, until
from support.producers import behind_newer, written_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.api_server import ApiServer
    from support.producers import WrittenBatch
    from support.stack_fixture import RunningStack

KINDS = "topiccontracts,policies,agentdeployments"
GATE = "registry.example/gate:1"
CLOCK = Path(__file__).with_name("clock_ahead.py")


class Site:
    """A cluster with the samples, and the operator beside it."""

    def __init__(
        self, server: ApiServer, stack: RunningStack, folder: Path, *, namespace: str, installation: str
    ) -> None:
        self.server, self.stack, self._folder = server, stack, folder
        self.namespace, self.installation = namespace, installation
        self._properties = folder / "librdkafka.properties"
        self._properties.write_text(stack.operator.render())
        self._operators: list[OperatorProcess] = []

    @property
    def operator(self) -> OperatorProcess:
        """The one that was started last."""
        return self._operators[-1]

    def start(self, *, url: str = "", gate_image: str = GATE, ahead_s: float = 0.0) -> OperatorProcess:
        """Start one more operator.

        Args:
            url: where it is told that the API server is; empty: where that is.
            gate_image: which gate it gives pods: each version of the operator has its own.
            ahead_s: how much its clock is ahead of ours.
        """
        operator = OperatorProcess(
            self._folder,
            self.server.kubeconfig_of(OPERATOR_USER, url),
            (COMMAND, "run") if not ahead_s else (sys.executable, CLOCK, str(ahead_s), "run"),
            kafka_properties=self._properties,
            registry_url=self.stack.registry_url,
            gate_image=gate_image,
            first_retry="0:00:00.1",
            installation=self.installation,
            principal="User:streamwarden.operator",
        )
        self._operators.append(operator)
        operator.wait_ready()
        return operator

    def lead(self, *, url: str = "", gate_image: str = GATE, ahead_s: float = 0.0) -> OperatorProcess:
        """Start one where none runs; returns once it leads, and works."""
        operator = self.start(url=url, gate_image=gate_image, ahead_s=ahead_s)
        self.until(lambda: operator.has_said("operator works"))
        return operator

    def stand_by(self, *, gate_image: str = GATE, ahead_s: float = 0.0) -> OperatorProcess:
        """Start one beside another; returns once it has seen that it does not lead."""
        operator = self.start(gate_image=gate_image, ahead_s=ahead_s)
        self.until(lambda: operator.has_said("stands by"))
        return operator

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.server.kubectl("get", kind, name, "-n", self.namespace, "-o", "json"))
        return found

    def names(self, kinds: str, selector: str = "") -> set[str]:
        options = ["-l", selector] if selector else []
        listed = self.server.kubectl("get", kinds, "-n", self.namespace, "-o", "name", *options)
        return set(listed.split())

    def ready(self, kind: str, name: str) -> tuple[str, str]:
        found: tuple[str, str] = conditions(self.get(kind, name)).get("Ready", ("", ""))
        return found

    def is_ready(self, kind: str, name: str) -> bool:
        return self.ready(kind, name) == ("True", "OK")

    def explain(self) -> str:
        return self.server.kubectl("get", KINDS, "-A", "-o", "yaml") + self.operator.text()

    def until(self, holds: Callable[[], object]) -> None:
        until(holds, self.explain)

    def pod(self) -> str:
        (pod,) = self.names("pods")
        return pod.removeprefix("pod/")

    def run_pod(self) -> None:
        """Say that the pod's agent is ready, as a kubelet would."""
        self.server.say_ready(self.namespace, self.pod())

    def acknowledge(self) -> None:
        """Report for the pod's gate that it has its policies in force."""
        agent = self.get("agentdeployment", "url-guard")
        refs = tuple(PolicyRef.model_validate(ref) for ref in agent["status"]["policies"])
        ack = GateAck(
            namespace=self.namespace,
            agent="url-guard",
            agent_uid=agent["metadata"]["uid"],
            pod=self.pod(),
            state="InForce",
            policies=refs,
            formats=ReadFormats(policy_log=NEWEST_FORMAT),
            reported_at_ms=1,
        )
        producer = Producer(dict(self.stack.operator_properties))
        producer.produce(NamespaceNames(self.namespace).gates, key=ack.key, value=ack.encode())
        assert producer.flush(30) == 0

    def edit_policy(self) -> None:
        """Edit a policy, and wait until that is published and said."""
        name = "url-blocking-stricter"
        before = self.get("policy.streamwarden.io", name)
        flipped = "Audit" if before["spec"].get("failureAction") == "Enforce" else "Enforce"
        patch = json.dumps({"spec": {"failureAction": flipped}})
        self.server.kubectl("patch", "policy.streamwarden.io", name, "-n", self.namespace, "--type=merge", "-p", patch)
        revision = before.get("status", {}).get("revision", 0)
        self.until(lambda: self.get("policy.streamwarden.io", name)["status"].get("revision", 0) > revision)

    def assert_one_after_the_other(self, first: OperatorProcess, second: OperatorProcess) -> None:
        """Two have written, and the first nothing any more once the second did: neither here nor in Kafka."""
        written = self.server.writes(first.user_agent), self.server.writes(second.user_agent)
        assert all(written)
        assert written[0][-1][0] < written[1][0][0], (written[0][-1], written[1][0])
        published = self.published()
        assert behind_newer(published) == []
        by_time = sorted((batch for batch in published if not batch.is_marker), key=lambda batch: batch.at_ms)
        assert [batch.epoch for batch in by_time] == sorted(batch.epoch for batch in by_time)

    def annotate(self, kind: str, name: str, annotation: str) -> None:
        self.server.kubectl("annotate", kind, name, "-n", self.namespace, "--overwrite", annotation)

    def close(self) -> None:
        for operator in self._operators:
            operator.close()

    def gate_image(self) -> str:
        """Return the image of the gate in the agent's Deployment; empty where there is none."""
        if "deployment.apps/url-guard" not in self.names("deployments"):
            return ""
        pod = self.get("deployment", "url-guard")["spec"]["template"]["spec"]
        return str(pod["initContainers"][0]["image"])

    def lease_ahead_s(self) -> float:
        """Return how much the clock that the Lease was renewed by is ahead of ours."""
        lease = InstallationNames(self.installation).lease
        said = self.server.kubectl("get", "lease", lease, "-n", "streamwarden", "-o", "jsonpath={.spec.renewTime}")
        return (dt.datetime.fromisoformat(said) - dt.datetime.now(dt.UTC)).total_seconds()

    def delete_lease(self) -> None:
        """Delete it, as somebody might by hand."""
        self.server.kubectl("delete", "lease", InstallationNames(self.installation).lease, "-n", "streamwarden")

    def stop_all(self) -> None:
        """Let every operator end as it should; the next one need not wait for the Lease."""
        for operator in self._operators:
            if not operator.ended():
                operator.stop()

    def apply_samples(self) -> None:
        """Apply config/samples as a user would, in this namespace and with topics of its name."""
        for file in sorted((ROOT / "config" / "samples").iterdir()):
            text = file.read_text().replace("risk", self.namespace)
            self.server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=text)

    def published(self) -> list[WrittenBatch]:
        """Return what publishers of this installation have written in Kafka, in the order of its logs."""
        names = InstallationNames(self.installation)
        topics = (NamespaceNames(self.namespace).policies, names.guardrails, names.inventory)
        return [batch for topic in topics for batch in written_batches(self.stack.operator, topic)]


@contextmanager
def running_site(
    folder: Path, stack: RunningStack, *, namespace: str = "risk", installation: str = "site"
) -> Iterator[Site]:
    """Run a cluster with the samples in a prepared namespace; operators are started by who uses it.

    Args:
        folder: where files may be.
        stack: the run's Kafka and registry.
        namespace: no other operator of this Kafka may have it.
        installation: likewise: it has a key of its own.
    """
    write_overlay(folder, "namespace", namespace=namespace)
    (folder / "api-server").mkdir()
    with running_api_server(folder / "api-server") as server:
        for base in (ROOT / "config" / "default", folder):
            server.kubectl("apply", "--server-side", "-k", str(base))
        allow_lease(server, installation)
        server.wait_ours_served()
        made = Site(server, stack, folder, namespace=namespace, installation=installation)
        made.apply_samples()
        try:
            yield made
        finally:
            made.close()
