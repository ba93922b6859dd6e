"""A life of an agent, its contracts and policies, step by step, and what there is after each step."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from streamwarden_contract.inventory_requests import Action
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.names import AgentNames
from streamwarden_kafka.connection import SCRAM_MECHANISMS
from streamwarden_operator.desired.credentials import find_credential
from streamwarden_operator.keys import Key, key_of
from support.inventory_requests import ORDERS, request_of
from support.key_fakes import OWN, say_epochs
from support.mortal import MortalHarness, Process
from support.operator_harness import SCHEMA, SETTINGS, contract, policy, scaled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from streamwarden_contract.models.base import Kind
    from support.inventory_requests import FakeInventoryRequests

ROTATE = Key("SigningKey", "streamwarden")
GUARD = "risk", "guard"
POD = "guard-pod-0"
HOURS, HOUR_S, MINUTE_S = 25, 3600.0, 60.0
WIDER = json.dumps({"type": "object", "properties": {"page": {"type": "string"}, "why": {"type": "string"}}})
SPECIFICS = frozenset({"spec_hash", "public_keys"})
"""Of a workload: hashes of passwords, and keys, which differ from run to run."""

Snapshot = dict[str, Any]


def pages(**spec: Any) -> TopicContract:
    access = {"producers": ["User:feeder"]}
    return contract("pages", deletionPolicy="Delete", access=access, **spec)


def commands(definition: str) -> TopicContract:
    schema = {"schemaType": "JSON", "schema": definition}
    return contract("commands", deletionPolicy="Delete", schema=schema)


class Life:
    """What people and the agent's gate do, over a controller that may be killed."""

    def __init__(self, process: Process | None = None) -> None:
        settings = SETTINGS.model_copy(update={"agent_producer_byte_rate": 1_000_000})
        self.harness = MortalHarness(settings, process or Process())
        self.snapshots: dict[str, Snapshot] = {}
        self.ways_round: list[str] = []
        """What could be done without a gate's verdict when a process had ended."""
        self.harness.on_death = self._look_for_ways_round
        self._now_s = time.monotonic() + MINUTE_S  # so that its own rounds find nothing due

    async def live(self) -> None:
        """Live it from the first resource to the last one's end."""
        await self.harness.start()
        try:
            for name, step in STEPS.items():
                self.harness.process.begin_step()
                await step(self)
                await self.harness.settle()
                await self.scale()
                self.harness.made.update(self.harness.process.calls)
                self.snapshots[name] = self.look()
        finally:
            await self.harness.controller.stop()

    def edit(self, *resources: Kind) -> None:
        """Let a user apply resources: what the operator has written on them stays."""
        for resource in resources:
            before = self.harness.cluster.get(type(resource), *_place(resource))
            if before is not None:
                generation = before.metadata.generation + 1
                said = {"generation": generation, "annotations": resource.metadata.annotations}
                metadata = before.metadata.model_copy(update=said)
                resource = resource.model_copy(update={"metadata": metadata, "status": before.status})  # noqa: PLW2901
            self.harness.put(resource)

    def delete(self, *kinds: type[Kind]) -> None:
        """Let a user delete all of some kinds."""
        now = datetime.now(UTC).isoformat()
        for found in [each for kind in kinds for each in self.harness.cluster.list(kind)]:
            metadata = found.metadata.model_copy(update={"deletion_timestamp": now})
            self.harness.cluster.put(found.model_copy(update={"metadata": metadata}))
            if not metadata.finalizers:
                self.harness.cluster.remove(found)
            self.harness.controller.changed(key_of(found))

    async def scale(self) -> None:
        """Let the scaler have its round, minutes after the last one."""
        self._now_s += MINUTE_S
        await self.harness.run("scaler", lambda scaler: scaler.tick(self._now_s))

    def run_pods(self, *pods: str) -> None:
        """Let exactly these pods exist."""
        self.harness.cluster.existing_pods[GUARD] = frozenset(pods)
        self.harness.controller.add(Key("AgentDeployment", *GUARD))

    async def gate_speaks(self) -> None:
        """Let the gate report what is published as in force, and all keys that it was given."""
        await self.harness.settle()
        self.run_pods(POD)
        keys = json.loads(self.harness.cluster.workloads[GUARD].public_keys)
        say_epochs(self.harness, *keys, pod=POD)
        await self.harness.settle()

    def look(self) -> Snapshot:
        """Return all that there is outside the process, without what is drawn by lot or counts attempts."""
        harness, cluster = self.harness, self.harness.cluster
        return {
            "topics": {name: (each.partitions, dict(each.config)) for name, each in harness.topics.topics.items()},
            "acls": set(harness.acls.acls),
            "users that log in": {user for users in self._users.values() for user in users if self._logs_in(user)},
            "users": {mechanism: set(users) for mechanism, users in self._users.items() if users},
            "quotas": {user: own for user, own in harness.quotas.quotas.items() if own},
            "Secrets": set(cluster.secrets),
            "workloads": {
                place: {name: value for name, value in asdict(each).items() if name not in SPECIFICS}
                for place, each in cluster.workloads.items()
            },
            "replicas": dict(cluster.replicas),
            "offsets": {
                place: (offset, _without_id(metadata))
                for place, (offset, metadata) in harness.offsets.committed.items()
            },
            "kept groups": set(harness.offsets.kept),
            "schemas": {name: [each.definition for each in all_] for name, all_ in harness.registry.versions.items()},
            "levels": dict(harness.registry.levels),
            "logs": {topic: self._records(topic) for topic in harness.log.topics},
            "acks": set(harness.acks.acks),
            "an order has its answer": bool(cast("FakeInventoryRequests", harness.requests).text),
            "keys": (bool(harness.keys.ids.following), bool(harness.keys.ids.previous), dict(harness.secrets.shown)),
            "resources": {str(key_of(each)): _said(each) for each in cluster.resources.values()},
        }

    def _look_for_ways_round(self) -> None:
        """Commands are the gate's alone, and an agent decides only where its gate knows where to begin."""
        harness, names = self.harness, AgentNames(*GUARD)
        writes = {(acl.principal, acl.resource_name) for acl in harness.acls.acls if acl.operation == "WRITE"}
        gate, agent = f"User:{names.gate_principal}", f"User:{names.agent_principal}"
        self.ways_round += [who for who, topic in writes if topic == "risk.commands" and who != gate]
        begun = {where for group, where, _ in harness.offsets.committed if group == names.gate_group}
        decides = (agent, names.decisions) in writes or GUARD in harness.cluster.workloads
        if decides and names.decisions not in begun:
            self.ways_round.append("the agent decides, and its gate knows no beginning")
        if GUARD in harness.cluster.workloads and b"binding/guard" not in harness.log.topics[OWN]:
            self.ways_round.append("pods run, and nothing binds them")

    @property
    def _users(self) -> Mapping[str, Mapping[str, str]]:
        """By mechanism: users and their passwords."""
        return {mechanism: self.harness.users.of(mechanism) for mechanism in SCRAM_MECHANISMS}

    def _logs_in(self, user: str) -> bool:
        found = (find_credential(data, user) for data in self.harness.cluster.secrets.values())
        return any(each is not None and self._users[each.mechanism].get(user) == each.password for each in found)

    def _records(self, topic: str) -> Mapping[str, Any]:
        return {
            key.decode(): _without_counts(json.loads(record.value or b"null"))
            for key, record in self.harness.log.topics[topic].items()
        }


