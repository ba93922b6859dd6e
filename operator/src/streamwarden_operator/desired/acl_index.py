"""Every ACL of the cluster, by what is asked of them. Made once for a listing, which all agents' reconciles share.

Each agent asks a few questions of all ACLs, of which each agent has some twenty: without it an edit that concerns
everybody costs as much as there are agents, squared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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

_ANY = "*"


class _Names:
    """ACLs by the names that they cover."""

    def __init__(self) -> None:
        self._literal = defaultdict[str, set["Acl"]](set)
        self._prefixed = defaultdict[str, set["Acl"]](set)

    def add(self, acl: Acl) -> None:
        by_name = self._prefixed if acl.pattern_type == "PREFIXED" else self._literal
        by_name[acl.resource_name].add(acl)

    def over(self, name: str) -> Iterator[Acl]:
        """Yield those that cover a name."""
        yield from self._literal.get(name, ())
        yield from self._literal.get(_ANY, ())
        for end in range(len(name) + 1):
            yield from self._prefixed.get(name[:end], ())

    def among(self, prefix: str) -> Iterator[Acl]:
        """Yield those that cover some name that begins so."""
        yield from self._literal.get(_ANY, ())
        for end in range(len(prefix)):
            yield from self._prefixed.get(prefix[:end], ())
        for by_name, names in self._sorted:
            for name in islice(names, bisect_left(names, prefix), None):
                if not name.startswith(prefix):
                    break
                yield from by_name[name]

    @cached_property
    def _sorted(self) -> list[tuple[dict[str, set[Acl]], list[str]]]:
        return [(by_name, sorted(by_name)) for by_name in (self._literal, self._prefixed)]


class AclIndex:
    """The ACLs of one listing."""

    def __init__(self, acls: Iterable[Acl]) -> None:
        by_principal = defaultdict[str, set["Acl"]](set)
        self._writing, self._reading, self._joining, self._producing = _Names(), _Names(), _Names(), _Names()
        self.rulers: list[Acl] = []
        """Those that let somebody write ACLs."""
        self.operators: list[Acl] = []
        """Those that let somebody set how brokers work, or act as one."""
        uses = (
            ("TOPIC", _WRITING, self._writing),
            ("TOPIC", _READING, self._reading),
            ("GROUP", _JOINING, self._joining),
            ("TRANSACTIONAL_ID", _PRODUCING, self._producing),
        )
        for acl in acls:
            by_principal[acl.principal].add(acl)
            if acl.denied:
                continue
            if acl.resource_type == "CLUSTER" and acl.operation in _RULING:
                self.rulers.append(acl)
            elif acl.resource_type == "CLUSTER" and acl.operation in _OPERATING:
                self.operators.append(acl)
            for resource_type, operations, names in uses:
                if acl.resource_type == resource_type and acl.operation in operations:
                    names.add(acl)
        self._by_principal = dict(by_principal)

    def of(self, principal: str) -> Iterable[Acl]:
        """Return the ACLs of a principal (``User:...``)."""
        return self._by_principal.get(principal, ())

    def writers(self, topic: str) -> Iterator[Acl]:
        """Yield those that let somebody change a topic."""
        return self._writing.over(topic)

    def readers(self, topic: str) -> Iterator[Acl]:
        """Yield those that let somebody read a topic."""
        return self._reading.over(topic)

    def members(self, group: str) -> Iterator[Acl]:
        """Yield those that let somebody join a group, or change what it has committed."""
        return self._joining.over(group)

    def producers(self, prefix: str) -> Iterator[Acl]:
        """Yield those that let somebody use a transactional id that begins so."""
        return self._producing.among(prefix)


@lru_cache(maxsize=4)
def indexed(acls: frozenset[Acl]) -> AclIndex:
    """Return the index of a listing: the same one for all who share it."""
    return AclIndex(acls)
