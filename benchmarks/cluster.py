"""The operator on a real node: how long people and records wait, and how much it asks of the API server.

One agent with two partitions, its gates as sidecars, everything on one machine. A burst finds no pod; a Policy is
edited through the API server again and again; then nothing happens for a while.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import ROOT, Figures, Goal, Result, percentile
from streamwarden_contract.models import Policy
from streamwarden_operator.adapters.kubernetes.client import JSON_PATCH, KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.errors import Request
from streamwarden_operator.adapters.kubernetes.resource_types import POD, type_of_kind

sys.path.insert(0, str(ROOT / "tests"))  # the same installation as the node tests'

from support.governed import Governed, installed  # needs the path above
from support.plant import Plant  # likewise

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "cluster"
BURST = 10_000
EDITS = 30
IDLE_S = 60.0
PATIENCE_S = 300.0
SCALING = {"minReplicaCount": 0, "maxReplicaCount": 2, "lagThreshold": 500, "pollingInterval": 1, "cooldownPeriod": 600}
POLICIES = type_of_kind(Policy)
GOALS = (
    Goal("burst_to_first_pod_s", "below", 5),
    Goal("policy_applied_to_in_force_p99_ms", "below", 1_000),
    Goal("idle_writes", "below", 1),
)
_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_OURS = frozenset(
    {"agentdeployments", "policies", "topiccontracts", "deployments", "secrets", "configmaps", "pods", "events"}
    | {"serviceaccounts", "networkpolicies", "poddisruptionbudgets"}
)
_WRITES = frozenset({"APPLY", "PATCH", "POST", "PUT", "DELETE"})


def run() -> Result:
    """Install everything, measure, take it away, and return the figures."""
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as folder, installed(Path(folder)) as site:
        return asyncio.run(_measure(site))


async def _measure(site: Governed) -> Result:
    os.environ["KUBECONFIG"] = str(site.cluster.kubeconfig)
    configuration = await load_configuration()
    client = KubernetesClient(configuration, timeout_s=30)
    try:
        plant = Plant(site, agent={"scaling": SCALING})
        await asyncio.to_thread(plant.apply)
        await _until(lambda: plant.condition("agentdeployment", "watcher", "Ready")[1] == "ScaledToZero")
        figures = {**await _burst(plant, client), **await _edits(plant, client), **await _idle(site)}
    finally:
        await client.close()
    notes = (f"{BURST:,} records at once, two partitions; {EDITS} edits with two gates", f"idle for {IDLE_S:g} s")
    return Result(NAME, figures, GOALS, notes)


async def _burst(plant: Plant, client: KubernetesClient) -> Figures:
    """Write everything while there is no pod, and wait for the first pod, its readiness, and the end of the lag."""
    await asyncio.to_thread(plant.produce, range(BURST))
    written_s = time.monotonic()
    while not await _pods(plant, client):  # noqa: ASYNC110  # a state, asked for
        await asyncio.sleep(0.05)
    first_s = time.monotonic() - written_s
    await _until(lambda: plant.pods() and plant.condition("agentdeployment", "watcher", "Ready")[1] == "OK")
    ready_s = time.monotonic() - written_s
    topic = f"{plant.namespace}.streamwarden.audit"
    kafka = plant.site.kafka
    group, decisions = f"{plant.namespace}.watcher.gate", f"{plant.namespace}.watcher.decisions"
    agent = f"{plant.namespace}.watcher.agent"

    def done() -> bool:
        read = kafka.committed(agent, plant.readings) == kafka.end_offsets(plant.readings)
        return read and kafka.committed(group, decisions) == kafka.end_offsets(decisions)

    await _until(done)
    gone_s = time.monotonic() - written_s
    audited = len(await asyncio.to_thread(kafka.read_all, topic))
    assert audited == BURST, f"{audited} of {BURST} judged"
    return {
        "burst_to_first_pod_s": round(first_s, 2),
        "burst_to_ready_s": round(ready_s, 2),
        "burst_to_lag_gone_s": round(gone_s, 2),
    }


async def _edits(plant: Plant, client: KubernetesClient) -> Figures:
    """Edit the policy again and again; in force is when its status says that every gate has it."""
    before, own = await asyncio.to_thread(_requests, plant.site), client.requests.copy()
    applied_ms: list[float] = []
    published_ms: list[float] = []
    for number in range(EDITS):
        edit = [{"op": "replace", "path": "/spec/rules/0/require", "value": f"decision.confidence >= 0.{500 + number}"}]
        revision = (await _policy(plant, client))["status"]["revision"]
        started_s = time.monotonic()
        request = Request("patch", POLICIES, plant.namespace, "careful")
        await client.patch(request, edit, content_type=JSON_PATCH, manager="benchmark")
        while True:
            status = (await _policy(plant, client))["status"]
            took = status.get("rollout", {}).get("convergedAfter", "")
            if status["revision"] > revision and took and status["rollout"]["updated"] == status["rollout"]["gates"]:
                break
            await asyncio.sleep(0.005)
        applied_ms.append((time.monotonic() - started_s) * 1000)
        published_ms.append(float(took.removesuffix("ms")))
    asked = await asyncio.to_thread(_requests, plant.site) - before
    for (verb, resource), count in (client.requests - own).items():
        asked[verb.upper(), resource.partition(".")[0]] -= count
    writes = sum(count for (verb, _), count in asked.items() if verb in _WRITES and count > 0)
    reads = sum(count for (verb, _), count in asked.items() if verb in {"GET", "LIST"} and count > 0)
    return {
        "policy_applied_to_in_force_p50_ms": round(percentile(applied_ms, 0.5), 1),
        "policy_applied_to_in_force_p99_ms": round(percentile(applied_ms, 0.99), 1),
        "policy_published_to_in_force_p50_ms": round(percentile(published_ms, 0.5), 1),
        "policy_published_to_in_force_p99_ms": round(percentile(published_ms, 0.99), 1),
        "api_writes_per_edit": round(writes / EDITS, 2),
        "api_reads_per_edit": round(reads / EDITS, 2),
    }


async def _idle(site: Governed) -> Figures:
    """Let nothing happen."""
    await asyncio.sleep(5)  # what the last edit woke comes to rest
    before = await asyncio.to_thread(_requests, site)
    await asyncio.sleep(IDLE_S)
    asked = await asyncio.to_thread(_requests, site) - before
    ours = {(verb, resource): count for (verb, resource), count in asked.items() if resource != "events"}
    return {"idle_writes": float(sum(count for (verb, _), count in ours.items() if verb in _WRITES))}


def _requests(site: Governed) -> Counter[tuple[str, str]]:
    """Count what the API server was asked about resources that the operator keeps, by verb and resource."""
    found: Counter[tuple[str, str]] = Counter()
    for line in _REQUESTS.finditer(site.kubectl("get", "--raw", "/metrics")):
        labels = dict(_LABEL.findall(line["labels"]))
        if labels["resource"] in _OURS and labels["verb"] != "WATCH":
            found[labels["verb"], labels["resource"]] += int(float(line["count"]))
    return found


async def _policy(plant: Plant, client: KubernetesClient) -> dict[str, Any]:
    found = await client.get(POLICIES, plant.namespace, "careful")
    assert found is not None
    return found


async def _pods(plant: Plant, client: KubernetesClient) -> int:
    selector = "app.kubernetes.io/instance=watcher"
    return sum([len(page) async for page, _ in client.pages(POD, plant.namespace, selector)])


async def _until(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline_s, "it never came to that"
        await asyncio.sleep(0.05)
