"""The topics that agents share: made once, kept as safe as the settings say, and never made again in silence."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.reasons import ConditionReason, EventReason

from streamwarden_operator.clock import Reminders
from streamwarden_operator.desired.names import ACCEPT_LOSS_ANNOTATION, annotated_ids
from streamwarden_operator.desired.topics import Durability
from streamwarden_operator.errors import InvalidSpecError, KafkaUnavailableError, UnavailableError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.shared_topics import describe_loss, lost_topics
from streamwarden_operator.plans.topics import plan_topic
from streamwarden_operator.ports import Cluster, Topic, Topics
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.policies.log_store import LogStore

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SharedTopics:
    """Those of one namespace at a time; of ``streamwarden`` those of the installation."""

    cluster: Cluster
    topics: Topics
    inventory: Inventory
    logs: LogStore
    durability: Durability
    operator_namespace: str
    """Where people speak to the installation."""
    changed: Callable[[str], None]
    """Called with a namespace of whose topics something else is to be said from now on."""
    reminders: Reminders = field(default_factory=Reminders)

    async def keep(self, namespace: str, wanted: Collection[Topic]) -> bool:
        """Make and mend them, and tell whether none is lost.

        Raises:
            UnavailableError: Kafka does not answer.
            InvalidSpecError: Kafka refuses one, as where there are fewer brokers than replicas.
        """
        observed = await self.topics.observe([topic.name for topic in wanted])
        lost = lost_topics(self.inventory.topics_of(namespace), observed, {topic.name for topic in wanted})
        accepted = await self._accepted(namespace) if lost else frozenset()
        given_up = {name: topic_id for name, topic_id in lost.items() if topic_id in accepted}
        lost = {name: topic_id for name, topic_id in lost.items() if name not in given_up}
        loss = describe_loss(lost, self._where(namespace), accepted - frozenset(given_up.values()))
        if loss:
            await self._say(namespace, self.logs.lost_topics, ConditionReason.SHARED_TOPIC_LOST, loss)
        kept = [topic for topic in wanted if topic.name not in lost]
        await self._apply(kept, observed)
        names = [topic.name for topic in kept]
        made = await self.topics.observe(names) if any(name not in observed for name in names) else observed
        late = sorted(set(names) - made.keys())
        if late:  # asked of a broker that has just come back
            raise KafkaUnavailableError(f"made, and not shown yet: {', '.join(late)}")
        await self.inventory.note_topics(namespace, {name: made[name].topic_id for name in names}, given_up.values())
        await self._say(
            namespace, self.logs.lost_topics, ConditionReason.SHARED_TOPIC_LOST, loss
        )  # that it is over, once it is
        weak = "; ".join(filter(None, (self.durability.shortfall(made[name]) for name in sorted(names))))
        await self._say(namespace, self.logs.weak_topics, ConditionReason.TOO_FEW_REPLICAS, weak)
        return not lost

    async def refused(self, namespace: str, error: InvalidSpecError) -> None:
        """Say that Kafka refuses one, as where there are fewer brokers than replicas are asked for."""
        await self._say(
            namespace,
            self.logs.weak_topics,
            ConditionReason.TOO_FEW_REPLICAS,
            f"a shared topic cannot be made: {error}",
        )

    async def failed(self, namespace: str, error: UnavailableError) -> None:
        """Tell people of a right that the operator lacks, once and again while it lasts: no resource says all of it."""
        about = f"{namespace} {ConditionReason.KAFKA_AUTHORIZATION_FAILED}"
        is_forbidden = error.reason is ConditionReason.KAFKA_AUTHORIZATION_FAILED
        if is_forbidden and self.reminders.due(about, str(error)):
            await self._warn(namespace, error.reason, str(error))

    def works(self, namespace: str) -> None:
        """Let the next right that lacks be news."""
        self.reminders.over(f"{namespace} {ConditionReason.KAFKA_AUTHORIZATION_FAILED}")

    async def say_taken_over(self) -> None:
        """Tell people, once, that the installation of another cluster goes on in this one."""
        before, self.inventory.taken_over = self.inventory.taken_over, ""
        if before:
            message = f"the installation of the cluster {before} goes on in this one, as people have asked"
            _log.warning("installation taken over", cluster=before)
            where = Key("Namespace", self._where(SYSTEM))
            await self.cluster.record_event(
                where, reason=EventReason.INSTALLATION_TAKEN_OVER, message=message, warning=False
            )

    async def _apply(self, kept: Collection[Topic], observed: Mapping[str, Topic]) -> None:
        wanted = [self.durability.of(topic, observed.get(topic.name)) for topic in kept]
        plans = {topic.name: plan_topic(topic, observed.get(topic.name), keyed=True) for topic in wanted}
        changes = {name: plan for name, plan in plans.items() if plan}
        for name, plan in changes.items():
            _log.info("shared topic changed", topic=name, created=plan.create is not None)
        # Side by side: each waits until the brokers know of its topic.
        await asyncio.gather(*(self.topics.apply(name, plan) for name, plan in changes.items()))

    async def _accepted(self, namespace: str) -> frozenset[str]:
        return annotated_ids(await self.cluster.namespace_annotations(self._where(namespace)), ACCEPT_LOSS_ANNOTATION)

    def _where(self, namespace: str) -> str:
        return self.operator_namespace if namespace == SYSTEM else namespace

    async def _say(self, namespace: str, said: dict[str, str], reason: str, message: str) -> None:
        """Note what is wrong for the agents' conditions, and tell people: once, and again while it lasts."""
        about, before = f"{namespace} {reason}", said.get(namespace, "")
        if message:
            said[namespace] = message
        elif before:
            del said[namespace]
            self.reminders.over(about)
        if message and self.reminders.due(about, message):
            _log.error("shared topics need attention", namespace=namespace, reason=reason, detail=message)
            await self._warn(namespace, reason, message)
        if message != before:
            self.changed(namespace)

    async def _warn(self, namespace: str, reason: str, message: str) -> None:
        where = Key("Namespace", self._where(namespace))
        await self.cluster.record_event(where, reason=reason, message=message, warning=True)
