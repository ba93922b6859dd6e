"""What was last seen of the three kinds and of what agents have. No I/O.

Whatever is older than what is known is not taken in, whoever brings it: a watch, a list, the answer to an own write.
What is older is said by an ``Order``.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import structlog
from pydantic import ValidationError
from streamwarden_contract.models import Policy
from streamwarden_contract.models.base import Kind, Metadata

from streamwarden_operator.adapters.kubernetes.order import ByVersion, Order
from streamwarden_operator.adapters.kubernetes.pods import DeploymentFacts
from streamwarden_operator.adapters.kubernetes.reading import (
    Owned,
    describe,
    holds_data,
    needs_reconcile,
    read_data,
    read_owned,
    read_resource,
)
from streamwarden_operator.adapters.kubernetes.resource_types import (
    CONFIG_MAP,
    DEPLOYMENT,
    KINDS,
    POD,
    ResourceType,
    type_of,
    type_of_key,
)
from streamwarden_operator.desired.policy_params import params_config_map
from streamwarden_operator.keys import Key, KeyKind, kind_of
from streamwarden_operator.ports import Manifest, Unreadable

K = TypeVar("K", bound=Kind)

_REMEMBERED_DEATHS = 20_000
"""Objects that are gone: a slow answer or an old page must not bring them back."""

_log = structlog.get_logger(__name__)


ObjectPlace = tuple[ResourceType, str, str]
"""Type, namespace, name."""


@dataclass(frozen=True, slots=True)
class _Seen:
    uid: str
    version: str
    order: int
    """Where it stands among the states of its place."""

    def is_same(self, other: "_Seen") -> bool:
        """Tell whether both are one state of one object."""
        return (self.uid, self.version) == (other.uid, other.version)


@dataclass(frozen=True, slots=True)
class _OfAgent:
    """What an agent has, put together once for all who ask before it changes."""

    objects: tuple[Owned, ...]
    pods: frozenset[str]


class ResourceCache:
    """Objects by their place."""

    def __init__(self) -> None:
        self.order: Order = ByVersion()
        """To be set before anything is taken in."""
        self._seen: dict[ObjectPlace, _Seen] = {}
        self._kinds: dict[type[Kind], dict[str, dict[str, Kind]]] = {kind: {} for kind in KINDS.values()}
        self._unreadable: dict[Key, Unreadable] = {}
        self._owned: dict[ObjectPlace, Owned] = {}
        self._data: dict[ObjectPlace, Mapping[str, str | int] | None] = {}
        """What ConfigMaps hold beside the rules of policies; None of those that no policy names."""
        self._readers: dict[ObjectPlace, set[str]] = {}
        """By ConfigMap: the policies of its namespace that name it."""
        self._by_agent: dict[tuple[str, str], set[ObjectPlace]] = {}
        self._of_agents: dict[tuple[str, str], _OfAgent] = {}
        """Of agents that somebody has asked for since something of theirs has changed last."""
        self._lists: dict[tuple[type[Kind], str | None], tuple[Kind, ...]] = {}
        """Likewise, by kind and namespace (None: all)."""
        self._names: dict[tuple[type[Kind], str], frozenset[str]] = {}
        """By kind and namespace: the same one until a name comes or goes."""
        self._gone: OrderedDict[str, int] = OrderedDict()
        """By uid: the place in the order at which it was gone. One that comes back with our label has a later one."""

    def get(self, kind: type[K], namespace: str, name: str) -> K | None:
        """Return a resource; None where there is none that can be read."""
        return cast("K | None", self._kinds[kind].get(namespace, {}).get(name))

    def list(self, kind: type[K], namespace: str | None = None) -> Sequence[K]:
        """Return the resources of a kind that can be read, ordered by namespace and name."""
        listed = self._lists.get((kind, namespace))
        if listed is None:
            found = self._kinds[kind]
            spaces = sorted(found) if namespace is None else [namespace] if namespace in found else []
            listed = tuple(found[space][name] for space in spaces for name in sorted(found[space]))
            if spaces:  # of namespaces that nobody has, there may be any number
                self._lists[kind, namespace] = listed
        return cast("Sequence[K]", listed)

    def names(self, kind: type[Kind], namespace: str) -> frozenset[str]:
        """Return the names of a namespace's resources of a kind, whether they can be read or not.

        It is the same object until one comes or goes: who goes by it may remember what came of it.
        """
        names = self._names.get((kind, namespace))
        if names is None:
            wanted = kind_of(kind)
            unread = (key.name for key in self._unreadable if (key.kind, key.namespace) == (wanted, namespace))
            names = frozenset((*self._kinds[kind].get(namespace, ()), *unread))
            if names:  # of namespaces that nobody has, there may be any number
                self._names[kind, namespace] = names
        return names

    def unreadable(self) -> Mapping[Key, Unreadable]:
        """Return the resources that exist and cannot be read."""
        return dict(self._unreadable)

    def owned(self, resource: ResourceType, namespace: str, name: str) -> Owned | None:
        """Return an object of an agent."""
        return self._owned.get((resource, namespace, name))

    def of_agent(self, namespace: str, agent: str) -> Sequence[Owned]:
        """Return everything that an agent has."""
        return self._of_agent(namespace, agent).objects

    def pods(self, namespace: str, agent: str) -> frozenset[str]:
        """Return the names of an agent's pods, ending ones too."""
        return self._of_agent(namespace, agent).pods

    def config_map(self, namespace: str, name: str) -> Mapping[str, str | int] | None:
        """Return what a ConfigMap that a policy names holds; of what is too large, the size in bytes."""
        return self._data.get((CONFIG_MAP, namespace, name))

    def unread_data(self, namespace: str, policy: str) -> str | None:
        """Return the ConfigMap that a policy names if it is there, and what it holds was not kept before."""
        name = _source_of(self._kinds[Policy].get(namespace, {}).get(policy))
        place = (CONFIG_MAP, namespace, name or "")
        return name if place in self._data and self._data[place] is None else None

    def uid_of(self, key: Key) -> str:
        """Return the uid of a resource, readable or not; empty where there is none."""
        seen = self._seen.get(_place(key))
        return "" if seen is None else seen.uid

    def is_news(self, manifest: Manifest) -> bool:
        """Tell whether this very state of the object is not the one that is known."""
        place, seen = self._placed(manifest)
        known = self._seen.get(place)
        return known is None or not seen.is_same(known) or self._is_unread(place)

    def is_as(self, place: ObjectPlace, manifest: Manifest | None) -> bool:
        """Tell whether what is known of a place is this state; None: that nothing is there."""
        known = self._seen.get(place)
        if known is None or manifest is None:
            return known is None and manifest is None
        return self._placed(manifest)[1].is_same(known)

    def observe(self, manifest: Manifest, asked: int = 0) -> Key | None:
        """Take in an object, unless a newer one is known; return the key to reconcile because of it.

        Args:
            manifest: the object.
            asked: what ``order.asked`` returned before the request that it is the answer to; 0: nobody asked.
        """
        place, seen = self._placed(manifest, asked)
        known = self._seen.get(place)
        if seen.order <= self._gone.get(seen.uid, 0):
            return None
        if known is not None and not (seen.is_same(known) and self._is_unread(place)) and not _is_later(seen, known):
            return None
        if known is not None and known.uid != seen.uid:
            self._bury(known)
            self._drop(place)  # another one of that name: nothing of the earlier one speaks for it
        self._seen[place] = replace(seen, order=self.order.taken(seen.order))
        if place[0] in KINDS:
            return self._take_resource(place, manifest)
        if holds_data(manifest):
            self._drop_owned(place)  # what agents need has names that no data may have: none of them lacks this one
            return self._take_data(place, manifest)
        left, owner = self._drop_data(place), self._take_owned(place, manifest)
        return left or owner

    def forget(self, manifest: Manifest) -> Key | None:
        """Say that an object is gone, or ours no more; return the key to reconcile because of it."""
        place, seen = self._placed(manifest)
        self._bury(seen)
        known = self._seen.get(place)
        return self._drop(place) if known is not None and known.uid == seen.uid else None

    def forget_resource(self, key: Key) -> Key | None:
        """Say that a resource of the three kinds is gone, whichever it was."""
        place = _place(key)
        if place not in self._seen:
            return None
        self._bury(self._seen[place])
        return self._drop(place)

    def forget_missing(
        self,
        resource: ResourceType,
        namespace: str | None,
        listed: Collection[str],
        version: str,
        *,
        asked: int = 0,
        name: str = "",
    ) -> set[Key]:
        """Drop what a list did not have; return the keys to reconcile because of it.

        Args:
            resource: what was listed.
            namespace: where; None for everywhere.
            listed: the uids of the list.
            version: of the list; what is newer is kept.
            asked: what ``order.asked`` returned before it.
            name: the one name that was listed; empty for all.
        """
        order = self.order.of(version, asked)
        missing = [
            (place, seen)
            for place, seen in self._seen.items()
            if place[0] == resource
            and namespace in {None, place[1]}
            and name in {"", place[2]}
            and seen.order <= order
            and seen.uid not in listed
        ]
        for _, seen in missing:
            self._bury(replace(seen, order=order))
        return {key for place, _ in missing if (key := self._drop(place)) is not None}

    def note_replicas(self, deployment: Owned, replicas: int, version: str, asked: int) -> None:
        """Take in the answer to an own scaling, which is no whole Deployment."""
        place = (DEPLOYMENT, deployment.namespace, deployment.name)
        known, seen = self._owned.get(place), _Seen(deployment.uid, version, self.order.of(version, asked))
        if known is None or known.uid != deployment.uid or not _is_later(seen, self._seen[place]):
            return
        if isinstance(known.facts, DeploymentFacts):
            facts = replace(known.facts, desired=replicas, owns_replicas=False)
            self._seen[place] = replace(seen, order=self.order.taken(seen.order))
            self._owned[place] = replace(known, facts=facts)
            self._of_agents.pop((known.namespace, known.agent), None)

    def _of_agent(self, namespace: str, agent: str) -> _OfAgent:
        found = self._of_agents.get((namespace, agent))
        if found is None:
            places = self._by_agent.get((namespace, agent), ())
            objects = sorted((self._owned[place] for place in places), key=lambda each: (each.resource.kind, each.name))
            found = _OfAgent(tuple(objects), frozenset(each.name for each in objects if each.resource == POD))
            if objects:  # of agents that nobody has, there may be any number
                self._of_agents[namespace, agent] = found
        return found

    def _forget_lists(self, kind: type[Kind], namespace: str) -> None:
        self._lists.pop((kind, namespace), None)
        self._lists.pop((kind, None), None)

    def _take_resource(self, place: ObjectPlace, manifest: Manifest) -> Key | None:
        resource, namespace, name = place
        kind, key = KINDS[resource], _key(place)
        if name not in self._names.get((kind, namespace), ()):
            self._names.pop((kind, namespace), None)
        before = self._kinds[kind].get(namespace, {}).get(name)
        try:
            now = read_resource(kind, manifest)
        except ValidationError as error:
            # What was read before stays: the last good one is better than none, for none would undo everything.
            metadata = Metadata.model_validate(manifest["metadata"])
            found = Unreadable(key, metadata, describe(error), manifest)
            before_it, self._unreadable[key] = self._unreadable.get(key), found
            if before_it is not None and _asked(before_it) == _asked(found):
                return None
            _log.error("resource not readable", key=str(key), problem=found.problem)
            return key
        mended = self._unreadable.pop(key, None) is not None
        self._kinds[kind].setdefault(namespace, {})[name] = now
        self._forget_lists(kind, namespace)
        self._note_reader(namespace, name, before, now)
        return key if mended or before is None or needs_reconcile(before, now) else None

    def _take_data(self, place: ObjectPlace, manifest: Manifest) -> Key | None:
        # Anybody may make many that are large: values that no policy names are nobody's business.
        before, now = self._data.get(place), read_data(manifest) if place in self._readers else None
        self._data[place] = now
        return None if now == before else _key(place)

    def _is_unread(self, place: ObjectPlace) -> bool:
        return place in self._readers and place in self._data and self._data[place] is None

    def _note_reader(self, namespace: str, policy: str, before: Kind | None, now: Kind | None) -> None:
        """Note which ConfigMap a policy names now, and let go of what none names any more."""
        old, new = ((CONFIG_MAP, namespace, name) if (name := _source_of(it)) else None for it in (before, now))
        if old == new:
            return
        if new is not None:
            self._readers.setdefault(new, set()).add(policy)
        readers = self._readers.get(old, set()) if old is not None else set()
        readers.discard(policy)
        if old is not None and not readers:
            self._readers.pop(old, None)
            if old in self._data:
                self._data[old] = None

    def _take_owned(self, place: ObjectPlace, manifest: Manifest) -> Key | None:
        now, before = read_owned(place[0], manifest), self._owned.get(place)
        if before is not None and before.agent != now.agent:
            self._unlink(place, before.agent)
        self._owned[place] = now
        self._by_agent.setdefault((now.namespace, now.agent), set()).add(place)
        self._of_agents.pop((now.namespace, now.agent), None)
        return _owner(now) if before is None or now.differs(before) else None

    def _drop(self, place: ObjectPlace) -> Key | None:
        resource, namespace, name = place
        self._seen.pop(place, None)
        if resource in KINDS:
            self._names.pop((KINDS[resource], namespace), None)
            self._unreadable.pop(_key(place), None)
            self._note_reader(namespace, name, self._kinds[KINDS[resource]].get(namespace, {}).pop(name, None), None)
            self._forget_lists(KINDS[resource], namespace)
            return _key(place)
        return self._drop_data(place) or self._drop_owned(place)

    def _drop_data(self, place: ObjectPlace) -> Key | None:
        return None if self._data.pop(place, None) is None else _key(place)

    def _drop_owned(self, place: ObjectPlace) -> Key | None:
        owned = self._owned.pop(place, None)
        if owned is None:
            return None
        self._unlink(place, owned.agent)
        return _owner(owned)

    def _unlink(self, place: ObjectPlace, agent: str) -> None:
        places = self._by_agent.get((place[1], agent), set())
        places.discard(place)
        self._of_agents.pop((place[1], agent), None)
        if not places:
            self._by_agent.pop((place[1], agent), None)

    def _placed(self, manifest: Manifest, asked: int = 0) -> tuple[ObjectPlace, _Seen]:
        metadata = manifest["metadata"]
        version = metadata["resourceVersion"]
        return place_of(manifest), _Seen(metadata["uid"], version, self.order.of(version, asked))

    def _bury(self, seen: _Seen) -> None:
        self._gone[seen.uid] = max(self.order.taken(seen.order), self._gone.pop(seen.uid, 0))
        while len(self._gone) > _REMEMBERED_DEATHS:
            self._gone.popitem(last=False)


def _source_of(resource: Kind | None) -> str | None:
    """Return the ConfigMap that a policy names; None of all else."""
    return params_config_map(resource.spec) if isinstance(resource, Policy) else None


def _is_later(seen: _Seen, known: _Seen) -> bool:
    return seen.order > known.order and not seen.is_same(known)


def place_of(manifest: Manifest) -> ObjectPlace:
    """Return where an object is."""
    metadata = manifest["metadata"]
    return type_of(manifest), metadata["namespace"], metadata["name"]


def _key(place: ObjectPlace) -> Key:
    return Key(cast("KeyKind", place[0].kind), place[1], place[2])


def _place(key: Key) -> ObjectPlace:
    return type_of_key(key), key.namespace, key.name


def _asked(found: Unreadable) -> tuple[str, Metadata]:
    """Return what is wrong with it, and what of its metadata says more than that somebody wrote it."""
    return found.problem, found.metadata.model_copy(update={"resource_version": ""})


def _owner(owned: Owned) -> Key | None:
    return Key("AgentDeployment", owned.namespace, owned.agent) if owned.agent else None
