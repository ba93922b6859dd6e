"""Everything that lives as long as the process: the cluster, the controller, the resync now and then."""

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from streamwarden_contract.names import InstallationNames
from streamwarden_kafka.connection import Connection

from streamwarden_operator.adapters.kafka.preflight import check_kafka
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.adapters.kubernetes.election import Election
from streamwarden_operator.adapters.kubernetes.inventory_requests import KubernetesInventoryRequests
from streamwarden_operator.adapters.kubernetes.secrets import SecretStore
from streamwarden_operator.adapters.kubernetes.signing_key import KubernetesSigningKeys, is_new, keep_signing_key
from streamwarden_operator.backends import Backends, connect
from streamwarden_operator.clock import Reminders
from streamwarden_operator.desired.names import BEGIN_ANEW_ANNOTATION, TAKE_OVER_ANNOTATION, annotated_ids
from streamwarden_operator.desired.pod_template import GateImage
from streamwarden_operator.desired.pods import build_manifests
from streamwarden_operator.errors import (
    ForbiddenError,
    InvalidSpecError,
    KafkaTooOldError,
    OperatorError,
    SigningKeyLostError,
    UnavailableError,
)
from streamwarden_operator.garbage import leave_out_what_is_there
from streamwarden_operator.handlers.health import Health
from streamwarden_operator.handlers.looking import look
from streamwarden_operator.handlers.measuring import (
    measure_client,
    measure_controller,
    measure_incidents,
    measure_restarts,
)
from streamwarden_operator.keys import Key
from streamwarden_operator.metrics import KAFKA_REQUESTS, KAFKA_WIRE_REQUESTS, LEADER, Metrics
from streamwarden_operator.plans.election import RETRY_S
from streamwarden_operator.plans.inventory import Place
from streamwarden_operator.ports import Manifest
from streamwarden_operator.reconcilers.inventory import signers_of
from streamwarden_operator.settings import OperatorSettings, find_principal, read_connection
from streamwarden_operator.supervision import Supervisor
from streamwarden_operator.wiring.controller import Controller
from streamwarden_operator.write_guard import WriteGuard, always

_RETRY = timedelta(seconds=2)
_SETTLE = timedelta(seconds=3)
"""The watches begin some 100 ms after the first list, and do not show what vanished in between: a second list does."""

