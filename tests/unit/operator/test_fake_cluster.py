"""The behaviour of the ``Cluster`` port, of the fake that the reconcilers are tested with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest
from support.cluster_behaviour import ResourceBehaviour, WorkloadBehaviour
from support.fakes import FakeCluster

if TYPE_CHECKING:
    from streamwarden_contract.models.base import Kind

K = TypeVar("K", bound="Kind")


class FakeSide:
    namespace = "risk"

    def __init__(self) -> None:
        self.cluster: Any = FakeCluster()

    async def put(self, resource: K) -> K:
        return cast("K", self.cluster.put(resource))

    async def delete(self, resource: Kind) -> None:
        if not resource.metadata.finalizers:
            self.cluster.remove(resource)
            return
        leaving = resource.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
        self.cluster.put(resource.model_copy(update={"metadata": leaving}))

    async def resync(self) -> None:
        pass

    def written(self) -> int:
        return len(self.cluster.writes)


@pytest.fixture
def side() -> FakeSide:
    return FakeSide()


class TestResourcesOfTheFake(ResourceBehaviour):
    pass


class TestWorkloadsOfTheFake(WorkloadBehaviour):
    pass
