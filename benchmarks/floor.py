"""What a bare client needs for the same objects and the same entries in Kafka: nothing decided, nothing read.

A process of its own: ``floor.py KUBECONFIG CLIENT.PROPERTIES MANIFESTS.JSON``; it prints its seconds of processor.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # it exports it without saying so
from harness import ROOT
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.resource_types import type_of

sys.path.insert(0, str(ROOT / "tests"))  # users and rights are made as tests make them

from support.kafka_tools import Cluster, Right  # needs the path above

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "floor"
BATCH = 100
_PER_PRINCIPAL = 10
"""ACLs: an agent and its gate together have about twenty."""


def main() -> None:
    kubeconfig, properties, manifests = map(Path, sys.argv[1:])
    os.environ["KUBECONFIG"] = str(kubeconfig)
    lines = (line.partition("=") for line in properties.read_text().splitlines() if "=" in line)
    settings = {name.strip(): text.strip() for name, _, text in lines}
    settings.pop("partitioner", None)
    agents: dict[str, list[dict[str, Any]]] = json.loads(manifests.read_text())
    began_s = time.process_time()
    asyncio.run(_objects(agents))
    kubernetes_s = time.process_time() - began_s
    _kafka(sorted(agents), settings)
    print(json.dumps({"kubernetes": kubernetes_s, "kafka": time.process_time() - began_s - kubernetes_s}))


async def _objects(agents: dict[str, list[dict[str, Any]]]) -> None:
    client = KubernetesClient(await load_configuration(), timeout_s=120)
    limit = asyncio.Semaphore(16)

    async def create(manifests: list[dict[str, Any]]) -> None:
        async with limit:
            for manifest in manifests:
                await client.create(type_of(manifest), manifest)
                if "status" in manifest and manifest["kind"] == "AgentDeployment":
                    body = {key: manifest[key] for key in ("apiVersion", "kind", "metadata", "status")}
                    await client.apply(type_of(manifest), body, subresource="status")

    try:
        await asyncio.gather(*(create(manifests) for manifests in agents.values()))
    finally:
        await client.close()


def _kafka(agents: list[str], settings: Mapping[str, str]) -> None:
    cluster = Cluster(settings)
    producer = Producer({**settings, "transactional.id": "floor"})
    producer.init_transactions(60)
    shared = f"{NAMESPACE}.policies"
    _wait(cluster.admin.create_topics([NewTopic(shared, 1, 1)]))
    for begin in range(0, len(agents), BATCH):
        names = [f"{NAMESPACE}.{agent}" for agent in agents[begin : begin + BATCH]]
        _wait(cluster.admin.create_topics([NewTopic(f"{name}.decisions", 1, 1) for name in names]))
        users = [f"{name}.{role}" for name in names for role in ("agent", "gate")]
        cluster.set_passwords(dict.fromkeys(users, "floor"))
        rights = {user: [Right("READ", "TOPIC", f"{user}-{each}") for each in range(_PER_PRINCIPAL)] for user in users}
        cluster.grant_all(rights)
        for name in names:
            place = TopicPartition(f"{name}.decisions", 0, 0)
            _wait(cluster.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(f"{name}.gate", [place])]))
        producer.begin_transaction()
        for name in names:
            producer.produce(shared, key=name.encode(), value=b"x" * 1_000)
        producer.commit_transaction(60)


def _wait(futures: dict[Any, Any]) -> None:
    for future in futures.values():
        future.result(120)


if __name__ == "__main__":
    main()
