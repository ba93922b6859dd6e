"""Carries out what people order of the inventory: looked for now and then, done once, answered beside the request."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import structlog
from streamwarden_contract.errors import InventoryError
from streamwarden_contract.inventory import Item, NamespaceItem, UserItem
from streamwarden_contract.inventory_requests import (
    LONGEST_AGE,
    Action,
    InventoryAnswer,
    InventoryRequest,
    Outcome,
    read_answer,
    read_request,
)
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.names import NamespaceNames
from streamwarden_contract.reasons import EventReason

from streamwarden_operator.clock import utc_now
from streamwarden_operator.errors import ForbiddenError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.inventory import Signers
from streamwarden_operator.plans.inventory_requests import Living, Observed, Step, namespaces_of, plan_request
from streamwarden_operator.ports import Cluster, InventoryRequests, Ordered, ScramUsers, Topics
from streamwarden_operator.reconcilers.existence import existing
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.result import Result

_log = structlog.get_logger(__name__)

LOOK_S = 10.0
"""Seconds between two looks: one small request, and a person waits for the answer."""
_FORBIDDEN = Result(requeue_after_s=300.0)
_TOLD = 20
"""Most things that one Event names: it takes 1,024 characters."""


class InventoryRequestReconciler:
    """One for the installation. What has an answer is not done again, and what is done again changes nothing."""

    def __init__(  # noqa: PLR0913  # each is a port, a value or a callback; all but four by name
        self,
        cluster: Cluster,
        requests: InventoryRequests,
        topics: Topics,
        users: ScramUsers,
        *,
        inventory: Inventory,
        logs: LogStore,
        covers: Callable[[str], bool],
        trusted: frozenset[str],
        wake: Callable[[Key], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            requests: where people order.
            topics: Kafka's topics.
            users: Kafka's users.
            inventory: what this installation has made.
            logs: knows whether all resources are known, and forgets namespaces that are released.
            covers: whether the operator watches a namespace.
            trusted: principals that are trusted, the operator's own among them.
            wake: called with the keys that an adoption concerns.
            clock: the time.
        """
        self._cluster = cluster
        self._requests = requests
        self._topics = topics
        self._users = users
        self._inventory = inventory
        self._logs = logs
        self._covers = covers
        self._trusted = trusted
        self._wake = wake
        self._clock = clock
        self._may_read = True

    async def reconcile(self, key: Key) -> Result:
        """Look for a request, and carry it out where it has no answer yet.

        Raises:
            UnavailableError: Kafka or the API server does not answer; the request is looked at again.
            CannotGoOnError: the inventory is not this installation's.
        """
        try:
            ordered = await self._requests.read()
        except ForbiddenError as error:
            if self._may_read:
                _log.warning("what people order of the inventory is not heard", error=str(error))
            self._may_read = False
            return _FORBIDDEN
        self._may_read = True
        if ordered is not None and ordered.request and self._logs.complete:
            await self._take(key, ordered)
        return Result(requeue_after_s=LOOK_S)

    async def _take(self, key: Key, ordered: Ordered) -> None:
        try:
            request = read_request(ordered.request)
        except InventoryError as error:
            answer = InventoryAnswer(id="", refused=f"the request cannot be read: {error}")
        else:
            if _is_answered(request, ordered):
                return
            answer = await self._carry_out(key, request)
        if (text := answer.model_dump_json()) != ordered.answer:
            await self._requests.answer(ordered, text)

    async def _carry_out(self, key: Key, request: InventoryRequest) -> InventoryAnswer:
        own = self._logs.installation.installation
        if request.installation != own:
            return _refused(request, f"this is the installation {own!r}, and not {request.installation!r}")
        if request.too_old(self._clock()):
            minutes = round(LONGEST_AGE.total_seconds() / 60)
            return _refused(request, f"it was ordered more than {minutes} minutes from now: order it again")
        await self._inventory.open()
        steps = plan_request(request, await self._observe(request))
        if not request.dry_run:
            await self._apply(steps)
            await self._tell(key, request, steps)
        return InventoryAnswer(id=request.id, items=tuple(step.answer for step in steps))

    async def _observe(self, request: InventoryRequest) -> Observed:
        items: Mapping[str, Item] = {item.key: item for item in self._inventory.items}
        namespaces = namespaces_of(request, items)
        adopts = request.action is Action.ADOPT
        return Observed(
            items=items,
            covers=self._covers,
            living={namespace: self._living(namespace) for namespace in namespaces},
            users=frozenset(await self._users.observe()) if adopts else frozenset(),
            signers=await self._signers(namespaces) if adopts else {},
            trusted=self._trusted,
        )

    def _living(self, namespace: str) -> Living:
        return Living(
            existing(self._cluster, AgentDeployment, namespace),
            frozenset(existing(self._cluster, TopicContract, namespace)),
            frozenset(existing(self._cluster, Policy, namespace)),
        )

    async def _signers(self, namespaces: Collection[str]) -> Mapping[str, Signers]:
        names = {namespace: NamespaceNames(namespace).policies for namespace in namespaces}
        found = await self._topics.observe(list(names.values()))
        return {namespace: await self._inventory.signers(topic) for namespace, topic in names.items() if topic in found}

    async def _apply(self, steps: tuple[Step, ...]) -> None:
        adopted = [step.write for step in steps if step.write is not None]
        released = [step.forget for step in steps if step.forget is not None]
        await self._inventory.note(adopted)
        await self._inventory.forget(released)
        for item in released:
            if isinstance(item, NamespaceItem):
                self._logs.let_go(item.namespace)
        for item in adopted:
            if isinstance(item, UserItem):
                self._wake(Key("AgentDeployment", item.namespace, item.agent))
            if isinstance(item, UserItem | NamespaceItem):
                self._wake(Key("Namespace", item.namespace))

    async def _tell(self, key: Key, request: InventoryRequest, steps: tuple[Step, ...]) -> None:
        done = [step.answer.item for step in steps if step.answer.outcome is Outcome.DONE]
        if not done:
            return
        _log.warning("inventory changed by request", action=request.action.value, request=request.id, items=done)
        more = f" and {len(done) - _TOLD} more" if len(done) > _TOLD else ""
        reason = EventReason.INVENTORY_ADOPTED if request.action is Action.ADOPT else EventReason.INVENTORY_RELEASED
        message = f"{', '.join(done[:_TOLD])}{more} (request {request.id})"
        await self._cluster.record_event(Key("Namespace", key.namespace), reason=reason, message=message, warning=False)


def _refused(request: InventoryRequest, why: str) -> InventoryAnswer:
    return InventoryAnswer(id=request.id, refused=why)


def _is_answered(request: InventoryRequest, ordered: Ordered) -> bool:
    try:
        return read_answer(ordered.answer).id == request.id
    except InventoryError:
        return False
