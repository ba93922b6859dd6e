"""The signed policy log: records, their keys and headers, what is signed, and the offset metadata of the gate.

A policy topic is compacted and has one partition. Keys: ``policy/<name>``, ``schema/<sha256>``, ``binding/<agent>``,
``index`` and ``epoch``. The publisher writes what changed and, last in the same transaction, the ``epoch`` record,
which activates the set. A tombstone removes a record and needs no signature: the binding says what must be there.

Where all gates read format 3 bindings name policies, and the index says at which revision and digest each is: an edit
is then three records, however many agents it binds. The epoch record says which index counts: no earlier one passes.
"""

import operator
from datetime import timedelta
from typing import Annotated, Literal, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import override

from streamwarden_contract import canonical
from streamwarden_contract.errors import MalformedEventError, PolicyLogError
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.fields import DecisionType, DnsLabel, ResourceName, TopicName
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.validation import first_problem

Format = Literal[1, 2]
"""Of what a policy or a binding may say."""
BindingFormat = Literal[1, 2, 3]
BY_NAME = 3
"""The format of a log whose bindings name policies without their revisions."""
NEWEST_FORMAT: BindingFormat = 3
SIGNATURE_HEADER = "sw-signature"
"""64 bytes of Ed25519 (RFC 8032)."""
KEY_ID_HEADER = "sw-key-id"

POLICY_PREFIX = "policy/"
SCHEMA_PREFIX = "schema/"
BINDING_PREFIX = "binding/"
INDEX_KEY = "index"
EPOCH_KEY = "epoch"

_SIGNING_CONTEXT = b"streamwarden.policy-log.1\n"

DEFAULT_EXPIRY = timedelta(minutes=5)
"""Of commands."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[int, Field(ge=1)]


class Signer(Protocol):
    """Holds the private key."""

    @property
    def key_id(self) -> str: ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an Ed25519 signature."""
        ...


class Verifier(Protocol):
    """Holds the public keys that are valid now."""

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature is by a known key; an unknown key is False."""
        ...


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    epoch: Annotated[int, Field(ge=1)]
    """The epoch that this record was published in."""

    def encode(self) -> bytes:
        """Write the exact bytes that are signed and published."""
        return canonical.encode(self.model_dump(mode="json", by_alias=True))


class PolicyRecord(_Record):
    """One policy at one revision."""

    format: Format = 1
    """The oldest that has all of its fields: ``with_format``. One that says 1 may have newer ones all the same."""
    namespace: DnsLabel
    name: ResourceName
    revision: Revision
    digest: Sha256
    """SHA-256 of ``spec`` in canonical JSON: see ``spec_digest``."""
    spec: Annotated[PolicySpec, Field(strict=False)]

    @property
    def key(self) -> str:
        return f"{POLICY_PREFIX}{self.name}"


class SchemaRecord(_Record):
    """A JSON Schema, found by the SHA-256 of its text."""

    format: Literal[1] = 1
    sha256: Sha256
    definition: str

    @property
    def key(self) -> str:
        return f"{SCHEMA_PREFIX}{self.sha256}"


class PolicyVersion(BaseModel):
    """What a policy is on the log."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    revision: Revision
    digest: Sha256


class IndexRecord(_Record):
    """Which policies the log has, by name, and at which revision its bindings are, by agent. Of format 3."""

    format: Literal[3] = 3
    revision: Revision
    policies: dict[ResourceName, PolicyVersion]
    bindings: dict[DnsLabel, Revision]

    @property
    def key(self) -> str:
        return INDEX_KEY


class PolicyName(BaseModel):
    """A policy that a binding demands, at the revision and digest of the index."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    namespace: DnsLabel
    name: ResourceName


class BoundPolicyRef(BaseModel):
    """A policy that a binding demands, at exactly this revision and digest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    namespace: DnsLabel
    name: ResourceName
    revision: Revision
    digest: Sha256


def _is_none(value: object) -> bool:
    return value is None


class CommandTarget(BaseModel):
    """Where allowed decisions of a type go."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    topic: TopicName
    keyed: bool
    """Whether the entity becomes the record key."""
    schema_sha256: Sha256 | None = None
    """The schema that the parameters must fit."""
    expires_after_ms: Annotated[int | None, Field(ge=1_000, le=86_400_000, exclude_if=_is_none)] = None
    """For how long after the verdict a command may be carried out; None: ``DEFAULT_EXPIRY``, and left out of the bytes.

    Of format 2.
    """


class DecisionTopic(BaseModel):
    """The agent's decision topic as it was when the binding was made."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    topic_id: str
    partitions: Annotated[int, Field(ge=1)]


