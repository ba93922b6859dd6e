"""A deployed agent for integration tests: its topics, its user with the least rights, and its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_contract.canonical import encode
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.names import AgentNames, transactional_prefix
from streamwarden_contract.runtime_config import AgentConfig, SourceTopic

from support.kafka_tools import Right, write_properties

if TYPE_CHECKING:
    from collections.abc import Iterable
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
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "STREAMWARDEN_CONFIG": str(self.folder),
            "STREAMWARDEN_CREDENTIALS": str(self.folder),
            "STREAMWARDEN_POD": "pages-0",
            "PYTHONPATH": str(_AGENTS),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamwarden.runtime"], env=environment, stderr=log, stdout=log
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines]


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
    settings = AgentConfig(
        namespace=namespace,
        agent="pages",
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
