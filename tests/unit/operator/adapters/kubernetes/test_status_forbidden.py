"""A status that may not be written cannot say so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_contract.models import Policy
from streamwarden_contract.models.policy import PolicyStatus
from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.adapters.kubernetes.resource_types import type_of_kind
from streamwarden_operator.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POLICY = type_of_kind(Policy)
SAID = "the API server forbids to patch policies.streamwarden.io/status 'strict' in namespace 'risk'"


class Server:
    """Has one policy, takes Events, and no status."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    async def server_version(self) -> dict[str, Any]:
        return {"major": "1", "minor": "37"}

    async def pages(
        self, resource: object, _namespace: str | None, _selector: str = "", _name: str = ""
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        metadata = {"name": "strict", "namespace": "risk", "uid": "u", "generation": 1, "resourceVersion": "1"}
        made = {"apiVersion": POLICY.api_version, "kind": POLICY.kind, "metadata": metadata}
        yield [made | {"spec": {"rules": [{"name": "r", "require": "true"}]}}] if resource == POLICY else [], "9"

    async def apply(self, *_: object, **_named: object) -> dict[str, Any]:
        raise ForbiddenError(SAID)

    async def create(self, _resource: object, event: dict[str, Any]) -> dict[str, Any]:
        self.events.append((event["involvedObject"]["name"], event["reason"], event["message"]))
        return event


async def test_who_may_not_write_a_status_says_so_by_an_event() -> None:
    server = Server()
    cluster = KubernetesCluster(cast("Any", server), lambda _: [], resources=(POLICY,))
    await cluster.resync()
    policy = cluster.get(Policy, "risk", "strict")
    assert policy is not None
    with pytest.raises(ForbiddenError):
        await cluster.write_status(policy, PolicyStatus(observed_generation=1))
    assert server.events == [("strict", "Forbidden", SAID)]
