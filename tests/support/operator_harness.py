"""The whole controller over fakes, with one namespace that has everything: a folder's manifests, in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from streamwarden_contract.inventory import Stage, UserItem
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.models.scaling import Scaling
from streamwarden_contract.names import InstallationNames
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.backends import Backends
from streamwarden_operator.desired.acceptance import topic_refs
from streamwarden_operator.desired.agents import ResolvedAgent, resolve_agent
from streamwarden_operator.keys import key_of
from streamwarden_operator.plans.inventory import Place
from streamwarden_operator.plans.signed_records import sign_record
from streamwarden_operator.ports import Topic
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.wiring.controller import Controller
from support.acl_fakes import FakeAcls
from support.fakes import FakeCluster, FakeOffsets, FakeSchemaRegistry, FakeTopics
from support.lag_fakes import FakeLags
from support.login_fakes import FakeLogins, FakeScramUsers
from support.policy_fakes import FakeGateAcks, FakePolicyLog
from support.quota_fakes import FakeClientQuotas
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamwarden_contract.inventory import Item
    from streamwarden_contract.models.base import Kind
    from streamwarden_contract.policylog import BindingRecord
    from streamwarden_operator.ports import InventoryRequests, SigningKeys
    from streamwarden_operator.reconcilers.agents.access import AgentAccess
    from streamwarden_operator.reconcilers.agents.reconciler import AgentReconciler

K = TypeVar("K", bound="Kind")

WAIT_S = 60.0
SCHEMA = '{"type": "object", "properties": {"page": {"type": "string"}}}'
SETTINGS = OperatorSettings(first_retry=timedelta(milliseconds=20), longest_retry=timedelta(milliseconds=200))


def contract(name: str, namespace: str = "risk", **spec: Any) -> TopicContract:
    return TopicContract.model_validate(
        {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1},
            "spec": {"topicName": f"{namespace}.{name}", "partitions": 3, **spec},
        }
    )


def policy(name: str, require: str = "true", namespace: str = "risk", generation: int = 1, **spec: Any) -> Policy:
    return Policy.model_validate(
        {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": generation},
            "spec": {"rules": [{"name": "r", "require": require}], **spec},
        }
    )


def agent(name: str = "guard", namespace: str = "risk", uid: str = "", **metadata: Any) -> AgentDeployment:
    return AgentDeployment.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": uid or f"uid-{name}",
                "generation": 1,
                "labels": {"role": "decisioning"},
                **metadata,
            },
            "spec": {
                "image": "registry.example/guard:1",
                "agent": {"entrypoint": "guard:agent"},
                "inputs": [{"name": "pages", "topicRef": {"name": "pages"}}],
                "decisions": [{"type": "block-page", "commandTopicRef": {"name": "commands"}}],
            },
        }
    )


def resolved(found: AgentDeployment, *inputs: str) -> ResolvedAgent:
    """An agent whose contracts all exist; it reads ``inputs`` where they are said."""
    contracts = {name: contract(name, found.metadata.namespace) for _, name in topic_refs(found)}
    made = resolve_agent(found, contracts)
    return replace(made, input_topics=inputs) if inputs else made


def scaled(name: str = "guard", annotations: dict[str, str] | None = None, **fields: Any) -> AgentDeployment:
    """An agent with 0 to 3 pods, one for every 10 records; read every 5 s, cooled down for 60 s."""
    made = agent(name, annotations=annotations or {})
    scaling = Scaling(**{"max_replica_count": 3, **fields})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"scaling": scaling})})


class Effects(list[tuple[object, ...]]):
    """All writes of all fakes in one order."""

    def of(self, backend: str) -> Any:
        return _Tagged(self, backend)


class _Tagged(list[tuple[object, ...]]):
    """A fake's ``writes`` that also goes into the common list."""

    def __init__(self, effects: Effects, backend: str) -> None:
        super().__init__()
        self._effects, self._backend = effects, backend

    @override
    def append(self, item: tuple[object, ...]) -> None:
        super().append(item)
        self._effects.append((self._backend, *item))


