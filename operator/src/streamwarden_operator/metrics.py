"""What the operator counts, as Prometheus reads it on ``/metrics``. ``docs/reference/metrics.md`` is made from it.

Every label has few values that are known beforehand: no name of a namespace, an agent, a topic or a pod is one. What
nobody counts while it happens (how deep the queue is, which conditions there are) is read when Prometheus asks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from typing_extensions import override

PREFIX = "streamwarden_operator_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Reading = Iterable[tuple[tuple[str, ...], float]]
"""Values of the labels in order, and the number."""

_KIND = {"kind": "`AgentDeployment`, `Policy`, `TopicContract`, `PolicyLog`, `Namespace`"}
_RESULT = {
    "result": "`success`; `requeue_after`: done, and looked at again at a known time; `not_ready`, `invalid`, "
    "`unavailable`, `deadline_exceeded`, `conflict`, `cannot_go_on`: the classes of errors; `defect`: none of ours"
}
_SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STALLS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_ROLLOUTS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One metric, with all that its reference page says."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: Labels = field(default_factory=dict)
    """What each label's values are."""
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that Prometheus knows."""
        return f"{PREFIX}{self.name}"


RECONCILES = Family("reconciles_total", "counter", "Reconciles that have ended.", _KIND | _RESULT)
RETRIES = Family("retries_total", "counter", "Reconciles of what had failed the time before.", _KIND)
RECONCILE_SECONDS = Family(
    "reconcile_duration_seconds", "histogram", "How long reconciles took, waits for answers included.", _KIND, _SECONDS
)
QUEUE_DEPTH = Family(
    "queue_depth",
    "gauge",
    "Keys that wait for a worker.",
    {"priority": "whose turn comes first: `first`, `half_done`, `new`, `resync`", **_KIND},
)
RUNNING = Family("reconciles_running", "gauge", "Keys that a worker is busy with.", _KIND)
OLDEST = Family(
    "oldest_reconcile_seconds", "gauge", "How long the reconcile that runs longest has run; 0 where none runs."
)
FAILING = Family("failing", "gauge", "Keys whose last reconcile failed; each is tried again by itself.", _KIND)
KUBERNETES_REQUESTS = Family(
    "kubernetes_requests_total",
    "counter",
    "Requests to the API server; watches, which kopf keeps, are not counted.",
    {
        "verb": "as RBAC has it",
        "resource": "as RBAC has it, as in `policies.streamwarden.io/status`",
        "code": "HTTP status; `no_answer`: none within `STREAMWARDEN_KUBERNETES_TIMEOUT`, or no connection",
    },
)
KUBERNETES_SECONDS = Family(
    "kubernetes_request_duration_seconds",
    "histogram",
    "How long answers of the API server took.",
    {"verb": "as RBAC has it"},
    _SECONDS,
)
KAFKA_REQUESTS = Family(
    "kafka_admin_requests_total",
    "counter",
    "Requests of the Kafka admin client.",
    {
        "request": "as in `create_topics`",
        "outcome": "`ok`; `refused`: a broker refuses one of its items at least; `no_answer`: the client gave up, as "
        "when it timed out",
    },
)
KAFKA_WIRE_REQUESTS = Family(
    "kafka_wire_requests_total",
    "counter",
    "Requests to Kafka that the operator sends over connections of its own, as the admin client has none for them or "
    "costs too much: offsets, lag, logins that are tried, quotas, who publishes.",
    {
        "request": "as Kafka names it, as in `ListOffsets`; `Connect`: a connection with its login, also one by which "
        "a user's password is tried",
        "outcome": "`ok`; `refused`: a broker refuses one of its items at least, or the login; `no_answer`: none "
        "within the timeout, no connection, or no version that both sides know",
    },
)
LOOP_LAG = Family(
    "event_loop_lag_seconds", "histogram", "How much later than due the event loop ran a timer.", {}, _STALLS
)
LONGEST_HOLD = Family(
    "event_loop_longest_hold_seconds",
    "gauge",
    "The longest that a timer was late while the event loop itself worked, since the process began: without what it "
    "waited for a processor.",
)
CONDITIONS = Family(
    "conditions",
    "gauge",
    "Resources by condition, as their status says.",
    {
        "kind": "`AgentDeployment`, `Policy`, `TopicContract`",
        "type": "[conditions of the kind](kinds.md)",
        "status": "`True`, `False`, `Unknown`",
    },
)
INCIDENTS = Family(
    "incidents",
    "gauge",
    "Namespaces in which something is wrong that no retry ends: people must.",
    {
        "reason": "[reasons](reasons.md) `BypassPossible`, `NamespaceTaken`, `OffsetsLost`, `SharedTopicLost`, "
        "`UngovernedProducer`; `SigningKeyLost`: 1 while the operator waits for its key"
    },
)
SCALED_AGENTS = Family(
    "scaled_agents",
    "gauge",
    "Agents with `scaling`, by what is known of their lag.",
    {"lag": "`Known`; `Stale`: read before, and not now; `Unknown`: never read"},
)
ROLLOUTS = Family(
    "rollout_duration_seconds",
    "histogram",
    "From the publication of a policy's revision until it is in force in all gates that it binds.",
    {},
    _ROLLOUTS,
)
TASK_RESTARTS = Family(
    "task_restarts_total",
    "counter",
    "Tasks beside the reconciles that broke and were started again.",
    {
        "task": "`worker`, `resync`, `leadership`, `lease`, `loss` (ends the process), `acls`, `scaler`, "
        "`group-keeper`, `gate-acks`"
    },
)
LEADER = Family("leader", "gauge", "1 where this process may write; 0: it stands by, or has lost that right.")

FAMILIES = (
    RECONCILES, RETRIES, RECONCILE_SECONDS, QUEUE_DEPTH, RUNNING, OLDEST, FAILING, KUBERNETES_REQUESTS,
    KUBERNETES_SECONDS, KAFKA_REQUESTS, KAFKA_WIRE_REQUESTS, LOOP_LAG, LONGEST_HOLD, CONDITIONS, INCIDENTS,
    SCALED_AGENTS, ROLLOUTS, TASK_RESTARTS, LEADER,
)  # fmt: skip
"""All of them, in the order of the page."""


class Metrics:
    """The numbers of one process. Any thread may count."""

    def __init__(self) -> None:
        """Begin at zero."""
        registry = CollectorRegistry()
        self._registry = registry
        self._counters = {
            each: Counter(each.full_name, each.meaning, list(each.labels), registry=registry)
            for each in FAMILIES
            if each.type == "counter"
        }
        self._histograms = {
            each: Histogram(each.full_name, each.meaning, list(each.labels), registry=registry, buckets=each.buckets)
            for each in FAMILIES
            if each.type == "histogram"
        }
        self._gauges = _Gauges()
        registry.register(self._gauges)
        ProcessCollector(registry=registry)

    def count(self, family: Family, *labels: str) -> None:
        """Add one to a counter; the labels' values in order."""
        counter = self._counters[family]
        (counter.labels(*labels) if labels else counter).inc()

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """Note a value of a histogram; the labels' values in order."""
        histogram = self._histograms[family]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def read(self, family: Family, reading: Callable[[], Reading]) -> None:
        """Ask ``reading`` for a gauge whenever Prometheus asks, in its event loop; the last one given counts."""
        self._gauges.readings[family] = reading

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    """What nobody counts while it happens."""

    def __init__(self) -> None:
        self.readings: dict[Family, Callable[[], Reading]] = {}

    @override
    def collect(self) -> Iterator[Metric]:
        for family, reading in self.readings.items():
            gauge = GaugeMetricFamily(family.full_name, family.meaning, labels=list(family.labels))
            for labels, value in reading():
                gauge.add_metric(list(labels), value)
            yield gauge