_AT_ONCE = 50
"""Keys that are woken before others have their turn."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Runtime:
    """The operator of one process. ``open`` makes it; ``start`` returns once everything has been listed."""

    settings: OperatorSettings
    kafka: Connection
    cluster: KubernetesCluster
    health: Health
    metrics: Metrics
    election: Election | None = None
    """Decides whether this process may write; None: it is the only one."""
    identity: str = ""
    """By which the Lease and the API server's audit log know this process."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to end the process."""
    lost: bool = False
    """Whether only a new process can go on."""
    refused: InvalidSpecError | None = None
    """What only a person can mend, and was found after the start."""
    _key_lost: bool = False
    """Whether it waits for its signing key."""
    _controller: Controller | None = None
    _supervisor: Supervisor = field(default_factory=Supervisor)

    @classmethod
    async def open(cls, settings: OperatorSettings) -> "Runtime":
        """Read what the settings name; nothing is connected yet.

        Raises:
            InvalidSpecError: something is missing that only a person can mend.
        """
        if settings.kafka_properties is None or not settings.gate_image:
            raise InvalidSpecError("set STREAMWARDEN_KAFKA_PROPERTIES (a file) and STREAMWARDEN_GATE_IMAGE")
        kafka = read_connection(settings.kafka_properties)
        settings = find_principal(settings, kafka)
        timeout_s = settings.kubernetes_timeout.total_seconds()
        identity, election = _identity(), None
        agent = f"streamwarden-operator/{identity}"
        if settings.leader_election:
            own = KubernetesClient(await load_configuration(), timeout_s=RETRY_S, user_agent=agent)
            election = Election(
                own,
                namespace=settings.operator_namespace,
                name=InstallationNames(settings.installation).lease,
                identity=identity,
                is_new=partial(is_new, SecretStore(own), settings.operator_namespace),
            )
        client = KubernetesClient(
            await load_configuration(), timeout_s=timeout_s, guard=_guard(election), user_agent=agent
        )
        gate = GateImage(settings.gate_image, settings.gate_image_pull_policy, settings.gate_environment)
        cluster = KubernetesCluster(
            client, lambda workload: build_manifests(workload, gate), namespaces=settings.namespaces
        )
        metrics = Metrics()
        measure_client(metrics, client)
        health = Health(settings.health_port, settings.longest_stall, metrics)
        return cls(settings, kafka, cluster, health, metrics, election, identity)

    @property
    def controller(self) -> Controller | None:
        """The controller; None while another process leads, or nothing is known yet."""
        return self._controller

    def changed(self, key: Key) -> None:
        """Reconcile a resource and what depends on it; whoever stands by only knows of it."""
        if self._controller is not None:
            self._controller.changed(key)

    def add(self, key: Key) -> None:
        """Reconcile one thing."""
        if self._controller is not None:
            self._controller.add(key)

    async def start(self) -> None:
        """Wait for the API server and list everything; then begin to work, or stand by until that is our turn."""
        self.metrics.read(LEADER, lambda: [((), float(self._leads))])
        measure_incidents(self.metrics, self.cluster, lambda: self._key_lost)
        await self.health.start()
        await self._first_list()
        leave_out_what_is_there()
        measure_restarts(self.metrics, self._supervisor)
        self._supervisor.start(self._resync, role="resync")
        self._supervisor.start(self._lead, role="leadership")
        self.health.ready = True
        _log.info("operator started", resources=len(self.cluster.known()), identity=self.identity)

    @property
    def _leads(self) -> bool:
        """Whether this process may write now, and has begun to work."""
        return self._controller is not None and not self.lost and (self.election is None or self.election.leads)

    async def _lead(self) -> None:
        """Begin to work once this process leads; where that fails the process ends."""
        try:
            if self.election is not None:
                await self.election.acquire()
                self._supervisor.start(self._hold, role="lease")
            await self._begin()
        except InvalidSpecError as error:
            self.refused = error
        except OperatorError as error:
            _log.error("could not begin", error=str(error))
            self.lost = True
        except Exception as error:  # noqa: BLE001  # begun again, there would be two of what it has made
            _log.error("could not begin", exc_info=error)
            self.lost = True
        if self.lost or self.refused is not None:
            self.stopping.set()

    async def _hold(self) -> None:
        assert self.election is not None  # noqa: S101  # it was acquired
        await self.election.hold()
        self.lost = True
        self.stopping.set()

    async def _begin(self) -> None:
        """Make the controller and wake all that is known."""
        backends = connect(
            self.kafka,
            self.settings.registry_url or None,
            self.settings,
            on_answered=partial(self.metrics.count, KAFKA_REQUESTS),
            on_wire_answered=partial(self.metrics.count, KAFKA_WIRE_REQUESTS),
            guard=_guard(self.election),
        )
        if not await self._kafka_can():
            self._supervisor.start(self._await_kafka, role="preflight")
        signing = await self._first_keys(backends)
        await self._first_list()  # whoever stood by, or waited, may have been refused its watches since
        if self.election is not None:
            await self.election.confirm()  # after the key is there, by which others tell that somebody may lead
        controller = Controller(
            self.cluster,
            self.settings,
            backends=backends,
            bootstrap_servers=self.kafka.bootstrap_servers,
            place=await self._place(),
            keys=signing.keys,
            key_store=signing,
            requests=KubernetesInventoryRequests(self.cluster.client, self.settings.operator_namespace),
        )
        measure_controller(self.metrics, controller, self.cluster)
        self.health.look = partial(look, controller.queue)
        self.cluster.on_changed = controller.changed
        self._controller = controller
        await controller.start()
        controller.caches_complete()
        await self._wake(self.cluster.known())
        self._supervisor.start(partial(self._watch_for_loss, controller), role="loss")
        self.health.ready = True
        _log.info("operator works", key_id=signing.key_id)

    async def see(self, event: str | None, manifest: Manifest) -> Key | None:
        """Take in what a watch saw, with a look of our own where it takes one; return the key to reconcile."""
        said = ""
        while True:
            try:
                return await self.cluster.see(event, manifest)
            except OperatorError as error:
                if str(error) != said:
                    said = str(error)
                    _log.warning("what a watch saw could not be looked at", error=said)
            await asyncio.sleep(_RETRY.total_seconds())

    async def stop(self) -> None:
        """Stop working and let go of all connections; once more is no harm."""
        self.health.ready = False
        self.stopping.set()  # else kopf waits 5 s for whoever waits for it
        await self._supervisor.stop()
        if self._controller is not None:
            await self._controller.stop()
            self._controller = None
            _log.info("operator stopped")
        if self.election is not None:
            await self.election.release()  # nothing is written any more
            await self.election.close()
        await self.cluster.close()
        await self.health.stop()

    async def _first_list(self) -> frozenset[Key]:
        said = ""
        while True:
            try:
                return await self.cluster.resync()
            except OperatorError as error:
                if str(error) != said:
                    said = str(error)
                    self.health.ready = False  # as long as it waits, nobody is to count on it
                    _log.warning("waiting for the API server", reason=error.reason.value, error=said)
                    await self._tell_what_is_forbidden(error)
            await asyncio.sleep(_RETRY.total_seconds())

    async def _kafka_can(self) -> bool:
        """Tell whether Kafka can do what will be asked of it; False: it does not say so yet.

        Raises:
            KafkaTooOldError: it cannot; people are told.
        """
        try:
            await check_kafka(self.kafka, timeout_s=self.settings.admin_timeout.total_seconds())
        except KafkaTooOldError as error:
            await self._tell(error)
            raise
        except UnavailableError:
            return False  # every resource says so by its conditions
        except InvalidSpecError as error:
            _log.warning("what Kafka can do is not known", error=str(error))  # settings that only librdkafka has
        return True

    async def _await_kafka(self) -> None:
        """Ask until Kafka says what it can; where that is too little the process ends."""
        try:
            while True:
                await asyncio.sleep(_RETRY.total_seconds())
                if await self._kafka_can():
                    return
        except KafkaTooOldError as error:
            self.refused = error
            self.stopping.set()

    async def _first_keys(self, backends: Backends) -> KubernetesSigningKeys:
        """Return the keys; where the Secret is lost, wait until it is back or people want to begin anew.

        Raises:
            InvalidSpecError: the Secret holds no key.
        """
        namespace, names = self.settings.operator_namespace, InstallationNames(self.settings.installation)
        reminders = Reminders()
        while True:
            try:
                annotations = await self.cluster.namespace_annotations(namespace)
                found = await keep_signing_key(
                    self.cluster.secrets,
                    namespace,
                    signers=lambda: signers_of(backends.log, backends.topics, names),
                    begin_anew=annotated_ids(annotations, BEGIN_ANEW_ANNOTATION),
                    longest=self.settings.signing_key_max_age,
                )
            except (SigningKeyLostError, UnavailableError) as error:
                self._key_lost |= isinstance(error, SigningKeyLostError)
                if reminders.due(namespace, str(error)):
                    self.health.ready = False  # until it works, nobody is to count on it
                    lost = isinstance(error, SigningKeyLostError)
                    event = "waiting for the signing key" if lost else "waiting for what the first look needs"
                    _log.error(event, error=str(error))
                    await self._tell(error)
            else:
                self._key_lost = False
                return found
            await asyncio.sleep(_RETRY.total_seconds())

    async def _place(self) -> Place:
        """Return which cluster this is, and those whose installation people have it take over."""
        namespace = self.settings.operator_namespace
        former = annotated_ids(await self.cluster.namespace_annotations(namespace), TAKE_OVER_ANNOTATION)
        return Place(await self.cluster.uid(), former, namespace)

    async def _resync(self) -> None:
        """Find what no watch showed: kopf does not report what was deleted while a watch was broken."""
        wait = _SETTLE
        while True:
            await asyncio.sleep(wait.total_seconds())
            wait = self.settings.resync_interval
            try:
                keys = await self.cluster.resync()
            except OperatorError as error:
                _log.warning("not everything could be listed", error=str(error))
                await self._tell_what_is_forbidden(error)
                keys = self.cluster.take_found()
            if keys:
                _log.info("found changed, and no watch showed it", keys=len(keys))
            await self._wake(keys)

    async def _tell_what_is_forbidden(self, error: OperatorError) -> None:
        """Record an Event of a right that people must give back; who stands by may write none."""
        if isinstance(error, ForbiddenError) and (self.election is None or self.election.leads):
            await self._tell(error)

    async def _tell(self, error: OperatorError) -> None:
        """Record an Event of what keeps the operator from working, where people look first: in its namespace.

        An outage has the word that conditions have for it, and pages explain; else the error's name is the word.
        """
        where = Key("Namespace", self.settings.operator_namespace)
        named = type(error).__name__.removesuffix("Error")
        reason = error.reason.value if isinstance(error, UnavailableError) else named
        await self.cluster.record_event(where, reason=reason, message=str(error), warning=True)

    async def _wake(self, keys: frozenset[Key]) -> None:
        """Wake what these are and what depends on them, a few at a time: thousands would hold the event loop."""
        for number, key in enumerate(sorted(keys), start=1):
            self.changed(key)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _watch_for_loss(self, controller: Controller) -> None:
        await controller.lost.wait()
        self.lost = True
        try:
            if controller.lost_by is not None:
                await self._tell(controller.lost_by)
        finally:
            self.stopping.set()  # whoever has lost ends, told or not


def _guard(election: Election | None) -> WriteGuard:
    return always if election is None else election.check


def _identity() -> str:
    """Return what tells this process from every other one that may run at the same time.

    In a pod its name: a container that is started again there follows one that has ended, and need not wait for it.
    """
    return os.environ.get("POD_ID") or f"{socket.gethostname()}_{secrets.token_hex(4)}"
