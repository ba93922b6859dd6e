"""Many AgentDeployments at once, on a real API server and a real Kafka: when do all stand, and in how much memory?

There is no node: an agent stands here when its topics, users, ACLs, binding and Deployment are there, and only its pods
are missing. Then nothing happens for a while, and nothing must be written.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import ROOT, Figures, Goal, Result
from streamwarden_contract.models import AgentDeployment
from streamwarden_devstack.stack import Stack
from streamwarden_operator.adapters.kubernetes.resource_types import type_of_kind

sys.path.insert(0, str(ROOT / "tests"))  # the same API server as the tests'

from support.api_server import OPERATOR_USER, ApiServer, find_programs  # needs the path above
from support.operator_process import OperatorProcess  # likewise

if TYPE_CHECKING:
    from streamwarden_kafka.connection import Connection
    from streamwarden_operator.adapters.kubernetes.client import KubernetesClient

NAME = "many_agents"
AGENTS = 300
IDLE_S = 60.0
PATIENCE_S = 1_200.0
NAMESPACE = "crowd"
GOALS = (
    Goal("agents_per_s", "at least", 8.3),  # a thousand in two minutes
    Goal("memory_mib", "below", 300),
    Goal("idle_writes", "below", 1),
)
RESOURCE = type_of_kind(AgentDeployment)
_WRITES = re.compile(
    r'^apiserver_request_total\{[^}]*resource="(?:agentdeployments|deployments|secrets|configmaps)"[^}]*'
    r'verb="(?:APPLY|PATCH|POST|PUT|DELETE)"[^}]*\} ([0-9.e+]+)$',
    re.MULTILINE,
)


def run() -> Result:
    """Start everything, measure, and return the figures."""
    return asyncio.run(_run())


async def _run() -> Result:
    programs = find_programs()
    if programs is None:
        raise SystemExit("no kube-apiserver here: 'streamwarden cluster build' makes one")
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as name:
        folder = Path(name)
        server = ApiServer(folder, programs)
        async with Stack(folder / "stack", registry=False) as stack:
            try:
                await server.start()
                return await asyncio.to_thread(_prepared, server, folder, stack.operator)
            finally:
                await server.stop()


def _prepared(server: ApiServer, folder: Path, operator: Connection) -> Result:
    server.kubectl("apply", "--server-side", "-k", str(ROOT / "config" / "default"))
    overlay = folder / "namespace"
    overlay.mkdir()
    base = "/".join([".."] * len(overlay.resolve().parts[1:])) + str(ROOT / "config" / "namespace")
    (overlay / "kustomization.yaml").write_text(f"namespace: {NAMESPACE}\nresources: [{base}]\n")
    server.kubectl("apply", "--server-side", "-k", str(overlay))
    server.apply(_contract("pages"), _contract("commands"), _policy())
    file = folder / "librdkafka.properties"
    file.write_text(operator.render())
    operator = OperatorProcess(
        folder, server.kubeconfig_of(OPERATOR_USER), kafka_properties=file, gate_image="registry.example/gate:1"
    )
    try:
        operator.wait_ready()
        figures = asyncio.run(_measure(server, operator))
    finally:
        operator.close()
    return Result(NAME, figures, GOALS, (f"{AGENTS:,} agents of one namespace", f"idle for {IDLE_S:g} s"))


async def _measure(server: ApiServer, operator: OperatorProcess) -> Figures:
    client = server.client(timeout_s=60)
    try:
        began_s = time.monotonic()
        limit = asyncio.Semaphore(16)

        async def apply(number: int) -> None:
            async with limit:
                await client.apply(RESOURCE, _agent(number), manager="benchmark")

        await asyncio.gather(*(apply(number) for number in range(AGENTS)))
        applied_s = time.monotonic() - began_s
        while await _standing(client) < AGENTS:
            assert time.monotonic() - began_s < PATIENCE_S, operator.text()[-2000:]
            await asyncio.sleep(1)
        standing_s = time.monotonic() - began_s
        await asyncio.sleep(10)  # what was woken comes to rest
        before = _writes(server)
        await asyncio.sleep(IDLE_S)
        return {
            "all_applied_s": round(applied_s, 1),
            "all_standing_s": round(standing_s, 1),
            "agents_per_s": round(AGENTS / standing_s, 2),
            "memory_mib": round(operator.peak_memory_bytes() / 2**20, 1),
            "idle_writes": _writes(server) - before,
        }
    finally:
        await client.close()


async def _standing(client: KubernetesClient) -> int:
    count = 0
    async for page, _ in client.pages(RESOURCE, NAMESPACE):
        for agent in page:
            conditions = {part["type"]: part["status"] for part in agent.get("status", {}).get("conditions", ())}
            reasons = {part["type"]: part["reason"] for part in agent.get("status", {}).get("conditions", ())}
            count += conditions.get("AccessReady") == "True" and reasons.get("GateReady") == "GateNotReady"
    return count


def _writes(server: ApiServer) -> float:
    return sum(float(count) for count in _WRITES.findall(server.kubectl("get", "--raw", "/metrics")))


def _object(kind: str, name: str, spec: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "streamwarden.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def _contract(name: str) -> dict[str, Any]:
    return _object("TopicContract", name, {"topicName": f"{NAMESPACE}.{name}", "partitions": 1}, {})


def _policy() -> dict[str, Any]:
    rules = [{"name": "sure", "require": "decision.confidence >= 0.8"}]
    match = {"agentSelector": {"matchLabels": {"role": "crowd"}}}
    return _object("Policy", "careful", {"match": match, "rules": rules}, {})


def _agent(number: int) -> dict[str, Any]:
    spec = {
        "image": "registry.example/agent:1",
        "agent": {"entrypoint": "agent:agent"},
        "inputs": [{"name": "pages", "topicRef": {"name": "pages"}}],
        "decisions": [{"type": "block", "commandTopicRef": {"name": "commands"}}],
    }
    return _object("AgentDeployment", f"agent-{number:04}", spec, {"role": "crowd"})
