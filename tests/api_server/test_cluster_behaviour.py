"""The behaviour of the ``Cluster`` port, on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.cluster_behaviour import ResourceBehaviour, WorkloadBehaviour
from support.kubernetes_side import KubernetesSide, kubernetes_side

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.api_server import ApiServer


@pytest.fixture(params=[pytest.param("", id="as-it-is"), pytest.param("34", id="as-1.34")])
async def side(api_server: ApiServer, request: pytest.FixtureRequest) -> AsyncIterator[KubernetesSide]:
    """Resource versions are compared, and not, as on Kubernetes 1.34."""
    async with kubernetes_side(api_server, minor=request.param) as made:
        yield made


class TestResourcesOnKubernetes(ResourceBehaviour):
    pass


class TestWorkloadsOnKubernetes(WorkloadBehaviour):
    pass
