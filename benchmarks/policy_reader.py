"""What a gate has of a policy log, and when: a process of its own, as a gate is, and nothing else in it.

``policy_reader.py CLIENT.PROPERTIES TOPIC``: a line for each epoch that is closed, with the seconds of the monotonic
clock, which is one for all processes, and the text of the first rule that was read last.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from streamwarden_contract.policylog import BINDING_PREFIX, EpochRecord, PolicyRecord, decode_record


def main() -> None:
    properties, topic = Path(sys.argv[1]), sys.argv[2]
    lines = (line.partition("=") for line in properties.read_text().splitlines() if "=" in line)
    settings = {name.strip(): text.strip() for name, _, text in lines}
    settings.pop("partitioner", None)
    reading = {"group.id": "policy-reader", "isolation.level": "read_committed", "fetch.wait.max.ms": 10}
    consumer = Consumer({**settings, **reading, "allow.auto.create.topics": False})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    rule = ""
    while True:
        message = consumer.poll(1)
        if message is None or message.error() is not None or message.value() is None:
            continue
        key = message.key() or b""
        if key.startswith(BINDING_PREFIX.encode()):
            continue  # a gate reads its own alone
        record = decode_record(key, message.value() or b"")
        if isinstance(record, PolicyRecord):
            rule = record.spec.rules[0].require
        elif isinstance(record, EpochRecord):
            print(json.dumps({"at_s": time.monotonic(), "rule": rule}), flush=True)


if __name__ == "__main__":
    main()
