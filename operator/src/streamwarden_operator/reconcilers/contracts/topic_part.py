"""A contract's topic: made, or taken over, and kept; what others set on it stays as it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from streamwarden_contract.inventory import Stage, TopicItem
from streamwarden_contract.models import TopicContract
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.checks.contracts import (
    TOPIC,
    TOPIC_READY,
    Part,
    TopicState,
    is_settled,
    judge_part,
)
from streamwarden_operator.desired.topics import build_contract_topic
from streamwarden_operator.errors import CannotGoOnError, OperatorError
from streamwarden_operator.plans.adoption import Hold, describe_adoption, hold_of, is_held, topic_item
from streamwarden_operator.plans.topics import describe_plan, plan_topic
from streamwarden_operator.ports import Topic, TopicPlan, Topics
from streamwarden_operator.reconcilers.inventory import Inventory

Tell = Callable[[TopicContract, str, str, bool], Awaitable[None]]
"""Makes an Event of a contract: reason, message, and whether it is a warning."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is to be done to a topic, and what it was before."""

    desired: Topic
    observed: Topic | None
    hold: Hold
    plan: TopicPlan

    @property
    def summary(self) -> str:
        """What the plan changes."""
        if self.observed is not None and self.hold.is_new:
            return describe_adoption(self.plan, self.desired, self.observed)
        return describe_plan(self.plan)


@dataclass(frozen=True, slots=True)
class TopicPart:
    """Never raises, it reports: an outage of Kafka must not hold back what the registry keeps."""

    topics: Topics
    inventory: Inventory
    tell: Tell

    async def reconcile(self, contract: TopicContract) -> tuple[Part, str]:
        """Make the topic match, and return what became of it, with its id."""
        known_id, settled = contract.status.topic_id, is_settled(contract, TOPIC_READY)
        try:
            planned = await self._plan(contract)
            made, hold = await self._apply(contract, planned)
        except CannotGoOnError:
            raise  # whoever took over says what is to be said
        except OperatorError as error:
            return judge_part(TOPIC_READY, TOPIC, TopicState(settled=settled, error=error)), known_id
        changes = describe_plan(planned.plan)
        state = TopicState(settled=settled, changes=changes, topic=made, known_id=known_id, adopted=hold.adopted)
        return judge_part(TOPIC_READY, TOPIC, state), made.topic_id if made else known_id

    async def preview(self, contract: TopicContract) -> str:
        """Say what would be done now; empty where it is nothing.

        Raises:
            OperatorError: it cannot be told, or not be done.
        """
        planned = await self._plan(contract)
        adopts = "take the topic over, which is there already: " if planned.hold.is_new else ""
        return f"{adopts}{planned.summary}"

    async def delete(self, contract: TopicContract) -> None:
        """Delete the topic, if it is the one that this contract has promised."""
        await self.inventory.open()
        name = contract.spec.topic_name
        topic, item = (await self.topics.observe([name])).get(name), self.inventory.topic(name)
        if topic is not None and is_held(contract, item, build_contract_topic(contract), topic):
            await self.topics.delete(name)
        if item is not None and item.owner_uid == contract.metadata.uid:
            await self.inventory.forget([item])

    async def _plan(self, contract: TopicContract) -> _Planned:
        await self.inventory.open()
        desired = build_contract_topic(contract)
        observed = (await self.topics.observe([desired.name])).get(desired.name)
        hold = hold_of(contract, self.inventory.topic(desired.name), desired, observed)
        plan = plan_topic(desired, observed, keyed=contract.spec.key == "Entity", ours=hold.config)
        return _Planned(desired, observed, hold, plan)

    async def _apply(self, contract: TopicContract, planned: _Planned) -> tuple[Topic | None, Hold]:
        """Carry the plan out. What will be set is noted before it is set: a crash must not leave it for ever."""
        desired, observed, hold = planned.desired, planned.observed, planned.hold
        wanted = frozenset(desired.config)
        if observed is None:
            await self._note(topic_item(contract, hold, config=wanted, stage=Stage.INTENT, topic_id=""))
        elif hold.is_new:
            hold = replace(hold, adopted=planned.summary)
            await self._tell_adoption(contract, planned)
        if planned.plan and observed is not None:
            either = hold.config | wanted
            await self._note(topic_item(contract, hold, config=either, stage=Stage.MADE, topic_id=observed.topic_id))
        made = observed
        if planned.plan:
            await self.topics.apply(desired.name, planned.plan)
            made = (await self.topics.observe([desired.name])).get(desired.name)
        if made is not None:
            await self._note(topic_item(contract, hold, config=wanted, stage=Stage.MADE, topic_id=made.topic_id))
        return made, hold

    async def _tell_adoption(self, contract: TopicContract, planned: _Planned) -> None:
        message = f"the topic {planned.desired.name!r} was there before, and is taken over: {planned.summary}"
        await self.tell(contract, ConditionReason.ADOPTED, message, bool(planned.plan))

    async def _note(self, item: TopicItem) -> None:
        await self.inventory.note([item])
