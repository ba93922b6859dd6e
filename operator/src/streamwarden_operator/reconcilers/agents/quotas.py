"""The quotas of agents' users. Where the operator's settings speak of none, Kafka is not even asked."""

from collections.abc import Callable
from dataclasses import dataclass

from streamwarden_operator.plans.quotas import plan_quotas, plan_removal
from streamwarden_operator.ports import ClientQuotas, Quotas


@dataclass(frozen=True, slots=True)
class AgentQuotas:
    """Gives every agent the same, and takes it from those that are gone."""

    quotas: ClientQuotas
    wanted: Quotas
    """As the settings say; a quota that is not in it is left alone."""

    async def keep(self, user: str) -> None:
        """Bring the quotas of an agent's user to what is wanted."""
        if self.wanted:
            observed = await self.quotas.observe()
            plan = plan_quotas(self.wanted, observed.get(user, {}))
            if plan:
                await self.quotas.apply(user, plan)

    async def take(self, is_gone: Callable[[str], bool]) -> None:
        """Take them from every user that is gone; one without any is success."""
        if self.wanted:
            observed = await self.quotas.observe()
            plans = {user: plan_removal(self.wanted, own) for user, own in observed.items() if is_gone(user)}
            for user, plan in sorted(plans.items(), key=lambda each: each[0]):
                if plan:
                    await self.quotas.apply(user, plan)
