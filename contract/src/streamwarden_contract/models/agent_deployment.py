"""AgentDeployment: an agent, what it reads, and the decisions that it may propose."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from streamwarden_contract.models.base import (
    HELD_CONDITIONS,
    READY_COLUMNS,
    Kind,
    Metadata,
    PrinterColumn,
    Resource,
    Status,
    TopicRef,
)
from streamwarden_contract.models.durations import parse_duration
from streamwarden_contract.models.fields import (
    DecisionType,
    DnsLabel,
    Duration,
    EventType,
)
from streamwarden_contract.models.pod import PodFields
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.models.scaling import Lag, Scaling, ScalingChange
from streamwarden_contract.models.skip import MAX_SKIPS, SkipRequest


class Model(Resource):
    """The model that the agent uses, pinned; every decision is stamped with it."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Name of the model."""
    version: Annotated[str, Field(min_length=1, max_length=64)]
    """Version, as the model's authors count."""
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)] | None = None
    """SHA-256 of the model's bytes."""


class AgentSource(Resource):
    """What runs."""

    entrypoint: Annotated[
        str,
        Field(
            pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*:[a-zA-Z_][a-zA-Z0-9_]*$",
            max_length=253,
        ),
    ]
    """Python object in the image that the runtime serves, as in ``url_guard:agent``."""
    model: Model | None = None
    """The model that the agent uses."""


class Input(Resource):
    """A topic that the agent reads."""

    name: DnsLabel
    """Name of the input, unique among the agent's inputs."""
    topic_ref: TopicRef
    """The topic."""
    types: Annotated[tuple[EventType, ...], Field(max_length=64)] = ()
    """Event types (``ce_type``) to handle; all of them where left out. Others are passed over."""


class Outcome(Resource):
    """A topic whose events tell the agent what came of its commands."""

    name: DnsLabel
    """Name, unique among the agent's outcomes."""
    topic_ref: TopicRef
    """The topic."""


def _within_a_day(duration: str) -> str:
    if not timedelta(seconds=1) <= parse_duration(duration) <= timedelta(hours=24):
        raise ValueError("write 1s to 24h")
    return duration


ExpiresAfter = Annotated[
    Duration,
    Field(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "duration(self) >= duration('1s') && duration(self) <= duration('24h')",
                    "message": "write 1s to 24h",
                }
            ]
        }
    ),
    AfterValidator(_within_a_day),
]


class DecisionTarget(Resource):
    """A decision that the agent may propose, and where it goes when the gate allows it."""

    type: DecisionType
    """Decision type, as in ``block-url``."""
    command_topic_ref: TopicRef
    """The topic of its commands; only gates may write it."""
    expires_after: ExpiresAfter = "5m"
    """For how long after the verdict its command may be carried out: 1s to 24h.

    Gates before this field refuse a binding that says another than the default.
    """


class Backoff(Resource):
    """How long to wait between attempts: ``initial`` times ``factor``^n, never longer than ``cap``."""

    initial: Duration = "1s"
    """Before the second attempt."""
    factor: Annotated[int, Field(ge=1, le=10)] = 2
    """By how much each wait is longer than the one before."""
    cap: Duration = "1m"
    """The longest wait."""


class Retry(Resource):
    """How often an event is tried before it becomes a dead letter."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """Attempts in all."""
    backoff: Backoff = Backoff()
    """The waits between them."""


class AgentFields(Resource):
    """What the agent is, what it reads, and what it may propose."""

    list_map_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "inputs": ("name",),
        "outcomes": ("name",),
        "decisions": ("type",),
    }

    image: Annotated[str, Field(min_length=1, max_length=512)]
    """Container image of the agent."""
    agent: AgentSource
    """What runs in it."""
    inputs: Annotated[tuple[Input, ...], Field(min_length=1, max_length=16)]
    """Topics that the agent reads."""
    outcomes: Annotated[tuple[Outcome, ...], Field(max_length=16)] = ()
    """Topics that tell it what came of its commands."""
    decisions: Annotated[tuple[DecisionTarget, ...], Field(min_length=1, max_length=32)]
    """Decisions that it may propose; any other type is a dead letter."""
    retry: Retry = Retry()
    """What happens to an event that fails."""


class AgentDeploymentSpec(PodFields, AgentFields):  # pydantic puts the fields of the last base first
    """The agent, and its pods."""

    list_map_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        **AgentFields.list_map_keys,
        **PodFields.list_map_keys,
        "skips": ("topic_id", "partition", "from_offset"),
    }

    scaling: Scaling | None = None
    """Pods by lag; exactly one pod where left out."""
    skips: Annotated[tuple[SkipRequest, ...], Field(max_length=MAX_SKIPS)] = ()
    """Ranges of decisions for the gate to pass over, where it is halted: `streamwarden gate skip` writes them.

    What is done may be taken out. While a gate runs that is of a version before this field, a binding with one is held
    back (`GatesTooOld`).
    """


class AgentDeploymentStatus(Status):
    """Where the agent stands. Conditions: Accepted, TopicsReady, AccessReady, GateReady, ScalingActive, Ready."""

    replicas: Annotated[int, Field(ge=0)] = 0
    """Pods that exist."""
    policies: Annotated[tuple[PolicyRef, ...], Field(max_length=64)] = ()
    """Policies that its binding names."""
    lag: Lag | None = None
    """The lag that the number of pods goes by; none where the agent does not scale."""
    last_scaling: ScalingChange | None = None
    """The last change of the number of pods."""


class AgentDeployment(Kind):
    """An agent: its image, inputs, outcomes, and the decisions it may propose to its gate."""

    plural: ClassVar[str] = "agentdeployments"
    short_name: ClassVar[str] = "agd"
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Replicas", json_path=".status.replicas", type="integer"),
        PrinterColumn(name="Gate", json_path='.status.conditions[?(@.type=="GateReady")].status', priority=1),
        *READY_COLUMNS,
    )
    name_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            (
                "self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$')"
                " && self.metadata.name != 'streamwarden'"
            ),
            "metadata.name: use a DNS label of at most 40 characters (no dots) that is not 'streamwarden'",
        ),
    )
    conditions: ClassVar[dict[str, str]] = {
        "Accepted": "The name is allowed and every referenced contract exists.",
        "TopicsReady": "The referenced topics are ready, and the agent's and the namespace's own topics exist.",
        "AccessReady": "Users, ACLs and initial offsets are in place, and nobody else may write a governed topic.",
        "GateReady": "A gate of this agent has its policies in force, or no pod is wanted (ScaledToZero).",
        "ScalingActive": "The lag is known, and the number of pods follows it. Only where the agent has ``scaling``.",
        "Ready": "All of the above, and the pods run, or none is wanted (ScaledToZero).",
        **HELD_CONDITIONS,
    }

    metadata: Metadata
    spec: AgentDeploymentSpec
    """The agent."""
    status: AgentDeploymentStatus = AgentDeploymentStatus()
    """Where it stands; written by the operator."""
