"""A broker of the gate's own: these tests kill it, and own its guardrail topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from support import gate_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.gate_world import GateWorld
    from support.kafka_tools import Cluster
    from support.policy_log import SigningKey


@pytest.fixture(scope="session")
def cluster(gate_cluster: Cluster) -> Cluster:
    return gate_cluster


@pytest.fixture(scope="session")
def signing_key(gate_key: SigningKey) -> SigningKey:
    return gate_key


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


@pytest.fixture(scope="module")
def world_for_module(
    cluster: Cluster, signing_key: SigningKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GateWorld]:
    """One world for all tests of a module: no policy yet, no gate yet."""
    made = gate_world.build(cluster, tmp_path_factory.mktemp("gate"), f"t{uuid4().hex[:10]}", signing_key)
    yield made
    made.close()
