"""Kafka's ACLs in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.fakes import FakeKafka

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamwarden_operator.ports import Acl, AclPlan


class FakeAcls(FakeKafka):
    """ACLs."""

    def __init__(self, existing: Iterable[Acl] = ()) -> None:
        super().__init__()
        self.acls = set(existing)
        self.told: frozenset[Acl] | None = None
        """As of when somebody observed them, or looked again, and with what was applied since."""

    async def observe(self, *, lately: bool = False) -> frozenset[Acl]:
        self._answer()
        del lately
        if self.told is None:
            self.told = frozenset(self.acls)
        return frozenset(self.acls)

    async def look_again(self) -> frozenset[Acl]:
        if self.told is None:
            return frozenset()
        self._answer()
        before, self.told = self.told, frozenset(self.acls)
        return before ^ self.told

    async def apply(self, plan: AclPlan) -> None:
        self._answer()
        if plan:
            self.writes.append(("apply", plan))
        self.acls -= plan.remove
        self.acls |= plan.add
        if self.told is not None:
            self.told = (self.told - plan.remove) | plan.add
