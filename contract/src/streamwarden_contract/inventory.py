"""The inventory: what an installation has made in a Kafka, so that nothing is taken for its own by its name.

``<installation>.inventory`` is compacted and has one partition. A record is signed like one of the policy log
(``policylog.signed_message``); a tombstone says that the thing is gone. Keys: ``installation``, ``namespace/<name>``,
``user/<name>``, ``topic/<name>`` and ``subject/<name>`` (of contracts).
"""

import operator
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamwarden_contract import canonical
from streamwarden_contract.errors import InventoryError, MalformedEventError
from streamwarden_contract.validation import first_problem

INSTALLATION_KEY: Final = "installation"
NEWEST_INVENTORY_FORMAT: Final = 1

Name = Annotated[str, Field(min_length=1, max_length=249)]
Uid = Annotated[str, Field(max_length=64)]

MAX_LOST = 100
TopicIds = Annotated[dict[Name, Uid], Field(exclude_if=operator.not_)]
"""Kafka's ids by name: a topic that is made again has another."""
LostIds = Annotated[tuple[Uid, ...], Field(strict=False, exclude_if=operator.not_)]
"""Ids of topics that were lost, and that people had made again, empty: audit chains go on behind what they lost."""


class Stage(StrEnum):
    """How far the making of a thing has come."""

    INTENT = "Intent"
    """It was not there, and is about to be made: a crash may have left it made."""
    MADE = "Made"
    """It was made, or taken over, and is this installation's."""


class _Item(BaseModel):
    """What a newer operator says besides is passed over: of two versions side by side one is the older."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    format: Literal[1] = NEWEST_INVENTORY_FORMAT

    def encode(self) -> bytes:
        """Write the exact bytes that are signed and published."""
        return canonical.encode(self.model_dump(mode="json"))


class InstallationItem(_Item):
    """Whose inventory this is; the first record of each."""

    installation: Name
    kubernetes_uid: Uid = ""
    """UID of the cluster's namespace ``kube-system``; empty where it could not be read."""
    topics: TopicIds = {}
    """Of the installation's own topics, but for this one."""
    lost: LostIds = ()

    @property
    def key(self) -> str:
        return INSTALLATION_KEY


class NamespaceItem(_Item):
    """A namespace whose policy topic this installation has made: no other one's agents are in it."""

    namespace: Name
    stage: Annotated[Stage, Field(strict=False)]
    topics: TopicIds = {}
    """Of the topics that its agents share."""
    lost: LostIds = ()

    @property
    def key(self) -> str:
        return namespace_key(self.namespace)


class UserItem(_Item):
    """A SCRAM user; its ACLs and quotas go with it."""

    user: Name
    namespace: Name
    agent: Name
    owner_uid: Uid
    """UID of the AgentDeployment that it was made for."""
    stage: Annotated[Stage, Field(strict=False)]

    @property
    def key(self) -> str:
        return user_key(self.user)


class TopicItem(_Item):
    """The topic of a contract: what this installation has done to it."""

    topic: Name
    namespace: Name
    contract: Name
    owner_uid: Uid
    """UID of the TopicContract."""
    topic_id: Uid = ""
    """Kafka's id of it; empty before it is made. Another id is another topic."""
    config: Annotated[tuple[Name, ...], Field(max_length=128, strict=False)] = ()
    """Configurations that were set, and may be taken away again; every other one is somebody else's."""
    adopted: Annotated[str, Field(max_length=1024)] | None = None
    """What was changed when the contract took it over; None where it was made for a contract."""
    stage: Annotated[Stage, Field(strict=False)]

    @property
    def key(self) -> str:
        return topic_key(self.topic)


class SubjectItem(_Item):
    """A subject of the schema registry that holds a contract's schema, or has held it."""

    subject: Annotated[str, Field(min_length=1, max_length=260)]
    namespace: Name
    contract: Name
    owner_uid: Uid
    """UID of the TopicContract."""
    stage: Annotated[Stage, Field(strict=False)]

    @property
    def key(self) -> str:
        return subject_key(self.subject)


Item = InstallationItem | NamespaceItem | UserItem | TopicItem | SubjectItem

_MODELS: Final[dict[str, type[NamespaceItem | UserItem | TopicItem | SubjectItem]]] = {
    "namespace": NamespaceItem,
    "user": UserItem,
    "topic": TopicItem,
    "subject": SubjectItem,
}


def namespace_key(namespace: str) -> str:
    """Return the key of a namespace's record."""
    return f"namespace/{namespace}"


def user_key(user: str) -> str:
    """Return the key of a user's record."""
    return f"user/{user}"


def topic_key(topic: str) -> str:
    """Return the key of a topic's record."""
    return f"topic/{topic}"


def subject_key(subject: str) -> str:
    """Return the key of a subject's record."""
    return f"subject/{subject}"


def decode_item(key: bytes, value: bytes) -> Item:
    """Read one record; its signature must have been verified before.

    Raises:
        InventoryError: an unknown key, a later format, a field that is missing or malformed, or another key's record.
    """
    text = key.decode("utf-8", errors="replace")
    model = InstallationItem if text == INSTALLATION_KEY else _MODELS.get(text.partition("/")[0])
    if model is None:
        raise InventoryError(f"unknown key {text[:100]!r}")
    try:
        item = model.model_validate(canonical.decode(value))
    except MalformedEventError as error:
        raise InventoryError(f"{text}: {error}") from error
    except ValidationError as error:
        raise InventoryError(f"{text}: {first_problem(error)}") from None
    if item.key != text:
        raise InventoryError(f"{text}: the record says that it is {item.key}")
    return item
