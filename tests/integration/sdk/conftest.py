from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.agent_process import DeployedAgent, deploy
from support.kafka_tools import Cluster
from support.sdk_worlds import KafkaWorld, MemoryWorld, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.brokers import Broker
    from support.stack_fixture import OwnStack, RunningStack


@pytest.fixture
def deployed(stack: RunningStack, tmp_path: Path, unique: str) -> Iterator[DeployedAgent]:
    """An agent with topics of its own, its least rights, and no process yet."""
    yield from _deployed(stack, tmp_path, unique)


@pytest.fixture
def deployed_to_break(breakable_stack: OwnStack, tmp_path: Path, unique: str) -> Iterator[DeployedAgent]:
    """The same on a broker that may be killed."""
    yield from _deployed(breakable_stack, tmp_path, unique)


def _deployed(stack: RunningStack, folder: Path, namespace: str) -> Iterator[DeployedAgent]:
    agent = deploy(Cluster(stack.operator_properties), folder, namespace)
    yield agent
    agent.close()
    sys.stderr.write(agent.log_text)  # pytest shows it where the test failed


@pytest.fixture(
    params=["memory", pytest.param("kfake", marks=pytest.mark.kfake), pytest.param("apache", marks=pytest.mark.broker)]
)
def world(request: Any, unique: str) -> World:
    """Each of the three in turn."""
    if request.param == "memory":
        return MemoryWorld()
    if request.param == "kfake":
        kfake: Broker = request.getfixturevalue("kfake")
        return KafkaWorld(kfake.operator, f"{unique}.pages")
    stack: RunningStack = request.getfixturevalue("stack")
    return KafkaWorld(stack.operator, f"{unique}.pages")
