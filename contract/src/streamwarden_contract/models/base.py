"""What all kinds share: the conventions of their YAML, metadata, conditions."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from streamwarden_contract.models.fields import ResourceName

GROUP = "streamwarden.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Resource(BaseModel):
    """Camel case in YAML, snake case in Python, frozen, nothing undeclared; docstrings become descriptions."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = ()
    """(rule, message) pairs for ``x-kubernetes-validations`` at this level: what the API server itself refuses.

    A broken rule is shown at the first ``self.<field>`` in it.
    """

    list_map_keys: ClassVar[dict[str, tuple[str, ...]]] = {}
    """For fields (Python name) that are lists of objects: the keys that make an item unique."""

    @model_validator(mode="after")
    def _no_repetition(self) -> "Resource":
        """Refuse what the API server refuses in lists of type ``map`` and ``set``."""
        for field, value in self:
            if not isinstance(value, tuple):
                continue
            keys = self.list_map_keys.get(field)
            if keys is not None:
                identities: list[object] = [tuple(getattr(item, key) for key in keys) for item in value]
            else:
                identities = [item for item in value if isinstance(item, str | int)]
            if len(set(identities)) != len(identities):
                raise ValueError(f"{type(self).model_fields[field].alias or field} lists something twice")
        return self


class Metadata(BaseModel):
    """The part of ``metadata`` that Streamwarden reads. Everything else in it is Kubernetes' own."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, validate_by_name=True)

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    """RFC 3339; the older of two resources that claim one topic wins."""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(Resource):
    """A condition as in Kubernetes' ``metav1.Condition``."""

    type: Annotated[str, Field(max_length=316)]
    """Name of the condition, in CamelCase."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=1024)]
    """One CamelCase word for programs."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """A sentence for people: what is wrong and what to do."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The ``metadata.generation`` that this condition speaks of."""
    last_transition_time: Annotated[str, Field(max_length=64)] = ""
    """When ``status`` last changed (RFC 3339)."""


class Status(Resource):
    """What every kind's status has."""

    list_map_keys: ClassVar[dict[str, tuple[str, ...]]] = {"conditions": ("type",)}

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The ``metadata.generation`` that was last reconciled."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    """Where the resource stands; ``Ready`` is the summary."""


class TopicRef(Resource):
    """Names a TopicContract of the same namespace."""

    name: ResourceName
    """Name of the TopicContract (not of its Kafka topic)."""


class PrinterColumn(BaseModel):
    """One column of ``kubectl get``."""

    name: str
    json_path: str
    type: Literal["string", "integer", "date"] = "string"
    priority: int = 0
    """0 is always shown; 1 only with ``-o wide``."""


READY_COLUMNS = (
    PrinterColumn(name="Ready", json_path='.status.conditions[?(@.type=="Ready")].status'),
    PrinterColumn(name="Reason", json_path='.status.conditions[?(@.type=="Ready")].reason'),
    PrinterColumn(name="Age", json_path=".metadata.creationTimestamp", type="date"),
)


HELD_CONDITIONS = {
    "ReconciliationPaused": (
        "The annotation `streamwarden.io/pause-reconciliation: 'true'` is set: everything stays as it is. Not there "
        "otherwise."
    ),
    "Unmanaged": (
        "The annotation `streamwarden.io/managed: 'false'` is set: the resource is not touched, and its deletion "
        "undoes nothing. Not there otherwise."
    ),
}
"""Conditions that every kind can have."""


class Kind(Resource):
    """Base of the three kinds."""

    plural: ClassVar[str]
    short_name: ClassVar[str]
    columns: ClassVar[tuple[PrinterColumn, ...]]
    conditions: ClassVar[dict[str, str]]
    """What each condition of the kind says when it is True."""
    name_rules: ClassVar[tuple[tuple[str, str], ...]] = ()
    """CEL rules on the whole object; of the metadata CEL sees only the name."""

    metadata: Metadata
    spec: Resource
    """What is wanted; each kind declares its own."""
    status: Status = Status()
    """Where it stands; each kind declares its own."""
