"""The ACLs of a cluster, by what is asked of them. Kept up to date change by change, and shared by all reconciles.

Each agent asks a few questions of all ACLs, of which each agent has some twenty: without it an edit that concerns
everybody costs as much as there are agents, squared; and so do a thousand agents that come up, each with its own ACLs,
where it is made anew for each of them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Container
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamwarden_contract.names import AgentNames

    from streamwarden_operator.ports import Acl

_WRITING = frozenset({"WRITE", "ALL", "ALTER", "ALTER_CONFIGS", "CREATE", "DELETE"})
"""What changes a topic's records, or the rules by which it keeps them."""

_READING = frozenset({"READ", "ALL"})

_JOINING = frozenset({"READ", "ALL", "DELETE", "ALTER", "ALTER_CONFIGS"})
"""What makes a member of a group, who is given partitions; moves or deletes its offsets; or changes how it works."""

_PRODUCING = frozenset({"WRITE", "ALL"})
"""What opens a producer with a transactional id, which fences the one that had it."""

_RULING = frozenset({"ALL", "ALTER"})
"""On the cluster: who has these writes ACLs, and so gives himself the rest."""

_OPERATING = frozenset({"ALTER_CONFIGS", "CLUSTER_ACTION"})
"""On the cluster: who has these sets what brokers keep for how long, or ends others' transactions as a broker does."""

_IMPERSONATING = frozenset({"TOKENS", "ALL"})
"""On a user: who has these makes, or sees, delegation tokens by which he is that user."""

_ANY = "*"

_MANY = 16
"""Agents with rights on one name, from which on it is remembered which of them do not live."""


class LivingAgents(Container[str]):
    """The principals of a namespace's agents and gates, told by their names: as many as agents, and each asks."""

    def __init__(self, own: AgentNames, living: AbstractSet[str]) -> None:
        self.namespace, self.own, self.living = own.namespace, own.agent, living

    @override
    def __contains__(self, principal: object) -> bool:
        namespace, agent = _agent_of(principal) if isinstance(principal, str) else ("", "")
        return bool(agent) and namespace == self.namespace and (agent == self.own or agent in self.living)


def _agent_of(principal: str) -> tuple[str, str]:
    """Return the namespace and the agent that a principal without ``User:`` is named after; empty where it is not."""
    namespace, _, rest = principal.partition(".")
    agent, _, role = rest.rpartition(".")
    return (namespace, agent) if role in {"agent", "gate"} else ("", "")


@dataclass(slots=True)
class _Strange:
    """Agents of a namespace that are none of the living, as long as these are the same set."""

    living: frozenset[str]
    agents: set[str]


class _Holders:
    """ACLs of one name, by whose they are: a shared topic has as many as agents, and each agent asks of it."""

    __slots__ = ("_agents", "_others", "_strange")

    def __init__(self) -> None:
        self._agents = dict[str, dict[str, set["Acl"]]]()
        """Those of agents and gates, by namespace and agent."""
        self._others = set["Acl"]()
        self._strange = dict[str, _Strange]()
        """By namespace: what was found for who asked last."""

    def __bool__(self) -> bool:
        return bool(self._others or self._agents)

    def add(self, acl: Acl) -> None:
        namespace, agent = _agent_of(acl.principal.removeprefix("User:"))
        own = self._agents.setdefault(namespace, {}).setdefault(agent, set()) if agent else self._others
        own.add(acl)
        if (known := self._strange.get(namespace)) is not None and agent and agent not in known.living:
            known.agents.add(agent)

    def discard(self, acl: Acl) -> None:
        namespace, agent = _agent_of(acl.principal.removeprefix("User:"))
        if not agent:
            self._others.discard(acl)
            return
        agents = self._agents[namespace]
        agents[agent].discard(acl)
        if not agents[agent]:
            del agents[agent]
            if (known := self._strange.get(namespace)) is not None:
                known.agents.discard(agent)
        if not agents:
            del self._agents[namespace]
            self._strange.pop(namespace, None)

    def besides(self, passed: LivingAgents | None) -> Iterator[Acl]:
        """Yield all but those of agents that are passed over."""
        yield from self._others
        for namespace, agents in self._agents.items():
            if passed is None or namespace != passed.namespace:
                for own in agents.values():
                    yield from own
                continue
            for agent in self._strange_to(passed.living, namespace) - {passed.own}:
                yield from agents[agent]

    def _strange_to(self, living: AbstractSet[str], namespace: str) -> set[str]:
        """Return the namespace's agents here that are none of these. To ask again with the same set costs nothing."""
        known = self._strange.get(namespace)
        if known is not None and known.living is living:
            return known.agents
        found = set(self._agents[namespace]).difference(living)
        # Another kind of set may be the same one with other names in it.
        if isinstance(living, frozenset) and len(self._agents[namespace]) >= _MANY:
            self._strange[namespace] = _Strange(living, found)
        return found


