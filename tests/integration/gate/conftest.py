"""A broker of the gate's own: these tests kill it, and own its guardrail topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import gate_world
from support.kafka_tools import Cluster
from support.policy_log import SigningKey
from support.stack_fixture import OwnStack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.gate_world import GateWorld


@pytest.fixture(scope="session")
def gate_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStack]:
    with running_stack(tmp_path_factory.mktemp("gate-stack"), registry=False) as own:
        yield own


@pytest.fixture(scope="session")
def cluster(gate_stack: OwnStack) -> Cluster:
    return Cluster(gate_stack.operator_properties)


@pytest.fixture(scope="session")
def signing_key(cluster: Cluster) -> SigningKey:
    key = SigningKey()
    gate_world.publish_guardrails(cluster, key)
    return key


@pytest.fixture
def build_world(
    cluster: Cluster, signing_key: SigningKey, tmp_path: Path, unique: str
) -> Iterator[Callable[..., GateWorld]]:
    """Makes worlds; ends their gates."""
    made: list[GateWorld] = []

    def make(**arguments: Any) -> GateWorld:
        made.append(gate_world.build(cluster, tmp_path / "gate", unique, signing_key, **arguments))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(build_world: Callable[..., GateWorld]) -> GateWorld:
    """An agent with a signed policy, first offsets and no gate yet."""
    made = build_world()
    made.publish()
    return made
