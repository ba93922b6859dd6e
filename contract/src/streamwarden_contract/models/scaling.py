"""Scaling by lag: KEDA's field names and meanings, and what the status tells of it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streamwarden_contract.models.base import Resource

LagState = Literal["Known", "Unknown", "Stale"]


class Fallback(Resource):
    """What holds while the lag is not known."""

    failure_threshold: Annotated[int, Field(ge=1, le=1_000)] = 3
    """Readings in a row that must fail first; then the lag is called unknown, too."""
    replicas: Annotated[int, Field(ge=0, le=1_000)]
    """Replicas from then on, until the lag is known again."""


class Scaling(Resource):
    """How many pods the agent has. Lag is the larger of the agent's and its gate's; transaction markers don't count."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.minReplicaCount <= self.maxReplicaCount", "minReplicaCount must not be above maxReplicaCount"),
        (
            "!has(self.fallback) || self.fallback.replicas <= self.maxReplicaCount",
            "fallback.replicas must not be above maxReplicaCount",
        ),
    )

    min_replica_count: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Fewest pods; 0 lets an agent without work have none."""
    max_replica_count: Annotated[int, Field(ge=1, le=1_000)] = 100
    """Most pods. There are never more than its largest topic has partitions: one more would have nothing to read."""
    lag_threshold: Annotated[int, Field(ge=1, le=1_000_000_000)] = 10
    """Records of lag that one pod is expected to carry: there are lag / ``lagThreshold`` pods, rounded up."""
    activation_lag_threshold: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    """The agent is active while the lag is above this: then it gets pods, and else it wants ``minReplicaCount``."""
    polling_interval: Annotated[int, Field(ge=1, le=3_600)] = 5
    """Seconds between two readings of the lag."""
    cooldown_period: Annotated[int, Field(ge=0, le=86_400)] = 60
    """Seconds for which fewer pods must have been enough before there are fewer, or none."""
    fallback: Fallback | None = None
    """What holds while the lag is not known; where left out, the pods stay as they are."""


class Lag(Resource):
    """The lag at the last change of replicas or of its own state: it is a metric, not a live figure."""

    state: LagState = "Unknown"
    """``Known``, ``Unknown`` (never read), or ``Stale`` (read before, and not now)."""
    records: Annotated[int, Field(ge=0)] = 0
    """Records not processed; of meaning only where the state is ``Known``."""


class ScalingChange(Resource):
    """The last change of the number of replicas."""

    replicas: Annotated[int, Field(ge=0)] = 0
    """Pods wanted since then."""
    reason: Annotated[str, Field(max_length=64)] = ""
    """CamelCase: why."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """A sentence with the figures that led to it."""
    time: Annotated[str, Field(max_length=64)] = ""
    """When (RFC 3339)."""