class SkipRange(BaseModel):
    """A range of the decision topic that people have asked to pass over; the topic had come past it by then."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    topic_id: str
    partition: Annotated[int, Field(ge=0)]
    from_offset: Annotated[int, Field(ge=0)]
    to_offset: Annotated[int, Field(ge=0)]
    """The last offset of the range."""
    reason: Annotated[str, Field(max_length=256)]
    requested_by: Annotated[str, Field(max_length=256)]
    """A claim."""

    @property
    def digest(self) -> str:
        """SHA-256 of it in canonical JSON: by this an audit record says by which range something was skipped."""
        return sha256_hex(canonical.encode(self.model_dump(mode="json")))


class _Binding(_Record):
    """Everything that a gate must have to judge one agent, but its policies."""

    namespace: DnsLabel
    agent: DnsLabel
    agent_uid: Annotated[str, Field(min_length=1, max_length=64)]
    labels: dict[str, str]
    """The agent's labels, which rules see as ``agent.labels``."""
    revision: Revision
    decisions: dict[DecisionType, CommandTarget]
    not_applicable: Annotated[
        dict[DecisionType, Annotated[tuple[ResourceName, ...], Field(min_length=1, strict=False)]],
        Field(exclude_if=operator.not_),
    ] = {}
    """By decision type: the policies whose rules do not check for it. Left out of the bytes where there are none.

    A decision of such a type is denied where one of them is an Enforce policy. Of format 2.
    """
    inputs: Annotated[tuple[TopicName, ...], Field(strict=False)]
    decision_topic: DecisionTopic
    audit_topic: str
    audit_topic_id: str
    dead_letter_topic: str
    skips: Annotated[tuple[SkipRange, ...], Field(strict=False, exclude_if=operator.not_)] = ()
    """What to pass over; each is taken out once it is done. Left out of the bytes where there is nothing.

    Of format 2.
    """

    @property
    def key(self) -> str:
        return f"{BINDING_PREFIX}{self.agent}"


class NamedBindingRecord(_Binding):
    """A binding as it is written in format 3: it names its policies, and an edit of one does not change it."""

    format: Literal[3] = 3
    policies: Annotated[tuple[PolicyName, ...], Field(strict=False)]

    def resolved(self, index: IndexRecord | None) -> "BindingRecord":
        """Return the binding with the policies as the index of its log has them.

        Raises:
            PolicyLogError: the index has not all of them, or another binding of the agent.
        """
        versions = {} if index is None else index.policies
        missing = sorted(each.name for each in self.policies if each.name not in versions)
        if missing:
            raise PolicyLogError(f"{self.key}: the log's index has no policy {', '.join(missing)}")
        if index is None or index.bindings.get(self.agent) != self.revision:
            raise PolicyLogError(f"{self.key}: the log's index has not its revision {self.revision}")
        made = BoundPolicyRef.model_construct
        refs = tuple(made(**dict(each), **dict(versions[each.name])) for each in self.policies)
        return BindingRecord.model_construct(**{**dict(self), "policies": refs})


class BindingRecord(_Binding):
    """Everything that a gate must have to judge one agent: it fails closed on whatever is missing."""

    format: BindingFormat = 1
    """Of 1 and 2 the older that has all of its fields: one that says 1 may have newer ones all the same.

    3: it is written as a ``NamedBindingRecord``, and what it has here was found by an index.
    """
    policies: Annotated[tuple[BoundPolicyRef, ...], Field(strict=False)]

    @property
    def policy_names(self) -> frozenset[str]:
        """Names of the policies in it."""
        return frozenset(ref.name for ref in self.policies)

    @property
    def as_written(self) -> "BindingRecord | NamedBindingRecord":
        """The record that is signed and published: without what its log's index says."""
        if self.format != BY_NAME:
            return self
        names = tuple(PolicyName.model_construct(namespace=ref.namespace, name=ref.name) for ref in self.policies)
        return NamedBindingRecord.model_construct(**{**dict(self), "policies": names})

    @override
    def encode(self) -> bytes:
        """Write the exact bytes that are signed and published."""
        written = self.as_written
        return super().encode() if written is self else written.encode()


