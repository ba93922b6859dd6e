"""What the operator gives the two containers of an agent's pod, as JSON files beside their credentials.

The agent's file says what the SDK's runtime needs; the gate's says only who it is: everything that decides comes to
the gate from the signed policy log.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from streamwarden_contract.decision import NEWEST_FORMAT, DecisionFormat
from streamwarden_contract.models.agent_deployment import Model, Retry
from streamwarden_contract.models.fields import DnsLabel
from streamwarden_contract.names import SYSTEM

AGENT_CONFIG_FILE = "agent.json"
AGENT_INPUTS_FILE = "inputs.json"
"""Beside ``agent.json``: what the agent's contracts say of the events that it reads. Reread when it changes."""
FORMATS_FILE = "formats.json"
"""Beside ``agent.json``: a ``Formats``. It is no field of that, as an SDK that does not know the field would not start:
agents bring their SDK along, and an older one passes this file over."""
GATE_CONFIG_FILE = "gate.json"
PUBLIC_KEYS_FILE = "public-keys.json"
"""``{"<key id>": "<Ed25519 public key, base64 of 32 bytes>"}``: reread when it changes."""

ENV_CONFIG = "STREAMWARDEN_CONFIG"
"""Folder with ``agent.json`` or ``gate.json`` (and, for the gate, ``public-keys.json``)."""
ENV_CREDENTIALS = "STREAMWARDEN_CREDENTIALS"
"""Folder with ``client.properties``: librdkafka settings, one ``name=value`` a line."""
ENV_READY_FILE = "STREAMWARDEN_READY_FILE"
"""File that a readiness probe looks for. The agent's runtime makes it once it has joined its consumer group, if only
with an empty assignment; a gate when its policies are current, and removes it when they are not."""
ENV_LAST_WORDS = "STREAMWARDEN_LAST_WORDS"
"""File for why the process ends, where a person can mend it: Kubernetes shows it as the termination message."""
ENV_POD = "STREAMWARDEN_POD"
"""Name of the pod; it ends the transactional id, so it is stable where processes are restarted in place."""
ENV_GATE_MEMORY_LIMIT = "STREAMWARDEN_GATE_MEMORY_LIMIT"
"""Bytes that the gate's container may use: its supervisor keeps the gate below it."""

ENV_GATE_MAX_BATCH = "STREAMWARDEN_GATE_MAX_BATCH"
"""Most records of one of the gate's transactions: 1 to ``LARGEST_MAX_BATCH``."""
ENV_GATE_MAX_RATE = "STREAMWARDEN_GATE_MAX_RATE"
"""Most records that the gate judges in a second: ``LOWEST_MAX_RATE`` to ``HIGHEST_MAX_RATE``."""

LARGEST_MAX_BATCH = 5_000
LOWEST_MAX_RATE, HIGHEST_MAX_RATE = 10, 100_000


class _Config(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    format: Literal[1] = 1
    namespace: str
    agent: str
    uid: str


class SourceTopic(BaseModel):
    """A topic that the agent reads."""

    model_config = _Config.model_config

    name: str
    topic: str
    types: tuple[str, ...] = ()
    outcome: bool = False
    """Whether it tells what came of the agent's commands."""


class AgentConfig(_Config):
    """For the SDK's runtime."""

    entrypoint: str
    decision_topic: str
    decision_types: tuple[str, ...]
    sources: Annotated[tuple[SourceTopic, ...], Field(min_length=1)]
    model: Model | None = None
    retry: Retry = Retry()


class InputTopic(BaseModel):
    """How the events of one topic are written, as its contract says."""

    # A newer operator may say more. What is not known here is passed over, and the agent goes on as before.
    model_config = ConfigDict(**_Config.model_config | {"extra": "ignore"})

    event_type: str | None = None
    """Type of an event that names none, as plain JSON; None: the topic's name."""
    framing: Literal["None", "Confluent"] = "None"
    """What stands before each value."""
    schema_sha256: str | None = None
    """Of the schema that the data must fit; None: any JSON."""


class AgentInputs(BaseModel):
    """For the SDK's runtime: a file of its own, so that an older SDK does not meet it and pods stay as they are."""

    model_config = InputTopic.model_config

    topics: dict[str, InputTopic] = {}
    schemas: dict[str, str] = {}
    """Text by SHA-256, of each schema that ``topics`` names."""


class Formats(BaseModel):
    """What every gate of the agent reads now: the runtime writes nothing newer. Reread when it changes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    decision: Annotated[int, Field(ge=1)] = 1
    """The newest format of decisions and failures."""

    @property
    def writable(self) -> DecisionFormat:
        """The format to write: the newest one that both sides know."""
        return NEWEST_FORMAT if self.decision >= NEWEST_FORMAT else 1


class GateConfig(_Config):
    """For the gate."""

    operator_namespace: str = SYSTEM
    installation: DnsLabel = SYSTEM
    """Begins the name of the guardrail topic."""
