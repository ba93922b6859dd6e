"""The operator's settings, read once at start."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from streamwarden_contract.models.fields import DnsLabel
from streamwarden_contract.models.pod_rules import PullPolicy
from streamwarden_contract.names import SYSTEM, InstallationNames
from streamwarden_contract.runtime_config import (
    ENV_GATE_MAX_BATCH,
    ENV_GATE_MAX_RATE,
    HIGHEST_MAX_RATE,
    LARGEST_MAX_BATCH,
    LOWEST_MAX_RATE,
)
from streamwarden_kafka.clients import check_settings
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import ConnectionSettingsError

from streamwarden_operator.desired.acls import is_streamwarden_principal
from streamwarden_operator.desired.topics import Durability
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.logs import LogLevel
from streamwarden_operator.ports import Quotas

MOST_REPLICAS = 32_767
PREFIX = "STREAMWARDEN_"
_LEAST_BYTE_RATE = 65_536
"""One decision of the largest size a second: a broker makes who writes more wait, and its transactions time out."""

_OPERATOR = ".operator"
"""How the users of all installations' operators end, unless a setting names them."""

_SHORTEST_ADMIN_TIMEOUT = timedelta(seconds=2)
"""With one of 300 ms and less librdkafka 2.16 ends the process: it fires while the request is still being made."""
_SHORTEST_RECONCILE = timedelta(seconds=1)
_SHORTEST_RETRY = timedelta(milliseconds=10)
_SHORTEST_WAIT = timedelta(seconds=1)
"""With none a resync never rests, a request to the API server has no deadline, and every look at health fails."""


def _check_byte_rate(value: int) -> int:
    if 0 < value < _LEAST_BYTE_RATE:
        raise ValueError(f"must be 0 (none), or {_LEAST_BYTE_RATE:,} or more")
    return value


def _check_principals(value: tuple[str, ...]) -> tuple[str, ...]:
    for principal in value:
        kind, _, name = principal.partition(":")
        if not kind.isalpha() or not name or name == "*" or name.upper() == "ANONYMOUS":
            raise ValueError(f"{principal!r}: name one principal, as in 'User:admin'; not everybody, not ANONYMOUS")
        if is_streamwarden_principal(principal):
            raise ValueError(f"{principal!r} has the name of an agent or a gate, whose rights are always checked")
    return value


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = not value or bool(parts.hostname and (parts.port is None or parts.port))
    except ValueError:  # its words quote a part of the value
        usable = False
    if not usable:
        raise ValueError("must have a host, and a number as port where it has one")
    return value


ByteRate = Annotated[int, Field(ge=0), AfterValidator(_check_byte_rate)]


