"""The whole operator but for what feeds it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog
from streamwarden_contract.names import SYSTEM, InstallationNames

from streamwarden_operator.adapters.signing import PublisherKeys
from streamwarden_operator.backends import AckSource, Backends
from streamwarden_operator.errors import CannotGoOnError
from streamwarden_operator.keys import Key, KeyKind
from streamwarden_operator.plans.inventory import Place
from streamwarden_operator.ports import Cluster, InventoryRequests, SigningKeys
from streamwarden_operator.reconcilers.agents.login_tries import AGAIN_S
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.reconcilers.scaling.scaling_store import ScaledAgent, ScalingStore
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.supervision import Supervisor
from streamwarden_operator.wiring.assembly import Factory, PasswordCare
from streamwarden_operator.wiring.queue import ReconcileQueue
from streamwarden_operator.wiring.waking import Waker

if TYPE_CHECKING:
    from streamwarden_operator.reconcilers.policies.reconciler import OnRollout

OnStatus = Callable[[Key], None]

_log = structlog.get_logger(__name__)


def _ignore_rollout(_ns: str, _policy: str, _revision: int, _gates: int, _updated: int, _ms: float) -> None:
    """Where nobody listens."""


def _ignore_status(_key: Key) -> None:
    """Where nobody listens."""


_SOONER = 0.8
"""Share of a resync interval after which passwords are tried again, where it is short: resyncs are spread around it."""


def _inventory(settings: OperatorSettings, backends: Backends, keys: PublisherKeys, place: Place | None) -> Inventory:
    return Inventory(
        backends.log,
        backends.topics,
        installation=InstallationNames(settings.installation),
        keys=keys,
        place=place or Place(namespace=settings.operator_namespace),
        durability=settings.durability,
    )


class Controller:
    """Works on keys until it is stopped. All calls from one event loop."""

    def __init__(  # noqa: PLR0913  # what a process has; all but two by name
        self,
        cluster: Cluster,
        settings: OperatorSettings,
        *,
        backends: Backends,
        bootstrap_servers: str,
        keys: PublisherKeys,
        key_store: SigningKeys | None = None,
        requests: InventoryRequests | None = None,
        place: Place | None = None,
    ) -> None:
        """Put everything together; nothing runs before ``start``.

        Args:
            cluster: the Kubernetes side.
            settings: the operator's.
            backends: Kafka and the registry.
            bootstrap_servers: as the operator reaches Kafka; pods too, where the settings name no others.
            keys: sign the policy logs and the inventory, and verify them.
            key_store: keeps them; None: nobody does, and none is replaced.
            requests: what people order of the inventory; None: nobody can.
            place: the cluster, by which a copy of it is told, and those that it takes over; None: not known.
        """
        self.on_rollout: OnRollout = _ignore_rollout
        """Called once when a policy's revision is in force in every gate that it binds."""
        self.on_status: OnStatus = _ignore_status
        """Called with the key of a resource whose status has changed."""
        self._backends = backends
        self._operator_namespace = settings.operator_namespace
        self._logs = LogStore(InstallationNames(settings.installation))
        self._scaling = ScalingStore(enabled=backends.lags is not None)
        self._queue = ReconcileQueue(settings, on_status=self._status_changed)
        self._waker = Waker(cluster, self._logs, self._queue.add, self._queue.add_paced, self._queue.add_last)
        factory = Factory(
            cluster,
            backends,
            keys,
            key_store,
            requests,
            settings.operator_namespace,
            settings.pod_bootstrap_servers or bootstrap_servers,
            settings.agent_quotas,
            settings.trusted,
            settings.durability,
            PasswordCare(
                settings.credentials_max_age, min(AGAIN_S, _SOONER * settings.resync_interval.total_seconds())
            ),
            self._logs,
            self._scaling,
            self._waker,
            _inventory(settings, backends, keys, place),
            settings.covers,
            settings.resync_interval.total_seconds(),
        )
        self.reconcilers = factory.create_reconcilers(self._rolled_out)
        """By kind of key: what the queue's workers call."""
        self._loops = factory.create_loops()
        self.supervisor = Supervisor()  # keeps what runs beside the queue
        backends.acks.on_ack, backends.acks.on_complete = self._waker.acknowledged, self._waker.acks_complete

    @property
    def idle(self) -> bool:
        """Whether no key is waiting, worked on, or about to be retried."""
        return self._queue.idle

    @property
    def failing(self) -> frozenset[Key]:
        """Keys whose last reconcile failed; each is tried again by itself."""
        return self._queue.failing

    @property
    def lost(self) -> asyncio.Event:
        """Set when only a new process can go on, as when another operator has taken over: this one must end."""
        return self._queue.lost

    @property
    def lost_by(self) -> CannotGoOnError | None:
        """What has set ``lost``."""
        return self._queue.lost_by

    @property
    def queue(self) -> ReconcileQueue:
        """The queue and its workers, for who wants to see how they do."""
        return self._queue

    @property
    def acks(self) -> AckSource:
        """What gates report."""
        return self._backends.acks

    @property
    def scaled_agents(self) -> Sequence[ScaledAgent]:
        """The agents that scale, as the scaler knows them."""
        return [agent for agent in self._scaling.agents.values() if agent.scaling is not None]

    async def start(self) -> None:
        """Begin to work. The cluster need not know all resources yet: see ``caches_complete``."""
        self._backends.acks.start()
        self._queue.add(Key("Namespace", SYSTEM))
        of_operator: tuple[KeyKind, ...] = ("SigningKey", "InventoryRequest")
        for kind in of_operator:
            if kind in self.reconcilers:
                self._queue.add(Key(kind, self._operator_namespace))
        self._queue.start(self.reconcilers)
        for name, run in self._loops.items():
            self.supervisor.start(run, role=name)
        self.supervisor.start(self._watch_for_fencing, role="fencing")

    def caches_complete(self) -> None:
        """Say that the cluster knows every resource: from now on what belongs to none of them is taken back."""
        self._logs.complete = True
        self._queue.add(Key("Namespace", SYSTEM))

    def add(self, key: Key) -> None:
        """Reconcile one thing; of a ConfigMap, the policies that have their data in it."""
        if key.kind == "ConfigMap":
            self._waker.changed(key)
        else:
            self._queue.add(key)

    def changed(self, key: Key) -> None:
        """Say that a resource was added, edited or removed: it and what depends on it are reconciled."""
        self._waker.changed(key)

    async def stop(self) -> None:
        """Stop working; what runs in Kafka and in pods stays as it is."""
        await asyncio.gather(self._queue.stop(), self.supervisor.stop())
        await self._backends.acks.stop()
        await self._backends.log.close()
        for close in self._backends.closing:
            await close()

    async def _watch_for_fencing(self) -> None:
        self._queue.lose(Key("Namespace", SYSTEM), await self._backends.log.fenced())

    def _status_changed(self, key: Key) -> None:
        self.on_status(key)

    def _rolled_out(self, namespace: str, policy: str, revision: int, gates: int, updated: int, ms: float) -> None:
        _log.info("policy in force", policy=f"{namespace}/{policy}@{revision}", gates=gates, milliseconds=round(ms))
        self.on_rollout(namespace, policy, revision, gates, updated, ms)
