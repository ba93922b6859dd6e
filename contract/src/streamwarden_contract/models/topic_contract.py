"""TopicContract: what a topic promises to everybody who shares it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streamwarden_contract.models.base import (
    HELD_CONDITIONS,
    READY_COLUMNS,
    Kind,
    Metadata,
    PrinterColumn,
    Resource,
    Status,
)
from streamwarden_contract.models.fields import EventType, Principal, TopicName
from streamwarden_contract.names import AGENT_TOPICS

ConfigKey = Annotated[str, Field(pattern=r"^[a-z][a-z.]{1,99}$", max_length=100)]
ConfigValue = Annotated[str, Field(max_length=1024)] | int
KEYLESS_AND_COMPACTED = (
    "None gives records no key, and brokers refuse those on a topic with cleanup.policy compact:"
    " use Entity, or cleanup.policy delete"
)


class TopicSchema(Resource):
    """The schema of the topic's values, registered under ``<topicName>-value``."""

    schema_type: Literal["JSON"] = "JSON"
    """Only JSON Schema for now."""
    compatibility_level: Literal[
        "NONE",
        "BACKWARD",
        "BACKWARD_TRANSITIVE",
        "FORWARD",
        "FORWARD_TRANSITIVE",
        "FULL",
        "FULL_TRANSITIVE",
    ] = "BACKWARD"
    """What the registry demands of a new version of the schema."""
    definition: Annotated[str, Field(alias="schema", min_length=2, max_length=65536)]
    """The JSON Schema as text. ``$ref`` may point only inside it: by a fragment, or by its own ``$id``."""


class Access(Resource):
    """Principals outside Streamwarden that may use the topic. Agents and gates are never named here."""

    producers: Annotated[tuple[Principal, ...], Field(max_length=64)] = ()
    """May write, as in ``User:web-frontend``."""
    consumers: Annotated[tuple[Principal, ...], Field(max_length=64)] = ()
    """May read, with consumer groups that start with ``<installation>.ext.<user>.`` (``streamwarden.ext.<user>.``)."""


