"""Everything that lives as long as the process: the cluster, the controller, the resync now and then."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from streamwarden_contract.names import InstallationNames
from streamwarden_kafka.connection import Connection

from streamwarden_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.adapters.kubernetes.signing_key import KubernetesSigningKeys, keep_signing_key
from streamwarden_operator.backends import Backends, connect
from streamwarden_operator.desired.names import BEGIN_ANEW_ANNOTATION, annotated_ids
from streamwarden_operator.desired.pod_template import GateImage
from streamwarden_operator.desired.pods import build_manifests
from streamwarden_operator.errors import InvalidSpecError, OperatorError, SigningKeyLostError, UnavailableError
from streamwarden_operator.handlers.health import Health
from streamwarden_operator.handlers.looking import look
from streamwarden_operator.handlers.measuring import (
    count_admin_request,
    measure_client,
    measure_controller,
    measure_restarts,
)
from streamwarden_operator.keys import Key
from streamwarden_operator.metrics import LEADER, Metrics
from streamwarden_operator.ports import Manifest
from streamwarden_operator.reconcilers.inventory import signers_of
from streamwarden_operator.settings import OperatorSettings, find_principal, read_connection
from streamwarden_operator.supervision import Supervisor
from streamwarden_operator.wiring.controller import Controller

_RETRY = timedelta(seconds=2)
_SETTLE = timedelta(seconds=3)
"""The watches begin some 100 ms after the first list, and do not show what vanished in between: a second list does."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Runtime:
    """The operator of one process. ``open`` makes it; ``start`` returns once everything has been listed."""

    settings: OperatorSettings
    kafka: Connection
    cluster: KubernetesCluster
    health: Health
    metrics: Metrics
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to end the process."""
    lost: bool = False
    """Whether only a new process can go on."""
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
        client = KubernetesClient(await load_configuration(), timeout_s=timeout_s)
        gate = GateImage(settings.gate_image, settings.gate_image_pull_policy, settings.gate_environment)
        cluster = KubernetesCluster(
            client, lambda workload: build_manifests(workload, gate), namespaces=settings.namespaces
        )
        metrics = Metrics()
        measure_client(metrics, client)
        return cls(settings, kafka, cluster, Health(settings.health_port, settings.longest_stall, metrics), metrics)

    @property
    def controller(self) -> Controller:
        """The controller, once it has started."""
        assert self._controller is not None  # noqa: S101  # watches begin after the start
        return self._controller

    async def start(self) -> None:
        """Wait for the API server, list everything, begin to work."""
        await self.health.start()
        keys = await self._first_list()
        answered = partial(count_admin_request, self.metrics)
        backends = connect(self.kafka, self.settings.registry_url or None, self.settings, answered)
        signing = await self._first_keys(backends)
        self._controller = Controller(
            self.cluster,
            self.settings,
            backends=backends,
            bootstrap_servers=self.kafka.bootstrap_servers,
            kubernetes_uid=await self.cluster.uid(),
            keys=signing.keys,
            key_store=signing,
        )
        measure_controller(self.metrics, self._controller, self.cluster)
        self.metrics.read(LEADER, lambda: [((), float(self._controller is not None and not self.lost))])
        self.health.look = partial(look, self._controller.queue)
        self.cluster.on_changed = self._controller.changed
        await self._controller.start()
        self._controller.caches_complete()
        self._wake(keys)
        measure_restarts(self.metrics, self._supervisor, self._controller)
        self._supervisor.start(self._resync, role="resync")
        self._supervisor.start(self._watch_for_loss, role="loss")
        self.health.ready = True
        _log.info("operator started", resources=len(keys), key_id=signing.key_id)

    async def see(self, event: str | None, manifest: Manifest) -> Key | None:
        """Take in what a watch saw; return the key to reconcile because of it."""
        return self.cluster.forget(manifest) if event == "DELETED" else await self.cluster.observe(manifest)

    async def stop(self) -> None:
        """Stop working and let go of all connections; once more is no harm."""
        self.health.ready = False
        self.stopping.set()  # else kopf waits 5 s for whoever waits for it
        await self._supervisor.stop()
        if self._controller is not None:
            await self._controller.stop()
            self._controller = None
            _log.info("operator stopped")
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
                    _log.warning("waiting for the API server", reason=error.reason.value, error=said)
            await asyncio.sleep(_RETRY.total_seconds())

    async def _first_keys(self, backends: Backends) -> KubernetesSigningKeys:
        """Return the keys; where the Secret is lost, wait until it is back or people want to begin anew.

        Raises:
            InvalidSpecError: the Secret holds no key.
        """
        namespace, names = self.settings.operator_namespace, InstallationNames(self.settings.installation)
        said = ""
        while True:
            try:
                annotations = await self.cluster.namespace_annotations(namespace)
                return await keep_signing_key(
                    self.cluster.secrets,
                    namespace,
                    signers=lambda: signers_of(backends.log, backends.topics, names),
                    begin_anew=annotated_ids(annotations, BEGIN_ANEW_ANNOTATION),
                    longest=self.settings.signing_key_max_age,
                )
            except (SigningKeyLostError, UnavailableError) as error:
                if str(error) != said:
                    said = str(error)
                    _log.error("waiting for the signing key", error=said)
                    await self._tell(error)
            await asyncio.sleep(_RETRY.total_seconds())

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
                continue
            if keys:
                _log.info("found changed, and no watch showed it", keys=len(keys))
            self._wake(keys)

    async def _tell(self, error: OperatorError) -> None:
        """Record an Event of what keeps the operator from working, where people look first: in its namespace."""
        where, reason = Key("Namespace", self.settings.operator_namespace), type(error).__name__.removesuffix("Error")
        await self.cluster.record_event(where, reason=reason, message=str(error), warning=True)

    def _wake(self, keys: frozenset[Key]) -> None:
        for key in sorted(keys):
            self.controller.changed(key)

    async def _watch_for_loss(self) -> None:
        await self.controller.lost.wait()
        self.lost = True
        try:
            if self.controller.lost_by is not None:
                await self._tell(self.controller.lost_by)
        finally:
            self.stopping.set()  # whoever has lost ends, told or not