class Harness:
    """The fakes, and a controller over them."""

    def __init__(self, settings: OperatorSettings = SETTINGS) -> None:
        self.settings = settings
        self.effects = Effects()
        self.cluster = FakeCluster()
        self.topics, self.acls, self.users = FakeTopics(), FakeAcls(), FakeScramUsers()
        self.logins = FakeLogins(self.users)
        self.offsets, self.registry = FakeOffsets(self.topics), FakeSchemaRegistry()
        self.quotas = FakeClientQuotas()
        self.has_registry = True
        self.looks_last_s = 0.0
        self.log, self.acks = FakePolicyLog(), FakeGateAcks()
        self.lags = FakeLags(self.topics, self.offsets)
        for name in ("cluster", "topics", "acls", "users", "offsets", "quotas", "log"):
            getattr(self, name).writes = self.effects.of(name)
        self.rollouts: list[tuple[str, int]] = []
        self.signing_key = SigningKey.create()
        self.keys = PublisherKeys(HeldKeys(self.signing_key))
        self.key_store: SigningKeys | None = None
        self.place = Place()
        self.requests: InventoryRequests | None = None
        self.controller = self.new_controller()

    def new_controller(self) -> Controller:
        registry = self.registry if self.has_registry else None
        backends = Backends(
            self.topics,
            self.acls,
            self.users,
            self.logins,
            self.offsets,
            self.quotas,
            self.log,
            self.acks,
            registry,
            self.lags,
            self.looks_last_s,
        )
        made = Controller(
            cast("Any", self.cluster),
            self.settings,
            backends=backends,
            bootstrap_servers="broker:9092",
            keys=self.keys,
            key_store=self.key_store,
            place=self.place,
            requests=self.requests,
        )
        made.on_rollout = lambda _ns, name, revision, *_: self.rollouts.append((name, revision))
        return made

    @property
    def access(self) -> AgentAccess:
        """What the controller's reconciler of agents gives them, and remembers of it."""
        return cast("AgentReconciler", self.controller.reconcilers["AgentDeployment"]).access

    def put(self, *resources: Kind) -> None:
        for resource in resources:
            self.cluster.put(resource)
            self.controller.changed(key_of(resource))

    def get(self, resource: K) -> K:
        found = self.cluster.get(type(resource), *name_of(resource))
        assert found is not None
        return found

    def binding(self, agent_name: str = "guard") -> BindingRecord:
        found = self.controller._logs.binding("risk", agent_name)
        assert found is not None
        return found

    def remember(self, *items: Item) -> None:
        """Let an earlier process of this installation have made something."""
        topic = InstallationNames(self.settings.installation).inventory
        if topic not in self.topics.topics:
            self.topics.topics[topic] = Topic(topic, 1, 1, {"cleanup.policy": "compact"})
        signed = [sign_record(item, topic=topic, cluster_id=self.log.cluster_id, signer=self.keys) for item in items]
        self.log.topics.setdefault(topic, {}).update({record.key: record for record in signed})

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        await until(lambda: self.controller.idle)


@asynccontextmanager
async def running(
    *resources: Kind, settings: OperatorSettings = SETTINGS, prepare: Callable[[Harness], None] | None = None
) -> AsyncIterator[Harness]:
    harness = Harness(settings)
    if prepare is not None:
        prepare(harness)
        harness.controller = harness.new_controller()
    harness.put(*resources)
    await harness.controller.start()
    harness.controller.caches_complete()
    try:
        await harness.settle()
        yield harness
    finally:
        await harness.controller.stop()


def user_of(agent: str, role: str = "agent", namespace: str = "risk", stage: Stage = Stage.MADE) -> UserItem:
    """What the inventory has of a user."""
    return UserItem(
        user=f"{namespace}.{agent}.{role}", namespace=namespace, agent=agent, owner_uid=f"uid-{agent}", stage=stage
    )


async def until(holds: Callable[[], object], wait_s: float = WAIT_S) -> None:
    async with asyncio.timeout(wait_s):
        while not holds():  # noqa: ASYNC110  # what is waited for gives no signal
            await asyncio.sleep(0.005)


def name_of(resource: Kind) -> tuple[str, str]:
    return resource.metadata.namespace, resource.metadata.name


def conditions_of(resource: Kind) -> dict[str, tuple[str, str]]:
    return {part.type: (part.status, part.reason) for part in resource.status.conditions}


def whole_namespace(namespace: str = "risk") -> tuple[Kind, ...]:
    """Two contracts, an Enforce and an Audit policy, and an agent."""
    schema = {"schemaType": "JSON", "schema": SCHEMA}
    return (
        contract("pages", namespace),
        contract("commands", namespace, schema=schema),
        policy("strict", "decision.confidence >= 0.8", namespace),
        policy("watch", "decision.confidence >= 0.9", namespace, failureAction="Audit"),
        agent(namespace=namespace),
    )


def on_the_kafka_of(first: Harness, settings: OperatorSettings = SETTINGS) -> Harness:
    """Another installation, with a cluster of its own."""
    second = Harness(settings)
    for name in ("topics", "acls", "users", "logins", "offsets", "quotas", "log"):
        setattr(second, name, getattr(first, name))
    second.controller = second.new_controller()
    return second


def state_of(harness: Harness) -> tuple[object, ...]:
    """Everything in Kafka, without the second installation's own topics."""
    own = {name: topic for name, topic in harness.topics.topics.items() if not name.startswith("second.")}
    logs = {name: dict(log) for name, log in harness.log.topics.items() if not name.startswith("second.")}
    return own, set(harness.acls.acls), dict(harness.users.passwords), logs, dict(harness.offsets.committed)
