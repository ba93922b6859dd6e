"""The behaviour of the ``Cluster`` port, of ``dev``'s implementation; its pods are processes and tested apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from streamwarden_cli.local.cluster import LocalCluster
from streamwarden_cli.local.state import StateFolder
from streamwarden_operator.keys import key_of
from support.cluster_behaviour import ResourceBehaviour
from support.operator_harness import name_of

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_contract.models.base import Kind

K = TypeVar("K", bound="Kind")


class LocalSide:
    namespace = "risk"

    def __init__(self, folder: Path) -> None:
        state = StateFolder(folder)
        state.root.mkdir()
        state.prepare()
        self._folder = folder
        self._desired: dict[object, Kind] = {}
        self.cluster = LocalCluster(state)

    async def put(self, resource: K) -> K:
        self._desired[key_of(resource)] = resource
        self.cluster.apply(list(self._desired.values()))
        found = self.cluster.get(type(resource), *name_of(resource))
        assert found is not None
        return found

    async def delete(self, resource: Kind) -> None:
        del self._desired[key_of(resource)]
        self.cluster.apply(list(self._desired.values()))

    async def resync(self) -> None:
        pass

    def written(self) -> int:
        """Return a number that changes with what lies in the folder: to write the same again is no harm there."""
        return hash(frozenset((path, path.read_bytes()) for path in self._folder.rglob("*") if path.is_file()))


@pytest.fixture
def side(tmp_path: Path) -> LocalSide:
    return LocalSide(tmp_path)


class TestResourcesOfDev(ResourceBehaviour):
    pass
