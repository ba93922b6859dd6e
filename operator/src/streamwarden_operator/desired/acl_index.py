"""Every ACL of the cluster, by what is asked of them. Made once for a listing, which all agents' reconciles share.

Each agent asks a few questions of all ACLs, of which each agent has some twenty: without it an edit that concerns
everybody costs as much as there are agents, squared.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamwarden_operator.ports import Acl

_WRITING = frozenset({"WRITE", "ALL", "ALTER", "ALTER_CONFIGS", "CREATE", "DELETE"})
"""What changes a topic's records, or the rules by which it keeps them."""

_RULING = frozenset({"ALL", "ALTER"})
"""On the cluster: who has these writes ACLs, and so gives himself the rest."""

_ANY = "*"


class AclIndex:
    """The ACLs of one listing."""

    def __init__(self, acls: Iterable[Acl]) -> None:
        by_principal = defaultdict[str, set["Acl"]](set)
        writers = defaultdict[str, set["Acl"]](set)
        self._prefixed: list[Acl] = []
        self.rulers: list[Acl] = []
        """Those that let somebody write ACLs."""
        for acl in acls:
            by_principal[acl.principal].add(acl)
            if acl.denied:
                continue
            if acl.resource_type == "CLUSTER" and acl.operation in _RULING:
                self.rulers.append(acl)
            elif acl.resource_type == "TOPIC" and acl.operation in _WRITING:
                if acl.pattern_type == "PREFIXED":
                    self._prefixed.append(acl)
                else:
                    writers[acl.resource_name].add(acl)
        self._by_principal, self._writers = dict(by_principal), dict(writers)

    def of(self, principal: str) -> Iterable[Acl]:
        """Return the ACLs of a principal (``User:...``)."""
        return self._by_principal.get(principal, ())

    def writers(self, topic: str) -> Iterator[Acl]:
        """Yield those that let somebody change a topic."""
        yield from self._writers.get(topic, ())
        yield from self._writers.get(_ANY, ())
        yield from (acl for acl in self._prefixed if topic.startswith(acl.resource_name))


@lru_cache(maxsize=4)
def indexed(acls: frozenset[Acl]) -> AclIndex:
    """Return the index of a listing: the same one for all who share it."""
    return AclIndex(acls)