class EpochRecord(_Record):
    """Closes a published set and activates it. A log without policies holds one too."""

    format: Literal[1, 3] = 1
    """3 where it names an index."""
    revision_counter: Annotated[int, Field(ge=0)]
    """The highest revision ever given on this topic: the next one is one more, also after a deletion."""
    index_revision: Annotated[Revision | None, Field(exclude_if=_is_none)] = None
    """That of the index which counts; None: the log has none, and it is left out of the bytes. Of format 3."""

    @property
    def key(self) -> str:
        return EPOCH_KEY


Record = PolicyRecord | SchemaRecord | IndexRecord | BindingRecord | NamedBindingRecord | EpochRecord
R = TypeVar("R", PolicyRecord, BindingRecord)


def newer_fields(record: Record) -> tuple[str, ...]:
    """Return the fields that make a record one of format 2: a gate that reads only 1 refuses its whole set for it."""
    match record:
        case PolicyRecord(spec=spec):
            said = {"params": spec.params is not None, "paramsFrom": spec.params_from is not None}
        case BindingRecord():
            said = {
                "expires_after_ms": any(target.expires_after_ms is not None for target in record.decisions.values()),
                "not_applicable": bool(record.not_applicable),
                "skips": bool(record.skips),
            }
        case _:
            said = {}
    return tuple(name for name, is_said in said.items() if is_said)


def close_epoch(epoch: int, revision_counter: int, index: IndexRecord | None) -> EpochRecord:
    """Return the record that closes a set, with the index that it has, if it has one."""
    if index is None:
        return EpochRecord(epoch=epoch, revision_counter=revision_counter)
    return EpochRecord(format=3, epoch=epoch, revision_counter=revision_counter, index_revision=index.revision)


def format_needed(record: Record) -> Format:
    """Return the oldest format that has all fields of a record; whether its log has an index is another matter."""
    return 2 if newer_fields(record) else 1


def with_format(record: R) -> R:
    """Return a record as it is written: with the oldest format that has all of its fields."""
    return record.model_copy(update={"format": format_needed(record)})


def spec_digest(spec: PolicySpec) -> str:
    """Return the SHA-256 of a policy's spec in canonical JSON, 64 hexadecimal digits."""
    return sha256_hex(canonical.encode(spec.model_dump(mode="json", by_alias=True)))


def signed_message(*, cluster_id: str, topic: str, key: bytes, value: bytes) -> bytes:
    """Return the bytes that are signed: the value bound to its cluster, topic and key.

    A record copied to another key, topic or cluster has no valid signature there. Each part is preceded by its
    length (4 bytes, big endian), so that no two different lists of parts give the same bytes.
    """
    message = bytearray(_SIGNING_CONTEXT)
    for part in (cluster_id.encode(), topic.encode(), key, value):
        message += len(part).to_bytes(4, "big") + part
    return bytes(message)


def decode_record(key: bytes, value: bytes) -> Record:
    """Read one record; its signature must have been verified before.

    Raises:
        PolicyLogError: an unknown key, strange JSON, an unknown field, or a record that names another key.
    """
    text = key.decode("utf-8", errors="replace")
    models = _models_of(text)
    try:
        raw = canonical.decode(value)
        model = _check_format(text, models, raw)
        record = model.model_validate(raw)
    except MalformedEventError as error:
        raise PolicyLogError(f"{text}: {error}") from error
    except ValidationError as error:
        raise PolicyLogError(f"{text}: {first_problem(error)}") from None
    if record.key != text:
        raise PolicyLogError(f"{text}: the record says that it is {record.key}")
    return record


def _models_of(key: str) -> "tuple[type[Record], ...]":
    """Return what a record of this key may be, the newest last."""
    if key.startswith(POLICY_PREFIX):
        return (PolicyRecord,)
    if key.startswith(SCHEMA_PREFIX):
        return (SchemaRecord,)
    if key.startswith(BINDING_PREFIX):
        return (BindingRecord, NamedBindingRecord)
    if key == INDEX_KEY:
        return (IndexRecord,)
    if key == EPOCH_KEY:
        return (EpochRecord,)
    raise PolicyLogError(f"unknown key {key[:100]!r}")


def _check_format(key: str, models: "tuple[type[Record], ...]", raw: canonical.JsonValue) -> "type[Record]":
    """Return which of its models a record is; that it is a later version's is said before a field is called strange."""
    said = raw.get("format") if isinstance(raw, dict) else None
    newest = max(get_args(models[-1].model_fields["format"].annotation))
    if isinstance(said, int) and said > newest:
        raise PolicyLogError(f"{key}: format: {said} is later than {newest}, the newest that is read here")
    return models[-1] if said == newest else models[0]