def _place(resource: Kind) -> tuple[str, str]:
    return resource.metadata.namespace, resource.metadata.name


def _said(resource: Kind) -> tuple[Any, ...]:
    conditions = sorted((each.type, each.status, each.reason) for each in resource.status.conditions)
    return tuple(conditions), resource.metadata.finalizers, resource.metadata.deletion_timestamp is None


def _without_counts(value: Any) -> Any:
    """Leave out what grows with each attempt, and the ids that Kafka draws."""
    if isinstance(value, dict):
        counted = {"epoch", "revision", "revision_counter", "topics"}
        kept = {key for key in value if key not in counted and not key.endswith("topic_id")}
        return {key: _without_counts(value[key]) for key in sorted(kept)}
    return [_without_counts(each) for each in value] if isinstance(value, list) else value


def _without_id(metadata: str) -> list[str]:
    """Return a committed chain's metadata without the topic's id."""
    version, _, *others = metadata.split(";")
    return [version, *others]


async def _created(life: Life) -> None:
    life.edit(
        pages(),
        commands(SCHEMA),
        policy("strict", "decision.confidence >= 0.8"),
        policy("watch", "decision.confidence >= 0.9", failureAction="Audit"),
        scaled(min_replica_count=1, cooldown_period=0),
    )


async def _policy_edited(life: Life) -> None:
    life.edit(policy("strict", "decision.confidence >= 0.7"))
    await life.gate_speaks()


async def _contracts_edited(life: Life) -> None:
    life.edit(pages(config={"retention.ms": "60000"}), commands(WIDER))
    await life.gate_speaks()


def _second_image(agent: AgentDeployment) -> AgentDeployment:
    return agent.model_copy(update={"spec": agent.spec.model_copy(update={"image": "registry.example/guard:2"})})


async def _agent_edited(life: Life) -> None:
    life.edit(_second_image(scaled(min_replica_count=1, cooldown_period=0)))
    await life.gate_speaks()


async def _forgotten_user_adopted(life: Life) -> None:
    life.harness.users.passwords["risk.ghost.gate"] = "of an inventory that was lost"
    orders = cast("FakeInventoryRequests", life.harness.requests)
    orders.put(request_of(Action.ADOPT, "user/risk.ghost.gate").model_dump_json())
    life.harness.controller.add(ORDERS)


async def _key_rotated(life: Life) -> None:
    life.harness.secrets.annotations["streamwarden.io/rotate-key"] = "now"
    for _ in range(6):  # add, wait, sign, wait, retire, done: each is a look of its own, and the gate follows
        life.harness.controller.add(ROTATE)
        await life.gate_speaks()


async def _passwords_replaced(life: Life) -> None:
    asked = {"streamwarden.io/rotate-credentials": "now"}
    life.edit(_second_image(scaled(annotations=asked, min_replica_count=1, cooldown_period=0)))
    await life.gate_speaks()


async def _asleep(life: Life) -> None:
    life.edit(_second_image(scaled(cooldown_period=0)))
    await life.harness.settle()
    for _ in range(3):
        await life.scale()
    life.run_pods()
    await life.harness.settle()
    await life.harness.run("group-keeper", _a_day)


async def _a_day(keeper: Any) -> None:
    keeper._due_s.clear()  # of the time that it is
    for hour in range(HOURS):
        await keeper.tick(hour * HOUR_S)


async def _deleted(life: Life) -> None:
    life.delete(AgentDeployment, Policy)
    await life.harness.settle()
    life.delete(TopicContract)


STEPS: dict[str, Callable[[Life], Awaitable[None]]] = {
    "created": _created,
    "its gate runs": Life.gate_speaks,
    "a policy is edited": _policy_edited,
    "contracts are edited": _contracts_edited,
    "the agent is edited": _agent_edited,
    "a user that the inventory forgot is adopted": _forgotten_user_adopted,
    "the key is rotated": _key_rotated,
    "its passwords are replaced": _passwords_replaced,
    "it sleeps": _asleep,
    "deleted": _deleted,
}
