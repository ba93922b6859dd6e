"""A deployed agent for integration tests: its topics, its user with the least rights, and its process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_contract.canonical import encode
from streamwarden_contract.decision import decode_decision
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.names import AgentNames, transactional_prefix
from streamwarden_contract.runtime_config import AgentConfig, SourceTopic
from support.kafka_tools import Right, holds, write_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from support.kafka_tools import Cluster

_AGENTS = Path(__file__).parent / "agents"


@dataclass
class DeployedAgent:
    """What the operator would have made, and a way to run the agent's process on it."""

    cluster: Cluster
    folder: Path
    names: AgentNames
    topic: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    launcher: tuple[str, ...] = ()
    """What the agent's command is handed to."""

    def start(self, pod: str = "pages-0") -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "STREAMWARDEN_CONFIG": str(self.folder),
            "STREAMWARDEN_CREDENTIALS": str(self.folder),
            "STREAMWARDEN_POD": pod,
            "STREAMWARDEN_READY_FILE": str(self.folder / f"ready-{pod}"),
            "PYTHONPATH": str(_AGENTS),
        }
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*self.launcher, sys.executable, "-m", "streamwarden.runtime"], env=environment, stderr=log, stdout=log
            )
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(10)

    def decided(self) -> Counter[tuple[int, int]]:
        """Count the committed decisions for each input, which is named by partition and offset."""
        found: Counter[tuple[int, int]] = Counter()
        for message in self.cluster.read_all(self.names.decisions):
            decision, _ = decode_decision(message.value() or b"")
            found[decision.cause.partition, decision.cause.offset] += 1
        return found

    def caught_up(self) -> bool:
        """Whether the group has committed the very end of the input."""
        return self.cluster.committed(self.names.agent_group, self.topic) == self.cluster.end_offsets(self.topic)

    @property
    def log_text(self) -> str:
        """What all processes have written."""
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text.splitlines() if line.startswith("{")]


def deploy(cluster: Cluster, folder: Path, namespace: str, *, partitions: int = 2, **config: Any) -> DeployedAgent:
    """Make topics, user, ACLs and files for the agent ``pages:agent``."""
    names, topic = AgentNames(namespace, "pages"), f"{namespace}.pages"
    cluster.create_topics(topic, names.decisions, partitions=partitions)
    properties = cluster.create_user(
        names.agent_principal,
        [
            Right("READ", "TOPIC", topic),
            Right("WRITE", "TOPIC", names.decisions),
            Right("READ", "GROUP", names.agent_group),
            Right("WRITE", "TRANSACTIONAL_ID", transactional_prefix(names.agent_principal), prefixed=True),
        ],
    )
    return configure(cluster, folder, names, topic, properties, **config)


def configure(
    cluster: Cluster, folder: Path, names: AgentNames, topic: str, properties: Mapping[str, str], **config: Any
) -> DeployedAgent:
    """Make the files of the agent ``pages:agent``, whose topics, user and rights are there."""
    settings = AgentConfig(
        namespace=names.namespace,
        agent=names.agent,
        uid="u",
        entrypoint="pages:agent",
        decision_topic=names.decisions,
        decision_types=("block-page",),
        sources=(SourceTopic(name="pages", topic=topic),),
        **config,
    )
    write_properties(folder, properties)
    (folder / "agent.json").write_text(settings.model_dump_json(by_alias=True))
    return DeployedAgent(cluster, folder, names, topic)


def pages(numbers: Iterable[int], *, kind: str = "page.observed", **data: object) -> list[tuple[bytes, bytes, Any]]:
    """Make records of page events."""
    records = []
    for number in numbers:
        entity = f"page-{number:04}"
        event = CloudEvent(id=f"{kind}-{number}", source="/web", type=kind, subject=entity)
        records.append((entity.encode(), encode({"number": number, **data}), event.headers()))
    return records


def stop(process: subprocess.Popen[bytes]) -> int:
    """Send SIGTERM and return the exit code."""
    process.terminate()
    return process.wait(20)


def wait_for(condition: Callable[[], object], *, seconds: float = 60) -> None:
    """Wait until ``condition`` holds; Kafka may fail meanwhile."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not holds(condition):
        assert time.monotonic() < deadline, f"not so within {seconds:g} s"
        pause.wait(0.05)
