"""Many AgentDeployments at once, on a real API server and a real Kafka: when do all stand, and what does that take?

There is no kubelet: ``crowd`` says for each pod what a kubelet and a gate would say, so that an agent stands when it
is ``Ready``. A Policy is edited meanwhile, and after; then nothing happens for a while, and nothing must be written. At
last a bare client makes the same objects and entries in Kafka: that is the floor. ``MANY_AGENTS`` says how many, and
``MANY_AGENTS_SETTINGS`` what else to set of the operator, as JSON (``{"workers": 32}``).

Beside each edit a bare publisher writes as many records of the same size as soon as a watch has told it, with no
operator: that is the floor of an edit.

Processor times are read from Linux, of each process: they hold on a machine where others are busy, as seconds do not.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import bare_publisher
import crowd
import floor
import httpx
import policy_reader
from harness import ROOT, Figures, Goal, Result, percentile
from processes import PARTS, cpu_seconds
from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_contract.names import NamespaceNames
from streamwarden_devstack.stack import Stack
from streamwarden_operator.adapters.kubernetes.client import JSON_PATCH
from streamwarden_operator.adapters.kubernetes.errors import Request
from streamwarden_operator.adapters.kubernetes.resource_types import OWNED, POD, SECRET, type_of_kind
from streamwarden_operator.desired.names import INSTANCE_LABEL

sys.path.insert(0, str(ROOT / "tests"))  # the same API server as the tests'

from support.api_server import OPERATOR_USER, ApiServer, find_programs  # needs the path above
from support.operator_process import OperatorProcess  # likewise

if TYPE_CHECKING:
    from streamwarden_kafka.connection import Connection
    from streamwarden_operator.adapters.kubernetes.client import KubernetesClient

NAME = "many_agents"
AGENTS = int(os.environ.get("MANY_AGENTS", "300"))
SETTINGS: dict[str, object] = json.loads(os.environ.get("MANY_AGENTS_SETTINGS", "{}"))
EDIT_EVERY_S, EDITS_AFTER = 2.0, 30
IDLE_S, _REST_S = 300.0, 5.0
"""Seconds: the first is a resync's interval, so that all is in it that is done now and then."""
PATIENCE_S = 1_500.0
GOALS = (
    Goal("all_standing_s", "below", 60),  # of a thousand
    Goal("memory_mib", "below", 400),
    Goal("loop_held_s", "below", 0.1),
    Goal("edit_in_storm_over_bare_watch_p99_ms", "below", 500),
    Goal("idle_writes", "below", 1),
    Goal("idle_cpu_percent", "below", 3),
)
RESOURCE, POLICIES = type_of_kind(AgentDeployment), type_of_kind(Policy)
_COUNTED = re.compile(r"^streamwarden_operator_(\w+)(?:\{(.*)\})? ([0-9.e+-]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_READS = frozenset({"get", "list"})


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


def _prepared(server: ApiServer, folder: Path, kafka: Connection) -> Result:
    server.kubectl("apply", "--server-side", "-k", str(ROOT / "config" / "default"))
    overlay = folder / "namespace"
    overlay.mkdir()
    base = "/".join([".."] * len(overlay.resolve().parts[1:])) + str(ROOT / "config" / "namespace")
    (overlay / "kustomization.yaml").write_text(f"namespace: {crowd.NAMESPACE}\nresources: [{base}]\n")
    server.kubectl("apply", "--server-side", "-k", str(overlay))
    server.apply(crowd.contract("pages"), crowd.contract("commands"), crowd.policy())
    file = folder / "librdkafka.properties"
    file.write_text(kafka.render())
    operator = OperatorProcess(
        folder,
        server.kubeconfig_of(OPERATOR_USER),
        kafka_properties=file,
        gate_image="registry.example/gate:1",
        **SETTINGS,
    )
    try:
        operator.wait_ready()
        figures = asyncio.run(_Crowd(server, operator, kafka, file).measure())
    finally:
        operator.close()
    figures |= asyncio.run(_floor(server, folder, file))
    for part in ("api_server", "kafka"):
        figures[f"{part}_over_floor"] = round(
            figures[f"{part}_cpu_ms_per_agent"] / figures[f"floor_{part}_cpu_ms_per_agent"], 2
        )
    notes = (
        f"{AGENTS:,} agents of one namespace; pods and gates are said, not run; idle for {IDLE_S:g} s",
        f"a Policy is edited every {EDIT_EVERY_S:g} s while they come up, and {EDITS_AFTER} times after",
    )
    return Result(NAME, figures, GOALS, notes)


class _Waits(NamedTuple):
    """Milliseconds from an edit until it could be read by a gate, by a bare watch, and from a bare publisher."""

    published: float
    bare_watch: float
    bare_publisher: float


class _Crowd:
    """One storm, and the calm after it."""

    def __init__(self, server: ApiServer, operator: OperatorProcess, kafka: Connection, properties: Path) -> None:
        self._server, self._operator = server, operator
        self._client = server.client(timeout_s=120)
        self._uids: dict[str, str] = {}
        self._gates = crowd.Gates(kafka.librdkafka(), self._uids)
        topic, kubeconfig = NamespaceNames(crowd.NAMESPACE).policies, server.kubeconfig_of("admin")
        self._published = crowd.ReadEdits(policy_reader.__file__, properties, topic)
        self._bare = crowd.ReadEdits(bare_publisher.__file__, kubeconfig, properties, crowd.NAMESPACE)
        self._standing: set[str] = set()
        self._seen_s: dict[str, float] = {}
        """By the text of the policy's rule: when a bare watch had it."""
        self._tasks: list[asyncio.Task[None]] = []
        self._edits = 0

    async def measure(self) -> Figures:
        pods = crowd.run_pods(self._client, crowd.NAMESPACE, self._gates, set())
        looks = (self._look_at_agents(), self._look_at_policies(), pods)
        self._tasks = tasks = [asyncio.create_task(each) for each in looks]
        try:
            await self._until(lambda: bool(self._seen_s))
            await self._until_published()
            self._gates.start()
            self._published.start()
            self._bare.start()
            await self._until(lambda: crowd.rule(0) in self._bare.read_s)
            storm = await self._storm()
            after = await self._edit_many(EDITS_AFTER)
            return {**storm, **_waits("edit_after", after), **await self._idle()}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._gates.stop)
            self._published.stop()
            self._bare.stop()
            await self._client.close()

    async def _storm(self) -> Figures:
        cpu, counted, began_s = cpu_seconds(), self._counts(), time.monotonic()
        editing = asyncio.create_task(self._edit_while(lambda: len(self._standing) < AGENTS))
        limit = asyncio.Semaphore(16)

        async def apply(number: int) -> None:
            async with limit:
                made = await self._client.apply(RESOURCE, crowd.agent(number), manager="benchmark")
                self._uids[made["metadata"]["name"]] = made["metadata"]["uid"]

        await asyncio.gather(*(apply(number) for number in range(AGENTS)))
        applied_s = time.monotonic() - began_s
        await self._until(lambda: len(self._standing) == AGENTS)
        standing_s = time.monotonic() - began_s
        edits = await editing
        await asyncio.sleep(5)  # what was woken comes to rest
        taken = {part: took - cpu[part] for part, took in cpu_seconds().items()}
        now = self._counts()
        lags = [(float(labels["le"]), count) for labels, count in _series(now, "event_loop_lag_seconds_bucket")]
        return {
            "agents": AGENTS,
            "all_applied_s": round(applied_s, 1),
            "all_standing_s": round(standing_s, 1),
            **{f"{part}_cpu_ms_per_agent": round(1000 * taken[part] / AGENTS, 1) for part in PARTS},
            **_per_agent(now, counted),
            "epochs": self._gates.epochs,
            "acks_per_agent": round(self._gates.acks / AGENTS, 1),
            "memory_mib": round(self._operator.peak_memory_bytes() / 2**20, 1),
            "loop_held_s": round(sum(count for _, count in _series(now, "event_loop_longest_hold_seconds")), 3),
            "loop_lag_over_100_ms": max(count for _, count in lags)
            - max((count for bound, count in lags if bound <= 0.1), default=0),
            **_waits("edit_in_storm", edits),
        }

    async def _idle(self) -> Figures:
        rest_s = await self._come_to_rest()
        counted, cpu = self._counts(), cpu_seconds()
        await asyncio.sleep(IDLE_S)
        taken, now = cpu_seconds()["operator"] - cpu["operator"], self._counts()
        return {
            "at_rest_after_s": round(rest_s, 1),
            "idle_writes": _writes(now) - _writes(counted),
            "idle_cpu_percent": round(100 * taken / IDLE_S, 2),
        }

    async def _come_to_rest(self) -> float:
        """Wait until nothing is written for a while, and return how long that took."""
        began_s, written = time.monotonic(), -1.0
        while (now := _writes(self._counts())) != written:
            assert time.monotonic() - began_s < PATIENCE_S, "it writes on and on"
            written = now
            await asyncio.sleep(_REST_S)
        return time.monotonic() - began_s - _REST_S

    async def _edit_while(self, goes_on: Any) -> list[_Waits]:  # noqa: ANN401  # a condition
        waits: list[_Waits] = []
        while goes_on():
            waits += await self._edit_many(1)
            await asyncio.sleep(EDIT_EVERY_S)
        return waits

    async def _edit_many(self, times: int) -> list[_Waits]:
        """Edit the policy; return how long it took until each who looks for it had it."""
        waits, looks = [], (self._published.read_s, self._seen_s, self._bare.read_s)
        for _ in range(times):
            self._edits += 1
            text, began_s = crowd.rule(self._edits), time.monotonic()
            edit = [{"op": "replace", "path": "/spec/rules/0/require", "value": text}]
            request = Request("patch", POLICIES, crowd.NAMESPACE, crowd.POLICY)
            await self._client.patch(request, edit, content_type=JSON_PATCH, manager="benchmark")
            await self._until(lambda text=text: all(text in each for each in looks))
            waits.append(_Waits(*(1000 * (each[text] - began_s) for each in looks)))
        return waits

    async def _until_published(self) -> None:
        """Wait until the namespace has a policy log: gates would not start before."""
        while True:
            found = await self._client.get(POLICIES, crowd.NAMESPACE, crowd.POLICY)
            if found is not None and found.get("status", {}).get("revision"):
                return
            await asyncio.sleep(0.2)

    async def _look_at_agents(self) -> None:
        async for found in crowd.watch(self._client, RESOURCE, crowd.NAMESPACE):
            conditions = {part["type"]: part["status"] for part in found.get("status", {}).get("conditions", ())}
            if conditions.get("Ready") == "True":
                self._standing.add(found["metadata"]["name"])

    async def _look_at_policies(self) -> None:
        async for found in crowd.watch(self._client, POLICIES, crowd.NAMESPACE):
            self._seen_s.setdefault(found["spec"]["rules"][0]["require"], time.monotonic())

    async def _until(self, holds: Any) -> None:  # noqa: ANN401  # a condition
        deadline_s = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline_s, f"{len(self._standing)} stand: {self._operator.text()[-3000:]}"
            assert not self._operator.ended(), f"the operator has ended: {self._operator.text()[-3000:]}"
            readers = self._published, self._bare
            assert not any(each.ended() for each in readers), "who reads edits has ended"
            for task in self._tasks:
                if task.done():
                    task.result()  # says why it failed, if it did
                    raise AssertionError("a watch has ended")
            await asyncio.sleep(0.005)

    def _counts(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        text = httpx.get(f"http://127.0.0.1:{self._operator.health_port}/metrics", timeout=60).text
        for name, labels, count in _COUNTED.findall(text):
            found[name, labels] = float(count)  # type: ignore[assignment]  # a count of Prometheus
        return found


def _series(counts: Counter[tuple[str, str]], name: str) -> list[tuple[dict[str, str], float]]:
    return [(dict(_LABEL.findall(labels)), count) for (each, labels), count in counts.items() if each == name]


def _writes(counts: Counter[tuple[str, str]]) -> float:
    """Return how much was written so far; the Lease is renewed all the time."""
    return sum(
        count
        for labels, count in _series(counts, "kubernetes_requests_total")
        if labels["verb"] not in _READS and not labels["resource"].startswith("leases")
    )


def _per_agent(now: Counter[tuple[str, str]], before: Counter[tuple[str, str]]) -> Figures:
    taken, figures = now - before, Counter[str]()
    for labels, count in _series(taken, "kubernetes_requests_total"):
        resource, _, part = labels["resource"].partition("/")
        figures["kubernetes_reads" if labels["verb"] in _READS else "kubernetes_writes"] += int(count)
        figures["_".join(filter(None, (labels["verb"], resource.partition(".")[0], part)))] += int(count)
    for labels, count in _series(taken, "kafka_admin_requests_total"):
        figures["kafka_admin_requests"] += int(count)
        figures[f"admin_{labels['request']}"] += int(count)
    for labels, count in _series(taken, "reconciles_total"):
        figures[f"reconciles_of_{labels['kind']}"] += int(count)
    return {f"{name}_per_agent": round(count / AGENTS, 2) for name, count in sorted(figures.items())}


def _waits(what: str, waits: list[_Waits]) -> Figures:
    found: Figures = {f"{what}_times": len(waits)}
    for name, values in zip(_Waits._fields, zip(*waits, strict=True), strict=True):
        for label, fraction in (("p50", 0.5), ("p99", 0.99)):
            found[f"{what}_{name}_{label}_ms"] = round(percentile(values, fraction), 1)
    p99 = {name: percentile([getattr(each, name) for each in waits], 0.99) for name in _Waits._fields}
    over = {bare: round(p99["published"] - p99[bare], 1) for bare in ("bare_watch", "bare_publisher")}
    return {**found, **{f"{what}_over_{bare}_p99_ms": each for bare, each in over.items()}}


async def _floor(server: ApiServer, folder: Path, properties: Path) -> Figures:
    """Let a bare client make what the operator has made, in another namespace, and nobody looks at it."""
    server.kubectl("create", "namespace", floor.NAMESPACE)
    client, ready = server.client(timeout_s=120), set[str]()
    node = asyncio.create_task(crowd.run_pods(client, floor.NAMESPACE, None, ready))
    try:
        manifests = await _made(client)
        file = folder / "floor.json"
        file.write_text(json.dumps(manifests))
        cpu, began_s = cpu_seconds(), time.monotonic()
        child = await asyncio.create_subprocess_exec(
            sys.executable, floor.__file__, server.kubeconfig, properties, file, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await child.communicate()
        assert child.returncode == 0, said
        while len(ready) < len(manifests):
            assert time.monotonic() - began_s < PATIENCE_S, f"{len(ready)} of {len(manifests)}"
            await asyncio.sleep(0.1)
        standing_s = time.monotonic() - began_s
        await asyncio.sleep(5)
        taken = {part: took - cpu[part] for part, took in cpu_seconds().items()}
    finally:
        node.cancel()
        await client.close()
    taken["client"] = sum(json.loads(said).values())
    parts = ("client", *(part for part in PARTS if part != "operator"))
    found = {f"floor_{part}_cpu_ms_per_agent": round(1000 * taken[part] / len(manifests), 1) for part in parts}
    return {"floor_all_standing_s": round(standing_s, 1), **found}


async def _made(client: KubernetesClient) -> dict[str, list[dict[str, Any]]]:
    """Return by agent everything that it has, as a client would make it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in (RESOURCE, *OWNED, SECRET):
        async for page, _ in client.pages(resource, crowd.NAMESPACE):
            for manifest in page:
                metadata = manifest["metadata"]
                labels = metadata.get("labels", {})
                owner = metadata["name"] if resource == RESOURCE else labels.get(INSTANCE_LABEL, "")
                owner = owner or metadata["name"].removesuffix("-agent-credentials").removesuffix("-gate-credentials")
                if resource == POD or not owner.startswith("agent-"):
                    continue
                kept = {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}
                kept["namespace"] = floor.NAMESPACE
                cut = {key: value for key, value in manifest.items() if key != "status" or resource == RESOURCE}
                found.setdefault(owner, []).append({**cut, "metadata": kept})
    # Pods come last: they need the rest.
    return {owner: sorted(each, key=lambda made: made["kind"] == "Deployment") for owner, each in found.items()}
