"""The reconciler of contracts with everything around it, over the ports in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streamwarden_contract.models import TopicContract
from streamwarden_contract.names import InstallationNames
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.reconcilers.contracts.reconciler import TopicContractReconciler
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from support.acl_fakes import FakeAcls
from support.fakes import FakeCluster, FakeSchemaRegistry, FakeTopics
from support.manifests import contract
from support.policy_fakes import FakePolicyLog

if TYPE_CHECKING:
    from streamwarden_contract.models.topic_contract import TopicContractStatus

INSTALLATION = InstallationNames()

SCHEMA = {"schema": json.dumps({"type": "object", "required": ["url"]})}
STRICTER = {"schema": json.dumps({"type": "object", "required": ["url", "score"]})}
ACCESS = {"producers": ["User:web"], "consumers": ["User:bi"]}
KEY = Key("TopicContract", "risk", "urls")


def new_inventory() -> Inventory:
    """Make an inventory whose topic is beside the world's."""
    keys = PublisherKeys(HeldKeys(SigningKey.create()))
    return Inventory(FakePolicyLog(), FakeTopics(), installation=INSTALLATION, keys=keys)


@dataclass
class World:
    """Everything around the reconciler."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    topics: FakeTopics = field(default_factory=FakeTopics)
    acls: FakeAcls = field(default_factory=FakeAcls)
    registry: FakeSchemaRegistry | None = field(default_factory=FakeSchemaRegistry)
    logs: LogStore = field(default_factory=lambda: LogStore(INSTALLATION, claimed={"risk"}))
    inventory: Inventory = field(default_factory=new_inventory)
    woken: list[Key] = field(default_factory=list)

    async def reconcile(self, name: str = "urls") -> TopicContractStatus:
        reconciler = TopicContractReconciler(
            self.cluster,
            self.topics,
            self.acls,
            self.registry,
            logs=self.logs,
            inventory=self.inventory,
            changed=self.woken.append,
            clock=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        )
        before = self.contract(name)
        await reconciler.reconcile(key_of(before))
        return (self.cluster.get(TopicContract, "risk", name) or before).status

    def contract(self, name: str = "urls") -> TopicContract:
        found = self.cluster.get(TopicContract, "risk", name)
        assert found is not None
        return found

    def edit(self, name: str = "urls", **spec: Any) -> None:
        """Change the spec as a user does: status, metadata and finalizers stay, the generation grows."""
        before = self.contract(name)
        edited = contract("risk", name, generation=before.metadata.generation + 1, **spec)
        metadata = before.metadata.model_copy(update={"generation": edited.metadata.generation})
        self.cluster.put(before.model_copy(update={"spec": edited.spec, "metadata": metadata}))

    def delete(self, name: str = "urls", **annotations: str) -> None:
        """Delete as a user does: the resource stays until its finalizers are gone."""
        before = self.contract(name)
        update = {"deletion_timestamp": "2026-03-02T00:00:00Z", "annotations": annotations}
        self.cluster.put(before.model_copy(update={"metadata": before.metadata.model_copy(update=update)}))

    def writes(self) -> int:
        registry = self.registry.writes if self.registry else []
        return len(self.cluster.writes) + len(self.topics.writes) + len(self.acls.writes) + len(registry)


def conditions(status: TopicContractStatus) -> dict[str, tuple[str, str]]:
    return {part.type: (part.status, part.reason) for part in status.conditions}


def message(status: TopicContractStatus, kind: str) -> str:
    return next(part.message for part in status.conditions if part.type == kind)


ALL_WELL = {
    "Accepted": ("True", "OK"),
    "TopicReady": ("True", "OK"),
    "SchemaReady": ("True", "OK"),
    "AccessReady": ("True", "OK"),
    "DriftDetected": ("False", "InSync"),
    "Ready": ("True", "OK"),
}
