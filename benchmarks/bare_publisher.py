"""An edit of a Policy without an operator: seen by a bare watch, written to Kafka in one transaction, read by a reader.

What this takes while others have the machine is what no operator can be faster than: nothing is checked, planned or
signed here. A process of its own: ``bare_publisher.py KUBECONFIG CLIENT.PROPERTIES NAMESPACE``; a line for each edit
that can be read, with the seconds of the monotonic clock, which is one for all processes, and the text of its rule.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import crowd
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # exported without saying so
from streamwarden_contract.models import Policy
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.resource_types import type_of_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

TOPIC = "bare-publisher"
RECORDS, RECORD_BYTES = 3, 700
"""What an edit of a Policy takes: the policy, the index and the epoch."""


def main() -> None:
    kubeconfig, properties, namespace = sys.argv[1:]
    os.environ["KUBECONFIG"] = kubeconfig
    lines = (line.partition("=") for line in Path(properties).read_text().splitlines() if "=" in line)
    settings = {name.strip(): text.strip() for name, _, text in lines}
    settings.pop("partitioner", None)
    admin = AdminClient(settings)  # what it answers comes only while it is kept
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(60)
    threading.Thread(target=_read, args=(settings,), name="reader", daemon=True).start()
    asyncio.run(_publish(settings, namespace))


async def _publish(settings: Mapping[str, str], namespace: str) -> None:
    client = KubernetesClient(await load_configuration(), timeout_s=120)
    producer = Producer({**settings, "transactional.id": TOPIC, "linger.ms": 0})
    producer.init_transactions(60)
    last = ""
    async for found in crowd.watch(client, type_of_kind(Policy), namespace):
        rule = found["spec"]["rules"][0]["require"]
        if rule != last:
            last = rule
            await asyncio.to_thread(_write, producer, rule)


def _write(producer: Producer, rule: str) -> None:
    producer.begin_transaction()
    for number in range(RECORDS):
        producer.produce(TOPIC, key=str(number), value=rule.ljust(RECORD_BYTES))
    producer.commit_transaction(60)


def _read(settings: Mapping[str, str]) -> None:
    reading = {"group.id": TOPIC, "isolation.level": "read_committed", "fetch.wait.max.ms": 10}
    consumer = Consumer({**settings, **reading})
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    while True:
        message = consumer.poll(1)
        if message is None or message.error() is not None or message.key() != str(RECORDS - 1).encode():
            continue
        print(json.dumps({"at_s": time.monotonic(), "rule": (message.value() or b"").decode().strip()}), flush=True)


if __name__ == "__main__":
    main()
