"""The port of client quotas in memory; it passes the same behaviour tests as the real adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_operator.errors import QuotaRefusedError
from support.fakes import FakeKafka
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_operator.ports import QuotaPlan, Quotas


class FakeClientQuotas(FakeKafka):
    """Quotas of users. ``refuses`` is what a broker says whose operator lacks the rights."""

    def __init__(self) -> None:
        super().__init__()
        self.quotas: dict[str, dict[str, float]] = {}
        self.asked = 0
        self.refuses = ""

    @override
    def _answer(self) -> None:
        super()._answer()
        self.asked += 1
        if self.refuses:
            raise QuotaRefusedError(self.refuses)

    async def observe(self) -> Mapping[str, Quotas]:
        self._answer()
        return {user: dict(own) for user, own in self.quotas.items() if own}

    async def apply(self, user: str, plan: QuotaPlan) -> None:
        self._answer()
        self.writes.append(("apply", user, plan))
        kept = {name: value for name, value in self.quotas.get(user, {}).items() if name not in plan.unset}
        self.quotas[user] = {**kept, **plan.set}