class _Named:
    """ACLs of one kind of pattern, by the name that they have, and the names in order."""

    def __init__(self) -> None:
        self._by_name = dict[str, _Holders]()
        self._names: list[str] = []

    def add(self, acl: Acl) -> None:
        if acl.resource_name not in self._by_name:
            self._by_name[acl.resource_name] = _Holders()
            insort(self._names, acl.resource_name)
        self._by_name[acl.resource_name].add(acl)

    def discard(self, acl: Acl) -> None:
        found = self._by_name[acl.resource_name]
        found.discard(acl)
        if not found:
            del self._by_name[acl.resource_name]
            del self._names[bisect_left(self._names, acl.resource_name)]

    def of(self, name: str, passed: LivingAgents | None = None) -> Iterable[Acl]:
        found = self._by_name.get(name)
        return () if found is None else found.besides(passed)

    def among(self, prefix: str) -> Iterator[Acl]:
        """Yield those whose name begins so."""
        for name in islice(self._names, bisect_left(self._names, prefix), None):
            if not name.startswith(prefix):
                break
            yield from self._by_name[name].besides(None)


class _Names:
    """ACLs by the names that they cover."""

    def __init__(self) -> None:
        self._literal, self._prefixed = _Named(), _Named()

    def of(self, acl: Acl) -> _Named:
        """Return where an ACL of this pattern belongs."""
        return self._prefixed if acl.pattern_type == "PREFIXED" else self._literal

    def over(self, name: str, passed: LivingAgents | None = None) -> Iterator[Acl]:
        """Yield those that cover a name, but for those of agents that are passed over."""
        yield from self._literal.of(name, passed)
        yield from self._literal.of(_ANY, passed)
        for end in range(len(name) + 1):
            yield from self._prefixed.of(name[:end], passed)

    def among(self, prefix: str) -> Iterator[Acl]:
        """Yield those that cover some name that begins so."""
        yield from self._literal.of(_ANY)
        for end in range(len(prefix)):
            yield from self._prefixed.of(prefix[:end])
        yield from self._literal.among(prefix)
        yield from self._prefixed.among(prefix)