class OperatorSettings(BaseSettings):
    """From ``STREAMWARDEN_*``; a bad value stops the process. Kafka's own settings come as a librdkafka mapping."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    operator_namespace: str = SYSTEM
    """Where the operator runs."""

    installation: DnsLabel = SYSTEM
    """Begins every name in Kafka that exists once an installation: the operator's user `<installation>.operator`, the
    guardrail topic `<installation>.policies`, the groups `<installation>.ext.<user>.` of users outside. Chosen
    before the first start and never changed."""

    principal: Annotated[str, Field(pattern=r"^(User:[^*].*)?$")] = ""
    """The operator's own principal as Kafka's authorizer knows it, `User:<name>`; left out: of the SASL user that its
    Kafka settings name, else `User:<installation>.operator`. Needed where brokers call it otherwise, as with mTLS
    (`User:CN=streamwarden,O=acme`)."""

    trusted_principals: Annotated[tuple[str, ...], NoDecode, AfterValidator(_check_principals)] = ()
    """Principals that may have rights which lead round gates, `User:<name>`, separated by semicolons as in Kafka's
    `super.users`: administrators, mirrors, auditors who read decisions. Whatever they may do is no `BypassPossible`."""

    pod_bootstrap_servers: Annotated[str, Field(pattern=r"^([^,\s]+:\d+(,[^,\s]+:\d+)*)?$")] = ""
    """Comma-separated ``host:port`` list as pods reach Kafka; empty: as the operator does."""

    kafka_properties: Path | None = None
    """File with the operator's own librdkafka settings, ``name=value`` a line; ``run`` needs it. In a cluster a mounted
    Secret: it holds the password."""

    registry_url: Annotated[str, Field(pattern=r"^(https?://\S+)?$", repr=False), AfterValidator(_check_url)] = ""
    """Base URL of the schema registry, up to where Confluent's API begins; empty: none, schemas are not registered."""

    gate_image: str = ""
    """Image of the gate in every pod, whatever an agent says; ``run`` needs it."""

    gate_image_pull_policy: PullPolicy | None = None
    """When the gate's image is pulled; left out: Kubernetes' own default."""

    gate_max_rate: Annotated[int, Field(ge=LOWEST_MAX_RATE, le=HIGHEST_MAX_RATE)] | None = None
    """Most records that one gate judges in a second, 10 to 100,000; left out: the gate's own 5,000. Another value
    replaces all pods."""

    gate_max_batch: Annotated[int, Field(ge=1, le=LARGEST_MAX_BATCH)] | None = None
    """Most records of one transaction of a gate, 1 to 5,000; left out: the gate's own 1,000. Another value replaces all
    pods."""

    agent_producer_byte_rate: ByteRate | None = None
    """Kafka quota of each agent's user: bytes a second that it may write at each broker, 65,536 or more; the broker
    slows it down beyond that. 0: none, and one that it has is taken away; left out: whatever it has is left alone."""

    agent_consumer_byte_rate: ByteRate | None = None
    """Likewise bytes a second that it may read at each broker."""

    agent_request_percentage: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Likewise the time that its requests may take at each broker, in percent of one thread (200: two threads)."""

    shared_topic_replicas: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] | None = None
    """Replicas of the topics that agents share (policies, audit, dead letters, gates, inventory) where they are made;
    fewer on one that exists are told. Left out: the broker's default."""

    shared_topic_min_insync_replicas: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] | None = None
    """`min.insync.replicas` of these topics, kept where they have so many replicas; left out: the broker's default."""

    signing_key_max_age: Annotated[timedelta, Field(ge=timedelta(days=1))] | None = None
    """Age at which the key that signs policies is replaced, one day or more (``P90D``); left out: whenever people ask
    for it, by the annotation `streamwarden.io/rotate-key` on its Secret."""

    credentials_max_age: Annotated[timedelta, Field(ge=timedelta(days=1))] | None = None
    """Age at which the passwords of agents and gates are replaced, one day or more (``P90D``), each within the last
    tenth of it; left out: whenever people ask for it, by the annotation `streamwarden.io/rotate-credentials` on an
    AgentDeployment."""

    watch_namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated namespaces to watch, beside the operator's own; empty: all of them."""

    leader_election: bool = True
    """Whether a Lease of the operator's namespace (`<installation>-leader`) says who may write. Off only where
    nobody can start a second one."""

    kubernetes_timeout: Annotated[timedelta, Field(ge=_SHORTEST_WAIT)] = timedelta(seconds=15)
    """Longest wait for one answer of the API server, 1 s or more: a page of a list takes longest, 1-2 s of a busy
    server."""

    health_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of ``/healthz`` and ``/readyz`` for the kubelet, ``/metrics`` for Prometheus and ``/debug/tasks`` for
    people, on all addresses; 0: none."""

    log_level: LogLevel = "info"
    """The least urgent that is logged: `debug` (each reconcile), `info`, `warning` or `error`."""

    longest_stall: Annotated[timedelta, Field(ge=_SHORTEST_WAIT)] = timedelta(seconds=20)
    """``/healthz`` fails when the event loop stood still for so long, 1 s or more: something blocks it, and only a
    restart helps."""

    workers: Annotated[int, Field(ge=1, le=64)] = 8
    """Objects worked on side by side: most of the time of one is waiting for answers, and who asks at the same time
    shares requests. More let agents come up sooner where Kafka or the API server is far away; where they share
    processors with the operator, an edit of a policy waits longer meanwhile. Policies and their logs have one more to
    themselves."""

    longest_reconcile: Annotated[timedelta, Field(ge=_SHORTEST_RECONCILE)] = timedelta(minutes=5)
    """A reconcile that takes longer is ended and tried again, 1 s or more: what it waits for may never come, and nobody
    else may work on its object. One that does not even end, for twice as long, ends the process."""

    admin_timeout: Annotated[timedelta, Field(ge=_SHORTEST_ADMIN_TIMEOUT)] = timedelta(seconds=10)
    """Longest wait for one Kafka admin request, one step of publishing, or one answer of the registry: 2 s or more, as
    requests with much shorter ones can end the process."""

    resync_interval: Annotated[timedelta, Field(ge=_SHORTEST_WAIT)] = timedelta(minutes=5)
    """How often an unchanged resource is compared with the world again, 1 s or more: drift is found then."""

    first_retry: Annotated[timedelta, Field(ge=_SHORTEST_RETRY)] = timedelta(milliseconds=500)
    """Wait after the first failure, 10 ms or more; it doubles with each further one."""

    longest_retry: Annotated[timedelta, Field(ge=_SHORTEST_RETRY)] = timedelta(minutes=1)
    """The wait does not grow beyond this, so that an outage that is over is noticed."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces to watch, the operator's own among them; none: all."""
        return tuple(sorted({*self.watch_namespaces, self.operator_namespace})) if self.watch_namespaces else ()

    def covers(self, namespace: str) -> bool:
        """Tell whether a namespace is watched."""
        return not self.watch_namespaces or namespace in self.namespaces

    @property
    def agent_quotas(self) -> Quotas:
        """The quotas of each agent's user that are kept, as Kafka names them; of others nothing is said."""
        said = {
            "producer_byte_rate": self.agent_producer_byte_rate,
            "consumer_byte_rate": self.agent_consumer_byte_rate,
            "request_percentage": self.agent_request_percentage,
        }
        return {name: float(value) for name, value in said.items() if value is not None}

    @property
    def gate_environment(self) -> Mapping[str, str]:
        """What gates are told of their limits."""
        said = {ENV_GATE_MAX_RATE: self.gate_max_rate, ENV_GATE_MAX_BATCH: self.gate_max_batch}
        return {name: str(value) for name, value in said.items() if value is not None}

    @property
    def operator_principal(self) -> str:
        """The operator's own principal (``User:...``)."""
        return self.principal or f"User:{InstallationNames(self.installation).operator_principal}"

    @property
    def trusted(self) -> frozenset[str]:
        """Whose rights are no way round a gate: the operator itself, and who is named."""
        return frozenset({self.operator_principal, *self.trusted_principals})

    @property
    def durability(self) -> Durability:
        """Of the topics that agents share."""
        return Durability(self.shared_topic_replicas, self.shared_topic_min_insync_replicas)

    @field_validator("watch_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split(value, ",")

    @field_validator("trusted_principals", mode="before")
    @classmethod
    def _split_principals(cls, value: object) -> object:
        return _split(value, ";")  # a certificate's name has commas


def _split(value: object, separator: str) -> object:
    return tuple(filter(None, (part.strip() for part in value.split(separator)))) if isinstance(value, str) else value


def read_connection(path: Path) -> Connection:
    """Read the file with the operator's own Kafka settings.

    Raises:
        InvalidSpecError: not readable, or not usable; the message names the line or the setting and no secret.
    """
    try:
        connection = Connection.read(path)
        check_settings(connection)
    except ConnectionSettingsError as error:
        named = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
        raise InvalidSpecError(named) from error
    return connection


def find_principal(settings: OperatorSettings, kafka: Connection) -> OperatorSettings:
    """Return the settings with the operator's principal: where they say none, Kafka knows it by its SASL user.

    Raises:
        InvalidSpecError: the user has the name of another installation's operator; each would pass for the other.
    """
    own, user = InstallationNames(settings.installation).operator_principal, kafka.username
    if settings.principal or not user or user == own:
        return settings
    if user.endswith(_OPERATOR):
        raise InvalidSpecError(
            f"STREAMWARDEN_INSTALLATION is {settings.installation!r}, whose Kafka user is {own!r}, and "
            f"{settings.kafka_properties} names {user!r}. Where that is meant, set STREAMWARDEN_PRINCIPAL"
        )
    return settings.model_copy(update={"principal": f"User:{user}"})


def load_settings(environ: Mapping[str, str] = os.environ) -> OperatorSettings:
    """Read the settings from the environment.

    Raises:
        InvalidSpecError: a variable begins with ``STREAMWARDEN_`` and is no setting: a typo would else be silent.
        ValidationError: a value is refused.
    """
    known = {f"{PREFIX}{name.upper()}" for name in OperatorSettings.model_fields}
    unknown = sorted(name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise InvalidSpecError(f"{', '.join(unknown)}: no such setting; the settings are {', '.join(sorted(known))}")
    return OperatorSettings()
