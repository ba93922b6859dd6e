"""The inventory in memory, and its one way to Kafka. Nothing is made or taken back before it is open."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

import structlog
from streamwarden_contract.inventory import (
    INSTALLATION_KEY,
    MAX_LOST,
    InstallationItem,
    Item,
    NamespaceItem,
    Stage,
    SubjectItem,
    TopicItem,
    UserItem,
    namespace_key,
    subject_key,
    topic_key,
    user_key,
)
from streamwarden_contract.names import SYSTEM, AgentNames, InstallationNames
from streamwarden_contract.policylog import Signer
from streamwarden_kafka.batching import Batcher

from streamwarden_operator.desired.names import BEGIN_ANEW_ANNOTATION
from streamwarden_operator.desired.topics import Durability, build_inventory_topic
from streamwarden_operator.errors import CannotGoOnError
from streamwarden_operator.plans.inventory import (
    InventoryState,
    KnownKeys,
    Place,
    Signers,
    find_signers,
    verify_inventory,
)
from streamwarden_operator.plans.signed_records import key_id_of, sign_record
from streamwarden_operator.plans.topics import plan_topic
from streamwarden_operator.ports import PolicyLog, SignedRecord, Topics

_log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Item)


class InventoryKeys(Signer, KnownKeys, Protocol):
    """Signs, and knows its own signature again."""


async def signers_of(log: PolicyLog, topics: Topics, names: InstallationNames) -> frozenset[str]:
    """Return the ids of the keys by which an installation's inventory and guardrails are signed; nobody is fenced."""
    found = await topics.observe([names.inventory, names.guardrails])
    records = [record for topic in found for record in (await log.look(topic)).values()]
    return frozenset(filter(None, map(key_id_of, records)))


