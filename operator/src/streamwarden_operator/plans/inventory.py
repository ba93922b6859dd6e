"""What of Kafka is ours: the inventory as verified, and what follows for a user or a namespace. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from streamwarden_contract.errors import InventoryError
from streamwarden_contract.inventory import Item, NamespaceItem, Stage, UserItem, decode_item
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.policylog import Verifier

from streamwarden_operator.desired.names import TAKE_OVER_ANNOTATION, say_missed
from streamwarden_operator.plans.signed_records import signature_of
from streamwarden_operator.ports import SignedRecord


class KnownKeys(Verifier, Protocol):
    """The keys that are valid now, by id."""

    def knows(self, key_id: str) -> bool: ...

    @property
    def abandoned(self) -> frozenset[str]:
        """Ids of lost keys without which people have begun anew: nobody can verify what they signed."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where this operator runs."""

    kubernetes_uid: str = ""
    """UID of the cluster's ``kube-system``; empty where it is not known, and not compared."""
    former: frozenset[str] = frozenset()
    """UIDs of clusters that are gone, as people say, and whose installation goes on here."""
    namespace: str = SYSTEM
    """The operator's own, where people say so."""

    def check(self, topic: str, before: str) -> str:
        """Say what keeps an inventory that was kept in another cluster from going on here; empty where nothing does.

        Args:
            topic: the inventory's.
            before: the UID that stands in it.
        """
        if not before or not self.kubernetes_uid or before in {self.kubernetes_uid, *self.former}:
            return ""
        return (
            f"InstallationCloned: the inventory {topic!r} is that of the cluster {before}, and this cluster is "
            f"{self.kubernetes_uid} (UID of its namespace kube-system). Two clusters with one signing key would undo "
            "each other's work. While the other one exists give one of them another name (STREAMWARDEN_INSTALLATION) "
            "and another key. Where it is gone and this is its restore, take over on purpose. "
            f"{say_missed(TAKE_OVER_ANNOTATION, self.former)}Say so: kubectl annotate "
            f"namespace {self.namespace} --overwrite {TAKE_OVER_ANNOTATION}={before}"
        )


@dataclass(frozen=True, slots=True)
class InventoryState:
    """The inventory as read."""

    items: Mapping[str, Item] = field(default_factory=dict)
    """By key; those only whose signature is ours."""
    foreign: frozenset[str] = frozenset()
    """Ids of keys that are not ours, and by which a record is signed."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By key: why a record is not understood, or not believed. What it names is left alone."""


def verify_inventory(
    records: Mapping[bytes, SignedRecord], *, topic: str, cluster_id: str, verifier: KnownKeys
) -> InventoryState:
    """Take the records with a valid signature, and tell which others there are.

    Args:
        records: the last record of every key.
        topic: the inventory's topic.
        cluster_id: Kafka's.
        verifier: knows the keys that are valid now.
    """
    items: dict[str, Item] = {}
    foreign: set[str] = set()
    refused: dict[str, str] = {}
    for key, record in sorted(records.items()):
        name = key.decode("utf-8", errors="replace")
        stranger = signed_by_another(record, topic=topic, cluster_id=cluster_id, verifier=verifier)
        try:
            if stranger is None and record.value is not None:
                items[name] = decode_item(key, record.value)
            elif stranger:
                foreign.add(stranger)
        except InventoryError as error:
            refused[name] = str(error)
            continue
        if name not in items:
            refused[name] = f"signed by the key {stranger!r}" if stranger else "not signed"
    return InventoryState(items, frozenset(foreign), refused)


def signed_by_another(record: SignedRecord, *, topic: str, cluster_id: str, verifier: KnownKeys) -> str | None:
    """Return the id of the key that a record says it is signed by; None where the signature is ours, "" where none is.

    A record that names our own key, and whose signature does not fit, is nobody's: "" too. So is one that was copied
    from another cluster or topic.
    """
    signed = signature_of(record, topic=topic, cluster_id=cluster_id)
    if signed is None:
        return ""
    if verifier.verify(*signed):
        return None
    return "" if verifier.knows(signed.key_id) else signed.key_id


class Ownership(Enum):
    """Whose a thing is."""

    OURS = "ours"
    """Made by this installation, or about to be."""
    NEW = "new"
    """Not there: its intent is written before it is made."""
    FOREIGN = "foreign"
    """Somebody else's, or nobody knows: left as it is."""


@dataclass(frozen=True, slots=True)
class Signers:
    """Who has signed what stands on a policy topic."""

    ours: bool = False
    """Whether this installation has signed a record."""
    strangers: frozenset[str] = frozenset()
    """Ids of other keys that have."""
    empty: bool = False
    """Whether nothing stands on it: people may know whose it is."""


def find_signers(records: Collection[SignedRecord], *, topic: str, cluster_id: str, verifier: KnownKeys) -> Signers:
    """Tell who has signed the records of a policy topic.

    By a lost key that people have given up nobody can verify anything, and whoever writes there may name it. So its
    name counts only where nobody else has signed anything.
    """
    each = [signed_by_another(record, topic=topic, cluster_id=cluster_id, verifier=verifier) for record in records]
    signed = filter(None, (signature_of(record, topic=topic, cluster_id=cluster_id) for record in records))
    given_up = any(found.key_id in verifier.abandoned for found in signed)
    strangers = frozenset(filter(None, each))
    return Signers(ours=None in each or (given_up and not strangers), strangers=strangers, empty=not records)


def own_namespace(item: NamespaceItem | None, signers: Signers | None) -> Ownership:
    """Tell whose a namespace is, by its policy topic: Kafka makes a topic once.

    Args:
        item: what the inventory says.
        signers: of the topic; None: there is none.
    """
    if item is not None and item.stage is Stage.MADE:
        return Ownership.OURS
    if signers is None:
        return Ownership.NEW
    if signers.ours:  # without an item: an installation from before there were inventories
        return Ownership.OURS
    if signers.strangers or item is None:
        return Ownership.FOREIGN
    return Ownership.OURS  # it was absent when our intent was written, and nobody else has signed anything on it


def own_user(item: UserItem | None, *, exists: bool, logs_in: bool) -> Ownership:
    """Tell whose a user of Kafka is.

    Args:
        item: what the inventory says.
        exists: whether Kafka has such a user.
        logs_in: whether it does with the password of the Secret that this installation keeps for it.
    """
    if item is not None and item.stage is Stage.MADE:
        return Ownership.OURS
    if not exists:
        return Ownership.NEW
    return Ownership.OURS if logs_in else Ownership.FOREIGN


def left_over(items: Iterable[Item], namespace: str, living: Collection[str]) -> tuple[UserItem, ...]:
    """Return the users of a namespace's agents that are no more.

    Args:
        items: the inventory.
        namespace: whose.
        living: its agents that exist.
    """
    found = (item for item in items if isinstance(item, UserItem) and item.namespace == namespace)
    return tuple(sorted((item for item in found if item.agent not in living), key=lambda item: item.user))


def namespaces_with_users(items: Iterable[Item], covers: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the namespaces that this operator watches, and of whose agents there are users."""
    found = {item.namespace for item in items if isinstance(item, UserItem)}
    return tuple(sorted(filter(covers, found)))