class TopicContractSpec(Resource):
    """What the topic promises."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.topicName == oldSelf.topicName", "topicName is immutable: make a new contract"),
        ("self.key == oldSelf.key", "key is immutable: make a new contract"),
        ("self.partitions >= oldSelf.partitions", "partitions can grow, never shrink"),
        (
            "self.partitions == oldSelf.partitions || self.key == 'None'",
            "partitions of a keyed topic cannot change: its keys would move to other partitions and lose their order",
        ),
        (
            (
                "!("
                + " || ".join(f"self.topicName.endsWith('.{word}')" for word in AGENT_TOPICS)
                + " || self.topicName.startsWith('streamwarden.')"
                " || self.topicName.matches('^[^.]+[.]streamwarden([.]|$)'))"
            ),
            (
                f"topicName is one of Streamwarden's own: {', '.join(f'*.{word}' for word in AGENT_TOPICS)},"
                " streamwarden.* and <namespace>.streamwarden.* are reserved"
            ),
        ),
        (
            (
                "self.key != 'None' || !('cleanup.policy' in self.config)"
                " || !string(self.config['cleanup.policy']).matches('(^|,)[ ]*compact[ ]*(,|$)')"
            ),
            KEYLESS_AND_COMPACTED,
        ),
    )

    topic_name: TopicName
    """Kafka topic name; it starts with the namespace and a dot. Immutable: a rename is a delete and a create."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Partition count. Never shrinks; of a keyed topic it never changes."""
    replicas: Annotated[int, Field(ge=1, le=9)] | None = None
    """Replication factor of a new topic; the broker's default where left out. Of an existing topic never changed."""
    config: Annotated[dict[ConfigKey, ConfigValue], Field(max_length=64)] = {}
    """Topic configuration as Kafka names it, strings or integers. A key that is taken out follows the broker's default
    again; one that was never named stays as whoever set it wants it."""
    key: Literal["Entity", "None"] = "Entity"
    """``Entity``: the record key is the entity (CloudEvents' subject). ``None``: records have no key. Immutable."""
    value_schema: Annotated[TopicSchema | None, Field(alias="schema")] = None
    """The schema of the values; without one any JSON object fits. Events that do not fit reach no agent's handler."""
    event_type: EventType | None = None
    """Type of the events whose records name none, as plain JSON without ``ce_`` headers; left out: the topic's name."""
    framing: Literal["None", "Confluent"] = "None"
    """What stands before each value. ``Confluent``: a zero byte and the schema's id in four, as registry serialisers
    write it. Not for topics that agents command: gates write plain JSON."""
    access: Access = Access()
    """Principals outside Streamwarden."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """What happens to topic and schema subject when the contract is deleted."""


class RegisteredSchema(Resource):
    """The schema as the registry knows it."""

    id: Annotated[int, Field(ge=0)]
    """Global id of the schema."""
    version: Annotated[int, Field(ge=0)]
    """Version within the subject."""
    subject: Annotated[str, Field(max_length=260)]
    """Subject name."""


class RefusedSource(Resource):
    """Events of one producer that are not what the contract promises."""

    source: Annotated[str, Field(max_length=512)]
    """``ce_source`` of the events, a claim of whoever wrote them; empty where it could not be read."""
    at_least: Annotated[int, Field(ge=1)]
    """Events, as gates have counted them since they began: powers of ten, added up."""
    reason: Annotated[str, Field(max_length=63)]
    """What is wrong with one of the last: ``SchemaMismatch``, ``MalformedValue`` or ``MalformedHeaders``."""
    message: Annotated[str, Field(max_length=512)] = ""
    """The place in its data and what the contract demands there; never the data."""


class TopicContractStatus(Status):
    """Where the topic stands. Conditions: Accepted, TopicReady, SchemaReady, AccessReady, DriftDetected, Ready."""

    topic_id: Annotated[str, Field(max_length=64)] = ""
    """Kafka's id of the topic: another id means another topic of the same name."""
    registered_schema: Annotated[RegisteredSchema | None, Field(alias="schema")] = None
    """The registered schema."""
    access: Annotated[tuple[Annotated[str, Field(max_length=600)], ...], Field(max_length=512)] = ()
    """The ACLs made for ``spec.access``, so that exactly these can be taken back."""
    refused_events: Annotated[tuple[RefusedSource, ...], Field(max_length=16)] = ()
    """Producers whose events agents refuse, those with the most first. Each event is a dead letter of its agent."""


class TopicContract(Kind):
    """What a topic promises: name, partitions, configuration, schema, and who outside Streamwarden may use it."""

    plural: ClassVar[str] = "topiccontracts"
    short_name: ClassVar[str] = "tct"
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Topic", json_path=".spec.topicName"),
        PrinterColumn(name="Partitions", json_path=".spec.partitions", type="integer"),
        PrinterColumn(name="Schema", json_path=".status.schema.version", type="integer", priority=1),
        *READY_COLUMNS,
    )
    conditions: ClassVar[dict[str, str]] = {
        "Accepted": "The contract's names, principals and schema are allowed, and no older contract claims the topic.",
        "TopicReady": "The topic exists as the contract says.",
        "SchemaReady": "The schema is registered. Unknown while the registry is away; the topic works. False where the "
        "registry refuses it, or rules in force would not check with it: gates keep the schema in force.",
        "AccessReady": "The ACLs of spec.access are in place.",
        "DriftDetected": "Something was changed behind the operator's back and has been put back.",
        "Ready": "All of the above that can hold things up are as they should be.",
        "EventsRefused": "Producers write events that are not what the contract promises, and agents refuse them; the "
        "message says whose, and why. Not there otherwise.",
        **HELD_CONDITIONS,
    }

    metadata: Metadata
    spec: TopicContractSpec
    """What the topic promises."""
    status: TopicContractStatus = TopicContractStatus()
    """Where it stands; written by the operator."""