class AclIndex(AbstractSet["Acl"]):
    """A set of ACLs that can be asked. Its own changes are seen by all who hold it."""

    def __init__(self, acls: Iterable[Acl] = ()) -> None:
        self._all = set["Acl"]()
        self._by_principal = defaultdict[str, set["Acl"]](set)
        self._principals = defaultdict[str, Counter[str]](Counter)
        """By namespace and agent: how many of both its principals have ACLs."""
        self._writing, self._reading, self._joining, self._producing = _Names(), _Names(), _Names(), _Names()
        self._impersonating = _Names()
        self.rulers = set["Acl"]()
        """Those that let somebody write ACLs."""
        self.operators = set["Acl"]()
        """Those that let somebody set how brokers work, or act as one."""
        for acl in acls:
            self.add(acl)

    def add(self, acl: Acl) -> None:
        """Take in an ACL; one that is there stays."""
        if acl not in self._all:
            self._all.add(acl)
            own = self._by_principal[acl.principal]
            if not own:
                self._count(acl.principal, 1)
            own.add(acl)
            for place in self._places(acl):
                place.add(acl)

    def discard(self, acl: Acl) -> None:
        """Take out an ACL, if it is there."""
        if acl in self._all:
            self._all.remove(acl)
            self._by_principal[acl.principal].remove(acl)
            if not self._by_principal[acl.principal]:
                del self._by_principal[acl.principal]
                self._count(acl.principal, -1)
            for place in self._places(acl):
                place.discard(acl)

    def _count(self, principal: str, more: int) -> None:
        namespace, agent = _agent_of(principal.removeprefix("User:"))
        if agent:
            found = self._principals[namespace]
            found[agent] += more
            if not found[agent]:
                del found[agent]
            if not found:
                del self._principals[namespace]

    def agents(self, namespace: str) -> AbstractSet[str]:
        """Return the agents of a namespace, by the names of principals, that have any ACL, or whose gates have."""
        return self._principals[namespace].keys() if namespace in self._principals else frozenset()

    def _places(self, acl: Acl) -> Iterator[_Named | set[Acl]]:
        """Yield where an ACL is looked for: nowhere if it denies."""
        if acl.denied:
            return
        if acl.resource_type == "CLUSTER" and acl.operation in _RULING:
            yield self.rulers
        elif acl.resource_type == "CLUSTER" and acl.operation in _OPERATING:
            yield self.operators
        uses = (
            ("TOPIC", _WRITING, self._writing),
            ("TOPIC", _READING, self._reading),
            ("GROUP", _JOINING, self._joining),
            ("TRANSACTIONAL_ID", _PRODUCING, self._producing),
            ("USER", _IMPERSONATING, self._impersonating),
            ("UNKNOWN", _IMPERSONATING, self._impersonating),
        )
        for resource_type, operations, names in uses:
            if acl.resource_type == resource_type and acl.operation in operations:
                yield names.of(acl)

    @override
    def __contains__(self, acl: object) -> bool:
        return acl in self._all

    @override
    def __iter__(self) -> Iterator[Acl]:
        return iter(self._all)

    @override
    def __len__(self) -> int:
        return len(self._all)

    @classmethod
    @override
    def _from_iterable(cls, it: Iterable[Acl]) -> frozenset[Acl]:  # type: ignore[override]
        """What is made of it (a difference, say) is a plain set."""
        return frozenset(it)

    def differences(self, acls: frozenset[Acl]) -> tuple[frozenset[Acl], frozenset[Acl]]:
        """Return which ACLs these have and the index has not, and the other way round."""
        return acls - self._all, frozenset(self._all - acls)

    def of(self, principal: str) -> Iterable[Acl]:
        """Return the ACLs of a principal (``User:...``)."""
        return self._by_principal.get(principal, ())

    def writers(self, topic: str, passed: LivingAgents | None = None) -> Iterator[Acl]:
        """Yield those that let somebody change a topic, but for agents that are passed over."""
        return self._writing.over(topic, passed)

    def readers(self, topic: str) -> Iterator[Acl]:
        """Yield those that let somebody read a topic."""
        return self._reading.over(topic)

    def members(self, group: str) -> Iterator[Acl]:
        """Yield those that let somebody join a group, or change what it has committed."""
        return self._joining.over(group)

    def producers(self, prefix: str) -> Iterator[Acl]:
        """Yield those that let somebody use a transactional id that begins so."""
        return self._producing.among(prefix)

    def impersonators(self, principal: str) -> Iterator[Acl]:
        """Yield those that let somebody act as a principal (``User:...``)."""
        return self._impersonating.over(principal)


def indexed(acls: AbstractSet[Acl]) -> AclIndex:
    """Return the index of a set of ACLs: itself, or the same one for all who share a listing."""
    if isinstance(acls, AclIndex):
        return acls
    return _indexed(acls if isinstance(acls, frozenset) else frozenset(acls))


@lru_cache(maxsize=4)
def _indexed(acls: frozenset[Acl]) -> AclIndex:
    return AclIndex(acls)
