"""Many agents of one namespace, and a node for them that runs nothing: it says what a kubelet and gates would say."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import aiohttp
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from streamwarden_contract import policylog
from streamwarden_contract.acks import GateAck, ReadFormats, SignedEpoch, SignedEpochs
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.names import NamespaceNames
from streamwarden_contract.policylog import BINDING_PREFIX, EPOCH_KEY, INDEX_KEY
from streamwarden_operator.adapters.kubernetes.client import MERGE
from streamwarden_operator.adapters.kubernetes.errors import Request
from streamwarden_operator.adapters.kubernetes.resource_types import POD
from streamwarden_operator.desired.names import INSTANCE_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
    from streamwarden_operator.adapters.kubernetes.resource_types import ResourceType

NAMESPACE = "crowd"
POLICY = "careful"
SELECTOR = {"role": "crowd"}


def contract(name: str) -> dict[str, Any]:
    return _object("TopicContract", name, {"topicName": f"{NAMESPACE}.{name}", "partitions": 1}, {})


def policy() -> dict[str, Any]:
    rules = [{"name": "sure", "require": rule(0)}]
    return _object("Policy", POLICY, {"match": {"agentSelector": {"matchLabels": SELECTOR}}, "rules": rules}, {})


def rule(number: int) -> str:
    """Return a rule that no other number has."""
    return f"decision.confidence >= 0.8 || decision.confidence == -{number}.5"


def agent(number: int) -> dict[str, Any]:
    spec = {
        "image": "registry.example/agent:1",
        "agent": {"entrypoint": "agent:agent"},
        "inputs": [{"name": "pages", "topicRef": {"name": "pages"}}],
        "decisions": [{"type": "block", "commandTopicRef": {"name": "commands"}}],
    }
    return _object("AgentDeployment", f"agent-{number:04}", spec, SELECTOR)


def _object(kind: str, name: str, spec: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "streamwarden.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


async def watch(client: KubernetesClient, resource: ResourceType, namespace: str) -> AsyncIterator[dict[str, Any]]:
    """Yield a namespace's objects, those that are there first, as a bare watch gives them."""
    configuration = client.configuration
    trusted = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    headers = {"Authorization": f"Bearer {await client.token()}"}
    url = f"{configuration.host}{resource.path(namespace)}?watch=1&timeoutSeconds=3600"
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=2**22) as session,
        session.get(url, headers=headers, ssl=trusted) as response,
    ):
        async for line in response.content:
            event = json.loads(line)
            assert event["type"] != "ERROR", event
            if event["type"] in {"ADDED", "MODIFIED"}:
                yield event["object"]


