"""The tiny loop of tests/e2e/fixtures as pods: readings come in, valves are opened, all in one namespace."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import yaml
from support.governed import ROOT, Governed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TINY = ROOT / "tests" / "e2e" / "fixtures" / "tiny"
NAMESPACE_FOLDER = ROOT / "config" / "namespace"
Manifest = dict[str, Any]


@dataclass
class Plant:
    """A namespace with the loop; nothing is applied before ``apply``."""

    site: Governed
    agent: dict[str, Any] = field(default_factory=dict)
    """Replaces parts of the AgentDeployment's spec."""
    topics: dict[str, Any] = field(default_factory=dict)
    """The same of all TopicContracts."""
    namespace: str = field(default_factory=lambda: f"plant-{uuid4().hex[:6]}")

    @property
    def readings(self) -> str:
        return f"{self.namespace}.readings"

    @property
    def commands(self) -> str:
        return f"{self.namespace}.valve-commands"

    def manifests(self) -> list[Manifest]:
        """Return namespace and rights first, then contracts, policy, code and agent."""
        return [*self.prepared_namespace(), *self.loop()]

    def prepared_namespace(self) -> list[Manifest]:
        """Return what a platform team applies: config/namespace under this name."""
        found: list[Manifest] = [
            yaml.safe_load((NAMESPACE_FOLDER / name).read_text()) for name in ("namespace.yaml", "role_binding.yaml")
        ]
        found[0]["metadata"]["name"] = self.namespace
        found[1]["metadata"]["namespace"] = self.namespace
        return found

    def loop(self) -> list[Manifest]:
        """Return the three kinds, and the agent's program in a ConfigMap."""
        texts = [(TINY / name).read_text() for name in ("manifests.yaml", "policy.yaml")]
        found: list[Manifest] = [manifest for text in texts for manifest in yaml.safe_load_all(text)]
        for manifest in found:
            manifest["metadata"]["namespace"] = self.namespace
            if manifest["kind"] == "TopicContract":
                name = manifest["spec"]["topicName"].removeprefix("plant.")
                manifest["spec"] = {**manifest["spec"], "topicName": f"{self.namespace}.{name}", "access": {}}
                manifest["spec"] |= self.topics
            elif manifest["kind"] == "AgentDeployment":
                manifest["spec"] |= self._pod() | self.agent
        code: Manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "code", "namespace": self.namespace},
            "data": {"watcher.py": (TINY / "watcher.py").read_text()},
        }
        return [code, *found]

    def _pod(self) -> dict[str, Any]:
        return {
            "image": self.site.cluster.images["agent"],
            "env": [{"name": "PYTHONPATH", "value": "/app"}],
            "volumes": [{"name": "code", "configMap": {"name": "code"}}],
            "volumeMounts": [{"name": "code", "mountPath": "/app", "readOnly": True}],
            "terminationGracePeriodSeconds": 5,
        }

    def apply(self, manifests: Sequence[Manifest] | None = None) -> None:
        """Apply manifests as a user would: everything, unless some are named."""
        documents = yaml.safe_dump_all(self.manifests() if manifests is None else manifests)
        self.site.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=documents)

    def start(self) -> Plant:
        """Apply everything and wait until the agent is ready."""
        self.apply()
        self.wait_ready()
        return self

    def wait_ready(self) -> None:
        self.site.until(lambda: self.condition("agentdeployment", "watcher", "Ready")[0] == "True")

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.site.get(kind, name, self.namespace)

    def condition(self, kind: str, name: str, condition: str) -> tuple[str, str, str]:
        """Return status, reason and message; empty before the operator has said anything of this generation."""
        found = self.get(kind, name)
        for part in found.get("status", {}).get("conditions", ()):
            if part["type"] == condition and part["observedGeneration"] == found["metadata"]["generation"]:
                return part["status"], part["reason"], part.get("message", "")
        return "", "", ""

    def pods(self) -> list[str]:
        """Return the names of the agent's pods that are not ending."""
        return [pod["metadata"]["name"] for pod in self._pods() if "deletionTimestamp" not in pod["metadata"]]

    def every_pod(self) -> set[str]:
        """Return the names of the agent's pods, those that are ending too."""
        return {pod["metadata"]["name"] for pod in self._pods()}

    def _pods(self) -> list[Manifest]:
        selector = "app.kubernetes.io/instance=watcher"
        listed = json.loads(self.site.kubectl("get", "pods", "-n", self.namespace, "-l", selector, "-o", "json"))
        found: list[Manifest] = listed["items"]
        return found

    def run_in(self, container: str, script: str) -> str:
        """Run Python in a container of the agent's first pod, as somebody who got into it would."""
        command = ("exec", self.pods()[0], "-n", self.namespace, "-c", container, "--", "python", "-c", script)
        return self.site.kubectl(*command)

    def produce(self, numbers: Iterable[int]) -> None:
        """Write readings: of pressure 0 to 99 in turn, so half of them are allowed."""
        self.site.kafka.produce(self.readings, [reading(number) for number in numbers])

    def judged(self) -> Counter[tuple[str, str]]:
        """Count the audit records by valve and verdict; a skipped range has no valve."""
        topic = f"{self.namespace}.streamwarden.audit"
        records = (json.loads(message.value() or b"{}") for message in self.site.kafka.read_all(topic))
        return Counter((record["decision"].get("entity") or "", record["verdict"]) for record in records)

    def commanded(self) -> Counter[str]:
        """Count the commands by valve."""
        return Counter((message.key() or b"").decode() for message in self.site.kafka.read_all(self.commands))

    def wait_judged(self, count: int) -> None:
        """Wait until so many decisions were judged."""
        self.site.until(lambda: sum(self.judged().values()) >= count)

    def expect_each_once(self, numbers: range) -> None:
        """Assert that each reading was judged once, and each that is sure enough commanded once."""
        self.wait_judged(len(numbers))
        verdicts = {number: "Allow" if number % 100 >= 50 else "Deny" for number in numbers}
        assert self.judged() == Counter((valve(number), verdict) for number, verdict in verdicts.items())
        expected = Counter(valve(number) for number, verdict in verdicts.items() if verdict == "Allow")
        self.site.until(lambda: sum(self.commanded().values()) >= len(expected))
        assert self.commanded() == expected

    def delete_namespace(self) -> None:
        """Begin to delete everything in one go."""
        self.site.kubectl("delete", "namespace", self.namespace, "--wait=false")


def valve(number: int) -> str:
    return f"valve-{number:04}"


def reading(number: int) -> tuple[bytes, bytes, list[tuple[str, str]]]:
    headers = {
        "ce_specversion": "1.0",
        "ce_id": f"reading-{number}",
        "ce_source": "/plant/sensors",
        "ce_type": "reading.taken",
        "ce_subject": valve(number),
        "content-type": "application/json",
    }
    return valve(number).encode(), json.dumps({"pressure": number % 100}).encode(), list(headers.items())
