"""Puts adapters, reconcilers and the work queue together: the whole operator but for what feeds it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from streamwarden_contract.acks import GateAck
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.names import SYSTEM, InstallationNames

from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.backends import Backends
from streamwarden_operator.errors import ConflictError, LeadershipLostError, OperatorError
from streamwarden_operator.keys import Key, KeyKind
from streamwarden_operator.ports import (
    Cluster,
)
from streamwarden_operator.reconcilers.agents.access import AgentAccess
from streamwarden_operator.reconcilers.agents.reconciler import AgentReconciler, PodSettings
from streamwarden_operator.reconcilers.contracts.reconciler import TopicContractReconciler
from streamwarden_operator.reconcilers.dependents import dependents_of
from streamwarden_operator.reconcilers.namespaces.reconciler import NamespaceReconciler
from streamwarden_operator.reconcilers.policies.live_acks import LiveAcks
from streamwarden_operator.reconcilers.policies.log import PolicyLogReconciler
from streamwarden_operator.reconcilers.policies.log_book import LogBook
from streamwarden_operator.reconcilers.policies.reconciler import OnRollout, PolicyReconciler
from streamwarden_operator.reconcilers.scaling.group_keeper import GroupKeeper
from streamwarden_operator.reconcilers.scaling.scale_book import ScaleBook
from streamwarden_operator.reconcilers.scaling.scaler import Scaler
from streamwarden_operator.result import Result
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.work_queue import WorkQueue


class Reconciler(Protocol):
    """Brings one thing to what is wanted of it; what woke it does not matter."""

    async def reconcile(self, key: Key) -> Result: ...


OnStatus = Callable[[Key], None]

_log = structlog.get_logger(__name__)


def _ignore_rollout(_ns: str, _policy: str, _revision: int, _gates: int, _updated: int, _ms: float) -> None:
    """Where nobody listens."""


def _ignore_status(_key: Key) -> None:
    """Where nobody listens."""


class Controller:
    """Works on keys until it is stopped. All calls from one event loop."""

    def __init__(
        self,
        cluster: Cluster,
        settings: OperatorSettings,
        *,
        backends: Backends,
        bootstrap_servers: str,
        signing_key: SigningKey,
    ) -> None:
        """Put everything together; nothing runs before ``start``.

        Args:
            cluster: the Kubernetes side.
            settings: the operator's.
            backends: Kafka and the registry.
            bootstrap_servers: as the operator reaches Kafka; pods too, where the settings name no others.
            signing_key: signs the policy logs.
        """
        self.on_rollout: OnRollout = _ignore_rollout
        """Told once when a policy's revision is in force in every gate that it binds."""
        self.on_status: OnStatus = _ignore_status
        """Told the key of a resource whose status has changed."""
        self.lost = asyncio.Event()
        """Set when another operator has taken over: the process must end."""
        self._cluster = cluster
        self._settings = settings
        self._backends = backends
        self._book = LogBook(InstallationNames(settings.installation))
        self._scaling = ScaleBook(enabled=backends.lags is not None)
        self._queue: WorkQueue[Key] = WorkQueue(
            base_delay_s=settings.first_retry.total_seconds(),
            max_delay_s=settings.longest_retry.total_seconds(),
            resync_interval_s=settings.resync_interval.total_seconds(),
        )
        self._failing: set[Key] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._last_acks: dict[tuple[str, str, str], tuple[str, str, str, str]] = {}
        ring = KeyRing(signing_key.public_key)
        pods = PodSettings(settings.operator_namespace, ring.public_keys_json())
        self._build(_Keys(signing_key, ring), pods, settings.pod_bootstrap_servers or bootstrap_servers)

    def _build(self, keys: "_Keys", pods: PodSettings, bootstrap_servers: str) -> None:
        cluster, backends, book, wake = self._cluster, self._backends, self._book, self._queue.add
        self._acks = acks = LiveAcks(backends.acks, cluster)
        access = AgentAccess(
            cluster, backends.acls, backends.users, backends.offsets, bootstrap_servers, book.installation
        )
        self._contracts = TopicContractReconciler(
            cluster,
            backends.topics,
            backends.acls,
            backends.registry,
            installation=book.installation,
            changed=self._wake_dependents,
        )
        self._policies = PolicyReconciler(cluster, acks, book, on_rollout=self._rolled_out)
        self._agents = AgentReconciler(
            cluster,
            backends.topics,
            access=access,
            acks=acks,
            book=book,
            scaling=self._scaling,
            pods=pods,
            wake=wake,
        )
        self._logs = PolicyLogReconciler(
            cluster,
            backends.log,
            acks,
            book,
            keys=keys,
            published=self._log_published,
        )
        self._namespaces = NamespaceReconciler(
            cluster,
            backends.topics,
            backends.acls,
            backends.users,
            book=book,
            watch=backends.acks.watch,
            wake=wake,
        )
        backends.acks.on_ack = self._acknowledged

    @property
    def idle(self) -> bool:
        """Whether no key is waiting, worked on, or about to be retried."""
        return self._queue.idle and not self._failing

    @property
    def failing(self) -> frozenset[Key]:
        """Keys whose last look failed; each is tried again by itself."""
        return frozenset(self._failing)

    async def start(self) -> None:
        """Begin to work. The cluster need not know all resources yet: see ``caches_complete``."""
        self._backends.acks.start()
        self._queue.add(Key("Namespace", SYSTEM))
        self._workers = [
            asyncio.create_task(self._queue.work(self._reconcile, self._report), name=f"worker-{number}")
            for number in range(self._settings.workers)
        ]
        if self._backends.lags is not None:
            scaler = Scaler(self._cluster, self._backends.lags, self._scaling, wake=self._queue.add)
            keeper = GroupKeeper(self._backends.offsets, self._scaling)
            self._workers += [
                asyncio.create_task(scaler.run(), name="scaler"),
                asyncio.create_task(keeper.run(), name="group-keeper"),
            ]

    def caches_complete(self) -> None:
        """Say that the cluster knows every resource: from now on what belongs to none of them is taken back."""
        self._book.complete = True
        self._queue.add(Key("Namespace", SYSTEM))

    def add(self, key: Key) -> None:
        """Ask for a look at one thing."""
        self._queue.add(key)

    def changed(self, key: Key) -> None:
        """Say that a resource was added, edited or removed: it and what depends on it need a look."""
        if key.kind == "Policy":
            self._queue.add(Key("PolicyLog", key.namespace))  # first: people wait for this one
        if key.namespace not in self._book.topics_ready:
            self._queue.add(Key("Namespace", key.namespace))
        self._queue.add(key)
        self._wake_dependents(key)

    async def stop(self) -> None:
        """Stop working; what runs in Kafka and in pods stays as it is."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._queue.close()
        await self._backends.acks.stop()
        await self._backends.log.close()
        for close in self._backends.closing:
            await close()

    def _log_published(self, namespace: str, concerned: frozenset[Key] | None) -> None:
        if concerned is None:
            self._wake_dependents(Key("PolicyLog", namespace))
        else:
            for key in sorted(concerned):
                self._queue.add(key)

    def _wake_dependents(self, key: Key) -> None:
        namespace = key.namespace
        found = dependents_of(
            key,
            self._cluster.list(AgentDeployment, namespace),
            self._cluster.list(Policy, namespace),
            self._cluster.list(TopicContract, namespace),
        )
        for dependent in sorted(found):
            self._queue.add(dependent)

    def _acknowledged(self, namespace: str, agent: str, ack: GateAck | None) -> None:
        """Wake the policies of a gate that spoke; the agent too, where the gate's state is another."""
        for policy in self._book.policies_of(namespace, agent):
            self._queue.add(policy)
        if ack is None:
            self._queue.add(Key("AgentDeployment", namespace, agent))
            return
        gate, state = (namespace, agent, ack.pod), (ack.agent_uid, ack.state, ack.reason, ack.message)
        if self._last_acks.get(gate) != state:
            self._last_acks[gate] = state
            self._queue.add(Key("AgentDeployment", namespace, agent))

    def _rolled_out(self, namespace: str, policy: str, revision: int, gates: int, updated: int, ms: float) -> None:
        _log.info("policy in force", policy=f"{namespace}/{policy}@{revision}", gates=gates, milliseconds=round(ms))
        self.on_rollout(namespace, policy, revision, gates, updated, ms)

    async def _reconcile(self, key: Key) -> Result:
        result = await self._reconciler(key.kind).reconcile(key)
        self._failing.discard(key)
        if result.status_changed:
            self.on_status(key)
        return result

    def _reconciler(self, kind: KeyKind) -> Reconciler:
        match kind:
            case "Namespace":
                return self._namespaces
            case "PolicyLog":
                return self._logs
            case "TopicContract":
                return self._contracts
            case "Policy":
                return self._policies
            case "AgentDeployment":
                return self._agents

    def _report(self, key: Key, error: Exception) -> None:
        self._failing.add(key)
        if isinstance(error, LeadershipLostError):
            _log.error("another operator has taken over", key=str(key))
            self.lost.set()
        elif isinstance(error, ConflictError):
            _log.info("changed meanwhile, looked at again", key=str(key))
        elif isinstance(error, OperatorError):
            _log.warning("reconcile failed", key=str(key), reason=error.reason.value, error=str(error))
        else:
            _log.error("reconcile broke", key=str(key), exc_info=error)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Signs with one key, and believes every valid one."""

    signing: SigningKey
    ring: KeyRing

    @property
    def key_id(self) -> str:
        return self.signing.key_id

    def sign(self, message: bytes) -> bytes:
        return self.signing.sign(message)

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        return self.ring.verify(key_id, signature, message)