class Inventory:
    """What this installation has made in Kafka. Writes of many share a transaction. All calls from one event loop."""

    def __init__(
        self,
        log: PolicyLog,
        topics: Topics,
        *,
        installation: InstallationNames,
        keys: InventoryKeys,
        place: Place = Place(),  # noqa: B008  # a frozen value
        durability: Durability = Durability(),  # noqa: B008  # a frozen value
    ) -> None:
        """Make one; nothing is read before ``open``.

        Args:
            log: reads and writes its topic.
            topics: Kafka's topics.
            installation: whose inventory it is.
            keys: the signing key and the public ones that are valid.
            place: the cluster, and those whose installation it takes over.
            durability: of its topic.
        """
        self._log = log
        self._topics = topics
        self._names = installation
        self._keys = keys
        self._place = place
        self._durability = durability
        self._items: dict[str, Item] = {}
        self._made: defaultdict[str, set[str]] = defaultdict(set)
        """By namespace: agents of which both users are made."""
        self.taken_over = ""
        """UID of the cluster that it was kept in before, where it has come here now."""
        self._opening = asyncio.Lock()
        self._is_open = False
        self._key_id = ""
        self._waiting: dict[str, Item | None] = {}
        self._writes: Batcher[str, None] = Batcher(self._write)

    @property
    def items(self) -> Collection[Item]:
        """All that this installation has made, or is about to make."""
        return self._items.values()

    async def open(self) -> None:
        """Read it, and make its topic where there is none; once it is open nothing is done.

        Raises:
            CannotGoOnError: it is another installation's of the same name, or this one's as it was in another cluster;
                or the signing key is lost. Nothing was written, and nobody fenced.
            UnavailableError: Kafka does not answer.
        """
        async with self._opening:
            if self._is_open:
                return
            topic = self._durability.of(build_inventory_topic(self._names), None)
            observed = await self._topics.observe([topic.name, self._names.guardrails])
            if self._names.guardrails in observed:  # of an installation that has no inventory yet
                guardrails = await self.signers(self._names.guardrails)
                self._check(self._names.guardrails, InventoryState(foreign=guardrails.strangers))
            if topic.name in observed:
                self._check(topic.name, self._verify(topic.name, await self._log.look(topic.name)))
                topic = self._durability.of(topic, observed[topic.name])
            if plan := plan_topic(topic, observed.get(topic.name), keyed=True):
                await self._topics.apply(topic.name, plan)
            read = await self._log.read(topic.name)
            found = self._verify(topic.name, read)
            self._check(topic.name, found)
            self._items = dict(found.items)
            self._made.clear()
            for item in found.items.values():
                self._note_made(item)
            signers = {key_id_of(record) for key, record in read.items() if key.decode(errors="replace") in found.items}
            self._key_id = self._keys.key_id if signers <= {self._keys.key_id} else ""
            for key, why in found.refused.items():
                _log.error("inventory record not believed", record=key, cause=why)
            self._is_open = True
        await self.sign_anew()
        item = self._find(INSTALLATION_KEY, InstallationItem) or InstallationItem(installation=self._names.installation)
        here, before = self._place.kubernetes_uid, item.kubernetes_uid
        if here and before not in {"", here}:
            self.taken_over = before
        # What cannot be read now was read before: forgotten, a copy of the cluster could not be told from it.
        await self.note([item.model_copy(update={"kubernetes_uid": here or before})])

    def user(self, user: str) -> UserItem | None:
        """Return what is known of a user of Kafka."""
        return self._find(user_key(user), UserItem)

    def made_agents(self, namespace: str) -> AbstractSet[str]:
        """Return the agents of a namespace of which this installation has made both users; it is no copy."""
        return self._made.get(namespace, frozenset())

    def namespace(self, namespace: str) -> NamespaceItem | None:
        """Return what is known of a namespace."""
        return self._find(namespace_key(namespace), NamespaceItem)

    def topic(self, topic: str) -> TopicItem | None:
        """Return what is known of a contract's topic."""
        return self._find(topic_key(topic), TopicItem)

    def subject(self, subject: str) -> SubjectItem | None:
        """Return what is known of a subject of the schema registry."""
        return self._find(subject_key(subject), SubjectItem)

    def topics_of(self, namespace: str) -> Mapping[str, str]:
        """Return the ids of the topics that a namespace's agents share, or (``streamwarden``) the installation's."""
        item = self._owner_of_topics(namespace)
        return item.topics if item is not None else {}

    async def note_topics(self, namespace: str, ids: Mapping[str, str], lost: Collection[str] = ()) -> None:
        """Write which ones there are, and the ids of those that people have given up."""
        item = self._owner_of_topics(namespace)
        if item is not None:
            known = {"topics": {**item.topics, **ids}, "lost": (*item.lost, *lost)[-MAX_LOST:]}
            await self.note([item.model_copy(update=known)])

    def _owner_of_topics(self, namespace: str) -> InstallationItem | NamespaceItem | None:
        return self._find(INSTALLATION_KEY, InstallationItem) if namespace == SYSTEM else self.namespace(namespace)

    async def signers(self, topic: str) -> Signers:
        """Look at a policy topic; nobody is fenced for it."""
        records = await self._log.look(topic)
        return find_signers(records.values(), topic=topic, cluster_id=self._log.cluster_id, verifier=self._keys)

    async def sign_anew(self) -> None:
        """Have all of it signed by the key that signs now; once it is nothing is written."""
        if self._is_open and self._key_id != (key_id := self._keys.key_id):
            topic, items = self._names.inventory, dict(self._items)
            await self._log.publish(topic, [self._record(topic, key, item) for key, item in sorted(items.items())])
            self._key_id = key_id

    async def note(self, items: Collection[Item]) -> None:
        """Write what is new; returns once it is written.

        Raises:
            UnavailableError: nothing is known to be written.
        """
        await self._change({item.key: item for item in items if self._items.get(item.key) != item})

    async def forget(self, items: Collection[Item]) -> None:
        """Take out what is gone."""
        await self._change({item.key: None for item in items if item.key in self._items})

    async def _change(self, changes: dict[str, Item | None]) -> None:
        if changes:
            self._waiting |= changes
            await self._writes.get(changes)

    async def _write(self, keys: frozenset[str]) -> None:
        changes = {key: self._waiting.pop(key) for key in sorted(keys) if key in self._waiting}
        topic = self._names.inventory
        await self._log.publish(topic, [self._record(topic, key, item) for key, item in changes.items()])
        for key, item in changes.items():
            before = self._items.pop(key, None)
            if item is not None:
                self._items[key] = item
            self._note_made(item or before)

    def _note_made(self, item: Item | None) -> None:
        """Note whether both users are made of the agent that an item is about: it is there now, or gone."""
        if not isinstance(item, UserItem):
            return
        names = AgentNames(item.namespace, item.agent)
        users = (self.user(names.agent_principal), self.user(names.gate_principal))
        made = self._made[item.namespace]
        if all(user is not None and user.stage is Stage.MADE for user in users):
            made.add(item.agent)
        else:
            made.discard(item.agent)
            if not made:
                del self._made[item.namespace]

    def _record(self, topic: str, key: str, item: Item | None) -> SignedRecord:
        if item is None:
            return SignedRecord(key.encode(), None)
        return sign_record(item, topic=topic, cluster_id=self._log.cluster_id, signer=self._keys)

    def _verify(self, topic: str, records: Mapping[bytes, SignedRecord]) -> InventoryState:
        return verify_inventory(records, topic=topic, cluster_id=self._log.cluster_id, verifier=self._keys)

    def _check(self, topic: str, found: InventoryState) -> None:
        """Go on only with what is ours.

        Raises:
            CannotGoOnError: says whose it is.
        """
        if found.foreign:
            raise CannotGoOnError(
                f"the topic {topic!r} has records signed by {', '.join(sorted(found.foreign))}, and the key of this "
                f"installation is {self._keys.key_id}. Either another installation of the name "
                f"{self._names.installation!r} uses this Kafka: give this one another (STREAMWARDEN_INSTALLATION). Or "
                "this one has lost its signing key: put the Secret back, or begin anew on purpose by annotating the "
                f"operator's namespace with {BEGIN_ANEW_ANNOTATION}={','.join(sorted(found.foreign))}"
            )
        known = found.items.get(INSTALLATION_KEY)
        before = known.kubernetes_uid if isinstance(known, InstallationItem) else ""
        if cloned := self._place.check(topic, before):
            raise CannotGoOnError(cloned)

    def _find(self, key: str, kind: type[T]) -> T | None:
        found = self._items.get(key)
        return found if isinstance(found, kind) else None
