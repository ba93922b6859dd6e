"""Counts what the operator's parts tell, and reads the rest of them when Prometheus asks."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from streamwarden_contract.models import KINDS
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
from streamwarden_operator.backends import AckSource
from streamwarden_operator.metrics import (
    CONDITIONS,
    FAILING,
    INCIDENTS,
    KUBERNETES_REQUESTS,
    KUBERNETES_SECONDS,
    OLDEST,
    QUEUE_DEPTH,
    RECONCILE_SECONDS,
    RECONCILES,
    RETRIES,
    ROLLOUTS,
    RUNNING,
    SCALED_AGENTS,
    TASK_RESTARTS,
    Metrics,
    Reading,
)
from streamwarden_operator.ports import Cluster
from streamwarden_operator.supervision import Supervisor
from streamwarden_operator.wiring.controller import Controller
from streamwarden_operator.wiring.queue import Reconciled, ReconcileQueue

_log = structlog.get_logger(__name__)

_INCIDENTS = (
    ConditionReason.BYPASS_POSSIBLE,
    ConditionReason.NAMESPACE_TAKEN,
    ConditionReason.OFFSETS_LOST,
    ConditionReason.SHARED_TOPIC_LOST,
    ConditionReason.UNGOVERNED_PRODUCER,
)


def measure_client(metrics: Metrics, client: KubernetesClient) -> None:
    """Count the requests to the API server."""

    def answered(verb: str, target: str, code: str, duration_s: float) -> None:
        metrics.count(KUBERNETES_REQUESTS, verb, target, code)
        metrics.observe(KUBERNETES_SECONDS, duration_s, verb)

    client.on_answer = answered


def measure_controller(metrics: Metrics, controller: Controller, cluster: Cluster) -> None:
    """Count what the controller does, and read its queue, its agents and the conditions when Prometheus asks."""

    def reconciled(ended: Reconciled) -> None:
        kind = ended.key.kind
        metrics.count(RECONCILES, kind, ended.outcome.value)
        metrics.observe(RECONCILE_SECONDS, ended.duration_s, kind)
        if ended.is_retry:
            metrics.count(RETRIES, kind)
        _log.debug("reconciled", key=str(ended.key), outcome=ended.outcome.value, seconds=round(ended.duration_s, 3))

    def rolled_out(_ns: str, _policy: str, _revision: int, _gates: int, _updated: int, ms: float) -> None:
        metrics.observe(ROLLOUTS, ms / 1000)

    measure_restarts(metrics, controller.supervisor, controller.queue.supervisor, controller.acks)
    controller.queue.on_reconciled = reconciled
    controller.on_rollout = rolled_out
    _measure_queue(metrics, controller.queue)
    metrics.read(SCALED_AGENTS, lambda: _lags(controller))
    metrics.read(CONDITIONS, lambda: _conditions(cluster))


def measure_incidents(metrics: Metrics, cluster: Cluster, key_lost: Callable[[], bool]) -> None:
    """Read what waits for people when Prometheus asks, whoever leads; each reason also where there is none.

    Args:
        metrics: where.
        cluster: the resources, by whose statuses it is told.
        key_lost: whether the operator waits for its signing key.
    """

    def read() -> Reading:
        namespaces = {
            (condition.reason, resource.metadata.namespace)
            for kind in KINDS
            for resource in cluster.list(kind)
            for condition in resource.status.conditions
        }
        found = Counter(reason for reason, _ in namespaces)
        return [*(((reason.value,), found[reason]) for reason in _INCIDENTS), (("SigningKeyLost",), float(key_lost()))]

    metrics.read(INCIDENTS, read)


def measure_restarts(metrics: Metrics, *supervisors: Supervisor | AckSource) -> None:
    """Count the tasks that broke and were started again."""
    for each in supervisors:
        each.on_restart = partial(metrics.count, TASK_RESTARTS)


def _measure_queue(metrics: Metrics, queue: ReconcileQueue) -> None:
    def depth() -> Reading:
        return (((priority.name.lower(), kind), keys) for (priority, kind), keys in queue.depth.items())

    def oldest() -> Reading:
        now_s = asyncio.get_running_loop().time()
        return [((), max((now_s - run.since_s for run in queue.running.values()), default=0.0))]

    metrics.read(QUEUE_DEPTH, depth)
    metrics.read(RUNNING, lambda: _counted(Counter((key.kind,) for key in queue.running)))
    metrics.read(FAILING, lambda: _counted(Counter((key.kind,) for key in queue.failing)))
    metrics.read(OLDEST, oldest)


def _lags(controller: Controller) -> Reading:
    states = ("Unknown" if agent.lag is None else agent.lag.state for agent in controller.scaled_agents)
    return _counted(Counter((str(state),) for state in states))


def _conditions(cluster: Cluster) -> Reading:
    """Count those that the kinds know: who may write a status could else make any number of labels."""
    return _counted(
        Counter(
            (kind.__name__, condition.type, condition.status)
            for kind in KINDS
            for resource in cluster.list(kind)
            for condition in resource.status.conditions
            if condition.type in kind.conditions
        )
    )


def _counted(counts: Mapping[tuple[str, ...], int]) -> Reading:
    return counts.items()