class ReadEdits:
    """When each edit could first be read, as a process of its own says, a line for each."""

    def __init__(self, *command: str | Path) -> None:
        """Make one that has not begun; ``command`` is a Python file and what it is told."""
        self.read_s: dict[str, float] = {}
        """By the text of the policy's rule: by the monotonic clock."""
        self._command = [sys.executable, *map(str, command)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin; what is read must be there."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._follow, name="read-edits", daemon=True).start()

    def ended(self) -> bool:
        """Tell whether the process has ended though nobody ended it."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _follow(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            read = json.loads(line)
            self.read_s.setdefault(read["rule"], read["at_s"])


class Gates:
    """The gates of all pods: each reports every epoch, as a real one does. A thread of its own reads and writes."""

    def __init__(self, properties: Mapping[str, str], uids: Mapping[str, str]) -> None:
        self._uids, self._topic = uids, NamespaceNames(NAMESPACE).gates
        kept = {name: text for name, text in properties.items() if name != "partitioner"}
        reading = {"group.id": "crowd", "isolation.level": "read_committed", "fetch.wait.max.ms": 10}
        self._consumer = Consumer({**kept, **reading, "allow.auto.create.topics": False})
        self._producer = Producer({**kept, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
        self._lock = threading.Lock()
        self._pods: dict[str, str] = {}
        self._policies: dict[str, list[dict[str, Any]]] = {}
        self._versions: dict[str, dict[str, Any]] = {}
        self._epochs: SignedEpochs | None = None
        self._epoch = 0
        self.acks = 0
        self.epochs = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gates", daemon=True)

    def start(self) -> None:
        """Begin to read the policy log, which must be there."""
        self._consumer.assign([TopicPartition(NamespaceNames(NAMESPACE).policies, 0, OFFSET_BEGINNING)])
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()
        self._producer.flush(30)

    def begin(self, agent_name: str, pod: str) -> None:
        """Say that a pod runs, and its gate."""
        with self._lock:
            self._pods[agent_name] = pod
            self._report(agent_name)

    def _run(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.05)
            self._producer.poll(0)
            if message is None or message.error() is not None or message.value() is None:
                continue
            with self._lock:
                headers = {name: text for name, text in message.headers() or () if isinstance(text, bytes)}
                self._take((message.key() or b"").decode(), message.value() or b"", headers)

    def _take(self, key: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Take a record as little as a thousand gates in one process can: a real one reads its own binding alone."""
        if key.startswith(BINDING_PREFIX):
            refs = json.loads(value)["policies"]
            self._policies[key.removeprefix(BINDING_PREFIX)] = refs
        elif key == INDEX_KEY:
            self._versions = json.loads(value)["policies"]
        elif key == EPOCH_KEY:
            self.epochs += 1
            signature = base64.b64encode(headers[policylog.SIGNATURE_HEADER]).decode()
            echo = SignedEpoch(
                value=value.decode(), signature=signature, key_id=headers[policylog.KEY_ID_HEADER].decode()
            )
            self._epoch, self._epochs = json.loads(value)["epoch"], SignedEpochs(namespace=echo)
            for name in self._pods:
                self._report(name)

    def _ref(self, ref: Mapping[str, Any]) -> PolicyRef:
        """Return what a binding names, at its own revision or, where it says none, at that of the index."""
        revision = ref["revision"] if "revision" in ref else self._versions[ref["name"]]["revision"]
        return PolicyRef.model_construct(namespace=ref["namespace"], name=ref["name"], revision=revision)

    def _report(self, name: str) -> None:
        if name not in self._policies:
            return
        ack = GateAck.model_construct(
            namespace=NAMESPACE,
            agent=name,
            agent_uid=self._uids[name],
            pod=self._pods[name],
            state="InForce",
            namespace_epoch=self._epoch,
            policies=tuple(map(self._ref, self._policies[name])),
            epochs=self._epochs,
            formats=ReadFormats(decision=2, policy_log=policylog.NEWEST_FORMAT),
            reported_at_ms=time.time_ns() // 1_000_000,
        )
        self.acks += 1
        self._producer.produce(self._topic, key=ack.key, value=ack.encode())


async def run_pods(client: KubernetesClient, namespace: str, gates: Gates | None, ready: set[str]) -> None:
    """Say of every pod that its containers are ready, as a kubelet would; then its gate speaks."""
    limit, tasks = asyncio.Semaphore(8), set()

    async def run(name: str, agent_name: str) -> None:
        containers: list[dict[str, Any]] = [
            {"name": each, "ready": True, "image": "x", "imageID": "", "restartCount": 0, "state": {"running": {}}}
            for each in ("agent", "gate")
        ]
        body = {"status": {"phase": "Running", "containerStatuses": containers}}
        async with limit:
            await client.patch(Request("patch", POD, namespace, name, "status"), body, content_type=MERGE, manager="x")
        ready.add(agent_name)
        if gates is not None:
            gates.begin(agent_name, name)

    async for pod in watch(client, POD, namespace):
        name, agent_name = pod["metadata"]["name"], pod["metadata"].get("labels", {}).get(INSTANCE_LABEL, "")
        if agent_name and agent_name not in ready and not pod.get("status", {}).get("containerStatuses"):
            task = asyncio.create_task(run(name, agent_name))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
