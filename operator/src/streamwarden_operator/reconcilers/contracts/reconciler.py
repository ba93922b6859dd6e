"""Keeps what a TopicContract promises: its topic, its schema, and the access of principals outside Streamwarden."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
from streamwarden_contract.models import Condition, TopicContract
from streamwarden_contract.models.agent_deployment import AgentDeployment
from streamwarden_contract.models.topic_contract import RefusedSource, TopicContractStatus
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.clock import utc_now
from streamwarden_operator.desired import status as conditions
from streamwarden_operator.desired.acceptance import ACCEPTED, Refusal, accept_contract, accepted, commands
from streamwarden_operator.desired.agents import SCHEMA_READY, is_taken
from streamwarden_operator.desired.checks.chain import Finding, decide, first_finding
from streamwarden_operator.desired.checks.contracts import (
    ACCESS_READY,
    DRIFT,
    DRIFT_DETECTED,
    EVENTS_REFUSED,
    NEW_SCHEMA,
    NO_DRIFT,
    REFUSING,
    TOPIC_READY,
    NewSchema,
    Part,
)
from streamwarden_operator.desired.claims import Claims
from streamwarden_operator.desired.management import (
    ORPHAN,
    Management,
    held_status,
    is_held,
    lets_go,
    management_of,
)
from streamwarden_operator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidSpecError,
    NotReadyError,
    OperatorError,
    UnavailableError,
)
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.plans.policy_rules import broken_by, broken_rules
from streamwarden_operator.plans.refused_events import refused_sources
from streamwarden_operator.ports import Acls, Cluster, GateAcks, SchemaRegistry, Topics, Unreadable
from streamwarden_operator.reconcilers.contracts.parts import AccessPart
from streamwarden_operator.reconcilers.contracts.schema_part import SchemaPart
from streamwarden_operator.reconcilers.contracts.topic_part import TopicPart
from streamwarden_operator.reconcilers.existence import claims_beside
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.result import DONE, GONE, Result

FINALIZER = "streamwarden.io/topic-contract"
_LETS_GO = f"The annotation {ORPHAN}: 'true' lets go and leaves everything outside as it is"

_log = structlog.get_logger(__name__)


class TopicContractReconciler:
    """Observes, plans and applies one contract at a time; what woke it does not matter."""

    def __init__(  # noqa: PLR0913  # each is a port or what one needs of it; half of them by name
        self,
        cluster: Cluster,
        topics: Topics,
        acls: Acls,
        registry: SchemaRegistry | None,
        *,
        logs: LogStore,
        inventory: Inventory,
        acks: GateAcks | None = None,
        changed: Callable[[Key], None] = lambda _: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            topics: Kafka's topics.
            acls: Kafka's ACLs.
            registry: the schema registry; None where there is none.
            logs: what is in force; the installation, whose names no contract may use.
            inventory: what this installation has made, and set.
            acks: what gates report of the topics' events; None: nothing.
            changed: called with a contract's key when its status says something new that agents wait for: whether it is
                accepted, its topic, and what became of its schema. Called in the middle of a reconcile too, before the
                registry is asked.
            clock: the time for conditions.
        """
        self._cluster = cluster
        self._topic = TopicPart(topics, inventory, self._tell)
        self._schema = SchemaPart(registry, inventory)
        self._acls = acls
        self._has_registry = registry is not None
        self._installation = logs.installation
        self._logs = logs
        self._acks = acks
        self._changed = changed
        self._clock = clock

    async def reconcile(self, key: Key) -> Result:
        """Bring everything outside to what the contract says, and write its status.

        Raises:
            UnavailableError: a backend did not answer. The status is written all the same, and says so; whoever
                called tries again later.
        """
        unreadable = self._cluster.unreadable().get(key)
        if unreadable is not None and unreadable.metadata.deletion_timestamp is not None:
            await self._delete_unreadable(unreadable)
            return DONE
        contract = self._cluster.get(TopicContract, key.namespace, key.name)
        if contract is None:
            return GONE
        status = await self._reconcile(contract)
        return Result(status_changed=status != contract.status)

    async def _reconcile(self, contract: TopicContract) -> TopicContractStatus:
        if contract.metadata.deletion_timestamp is not None:
            return await self._delete(contract)
        if is_held(contract.metadata):
            plan = await self._preview(contract)
            status = held_status(contract.metadata, contract.status, now=self._clock(), plan=plan)
            await self._write(contract, status)
            return status
        refusals = accept_contract(
            contract,
            self._cluster.list(TopicContract),
            self._cluster.list(AgentDeployment, contract.metadata.namespace),
            self._installation.installation,
            self._claims(contract),
        )
        if refusals:
            return await self._refuse(contract, refusals)
        try:
            self._logs.demand_claim(contract.metadata.namespace)
        except NotReadyError as error:
            return await self._wait(contract, error)
        return await self._keep(contract)

    async def _preview(self, contract: TopicContract) -> str:
        """Say what becomes of the topic of a contract that is paused; one that is not managed is not looked at."""
        if management_of(contract.metadata) is not Management.PAUSED:
            return ""
        try:
            return await self._topic.preview(contract)
        except (UnavailableError, InvalidSpecError) as error:
            return str(error) if isinstance(error, InvalidSpecError) else ""

    async def _keep(self, contract: TopicContract) -> TopicContractStatus:
        """Bring the three parts about. The registry comes last: nobody waits for it who need not."""
        needs_undoing = _needs_undoing(contract)
        if needs_undoing:
            try:
                await self._cluster.set_finalizer(contract, FINALIZER, present=True)
            except ForbiddenError as error:
                await self._wait(contract, error)
                raise
        topic, topic_id = await self._topic.reconcile(contract)
        access, given = await self._access_part(contract).reconcile(
            contract, lambda record: self._record(contract, record)
        )
        found = contract.status.model_copy(update={"topic_id": topic_id, "access": given})

        schema_before = _carried(contract, SCHEMA_READY)
        first = self._status(contract, found, [topic, schema_before, access])
        if _news(first) != _news(contract.status):
            await self._write(contract, first)
        schema, registered = await self._schema.reconcile(contract, self._withheld(contract))
        parts = [topic, schema, access]
        status = self._status(contract, found.model_copy(update={"registered_schema": registered}), parts)
        await self._report(contract, DRIFT_DETECTED, "True", status)
        await self._report(contract, SCHEMA_READY, "False", status)
        await self._write(contract, status)
        await self._report_refused(contract, status)
        await self._note_registered(contract, schema)
        if not needs_undoing and not given:
            await self._cluster.set_finalizer(contract, FINALIZER, present=False)
        for part in parts:
            if part.outage is not None:
                raise part.outage
        return status

    async def _note_registered(self, contract: TopicContract, schema: Part) -> None:
        """Remember what agents that are new begin with while the contract's schema is not taken."""
        place = contract.metadata.namespace, contract.spec.topic_name
        if schema.condition.status != "False":
            self._logs.registered.pop(place, None)
            return
        with suppress(OperatorError):  # whatever the registry lacks is in the status
            before, text = self._logs.registered.get(place), await self._schema.registered_before(contract)
            if text is not None and text != before:
                self._logs.registered[place] = text
                self._changed(key_of(contract))

    def _withheld(self, contract: TopicContract) -> Finding | None:
        """Find why the contract's schema must not be registered now: what is in force would not go on with it."""
        namespace, spec = contract.metadata.namespace, contract.spec
        log = self._logs.published.get(namespace)
        text = spec.value_schema.definition if spec.value_schema is not None else None
        schema = NewSchema(
            taken=is_taken(contract, has_registry=self._has_registry),
            log_read=log is not None,
            commanded=self._is_commanded(contract),
            broken=broken_rules(broken_by(spec.topic_name, text, log.state)) if log is not None else "",
        )
        return first_finding(NEW_SCHEMA, schema)

    def _is_commanded(self, contract: TopicContract) -> bool:
        """Tell whether agents' commands may go to the topic."""
        agents = self._cluster.list(AgentDeployment, contract.metadata.namespace)
        return any(commands(agent, contract) for agent in agents) or bool(self._claims(contract).commanding)

    def _claims(self, contract: TopicContract) -> Claims:
        return claims_beside(contract, self._cluster, self._logs)

    async def _refuse(self, contract: TopicContract, refusals: list[Refusal]) -> TopicContractStatus:
        """Say what is wrong. What exists stays as it is, and agents that refer to the contract wait."""
        waiting = [
            conditions.pending(kind, "the contract is not accepted")
            for kind in (TOPIC_READY, SCHEMA_READY, ACCESS_READY)
        ]
        drift = conditions.pending(DRIFT_DETECTED, "nothing is compared")
        status = self._stamped(contract, contract.status, [accepted(refusals), *waiting, drift])
        await self._report(contract, ACCEPTED, "False", status)
        await self._write(contract, status)
        return status

    async def _wait(self, contract: TopicContract, error: OperatorError) -> TopicContractStatus:
        """Say why nothing is done: the namespace is not known to be this installation's, or a right lacks."""
        waiting = [conditions.failed(kind, error) for kind in (TOPIC_READY, SCHEMA_READY, ACCESS_READY)]
        drift = conditions.pending(DRIFT_DETECTED, "nothing is compared")
        status = self._stamped(contract, contract.status, [accepted([]), *waiting, drift])
        if error.reason in {ConditionReason.NAMESPACE_TAKEN, ConditionReason.FORBIDDEN}:
            await self._report(contract, TOPIC_READY, waiting[0].status, status)
        await self._write(contract, status)
        return status

    async def _delete(self, contract: TopicContract) -> TopicContractStatus:
        """Undo what must be undone outside, then let the resource go."""
        if FINALIZER not in contract.metadata.finalizers:
            return contract.status
        namespace = contract.metadata.namespace
        is_ours, is_taken = namespace in self._logs.claimed, namespace in self._logs.taken
        lets_go_now = lets_go(contract.metadata) or is_taken
        if not is_ours and not lets_go_now:
            return contract.status  # woken once it is known whose the namespace is
        try:
            if not lets_go_now:
                await self._undo(contract)
            await self._cluster.set_finalizer(contract, FINALIZER, present=False)
        except ConflictError:
            raise  # somebody wrote it meanwhile: tried again at once
        except OperatorError as error:
            message = f"{error}. {_LETS_GO}"
            ready = conditions.condition("Ready", "False", ConditionReason.DELETION_BLOCKED, message)
            blocked = conditions.set_condition(
                contract.status.conditions, ready, generation=contract.metadata.generation, now=self._clock()
            )
            status = contract.status.model_copy(update={"conditions": blocked})
            await self._report(contract, "Ready", "False", status)
            await self._write(contract, status)
            raise
        return contract.status

    async def _delete_unreadable(self, contract: Unreadable) -> None:
        """Let go of a contract only where that is asked for: what it gave to whom is in what cannot be read."""
        if FINALIZER not in contract.metadata.finalizers:
            return
        if lets_go(contract.metadata):
            await self._cluster.set_finalizer(contract, FINALIZER, present=False)
            return
        message = f"not understood by this version of the operator: {contract.problem}. {_LETS_GO}"
        reason = ConditionReason.DELETION_BLOCKED
        await self._cluster.record_event(contract.key, reason=reason, message=message, warning=True)

    async def _undo(self, contract: TopicContract) -> None:
        await self._access_part(contract).revoke(contract)
        spec = contract.spec
        claimed = {other.spec.topic_name for other in self._others(contract)}
        claimed |= {claim.topic for claim in self._claims(contract).topics}
        if spec.deletion_policy == "Delete" and spec.topic_name not in claimed:
            await self._schema.delete(contract)
            await self._topic.delete(contract)

    def _access_part(self, contract: TopicContract) -> AccessPart:
        return AccessPart(
            self._acls, self._others(contract), self._installation, given_elsewhere=self._claims(contract).access
        )

    def _others(self, contract: TopicContract) -> list[TopicContract]:
        """Return the contracts beside this one that stay."""
        own = (contract.metadata.namespace, contract.metadata.name)
        return [
            other
            for other in self._cluster.list(TopicContract)
            if (other.metadata.namespace, other.metadata.name) != own and other.metadata.deletion_timestamp is None
        ]

    def _status(self, contract: TopicContract, found: TopicContractStatus, parts: list[Part]) -> TopicContractStatus:
        drift = decide(DRIFT_DETECTED, DRIFT, parts, otherwise=NO_DRIFT)
        return self._stamped(contract, found, [accepted([]), *(part.condition for part in parts), drift])

    def _stamped(
        self, contract: TopicContract, found: TopicContractStatus, new: list[Condition]
    ) -> TopicContractStatus:
        generation = contract.metadata.generation
        ready = conditions.summarize(part for part in new if part.type != DRIFT_DETECTED)
        refused = self._refused(contract)
        besides = [decide(EVENTS_REFUSED, REFUSING, refused)] if refused else []
        stamped = conditions.build_conditions(
            contract.status.conditions, [*new, *besides, ready], generation=generation, now=self._clock()
        )
        news = {"observed_generation": generation, "conditions": stamped, "refused_events": refused}
        return found.model_copy(update=news)

    def _refused(self, contract: TopicContract) -> tuple[RefusedSource, ...]:
        """Return whose events agents refuse; what was known before the log is read stays."""
        namespace, known = contract.metadata.namespace, contract.status.refused_events
        log = self._logs.published.get(namespace)
        if log is None or self._acks is None:
            return known
        return refused_sources(log.state, self._acks.of_namespace(namespace), contract.spec.topic_name, known)

    async def _report_refused(self, contract: TopicContract, status: TopicContractStatus) -> None:
        """Make an Event of each producer whose events begin to be refused: nobody looks at a condition that holds."""
        known = {found.source for found in contract.status.refused_events}
        for found in status.refused_events:
            if found.source not in known:
                said = decide(EVENTS_REFUSED, REFUSING, [found])
                await self._cluster.record_event(
                    key_of(contract), reason=said.reason, message=said.message, warning=True
                )

    async def _record(self, contract: TopicContract, access: tuple[str, ...]) -> None:
        await self._write(contract, contract.status.model_copy(update={"access": access}))

    async def _write(self, contract: TopicContract, status: TopicContractStatus) -> None:
        stored = self._cluster.get(TopicContract, contract.metadata.namespace, contract.metadata.name)
        if stored is None or stored.metadata.uid != contract.metadata.uid:
            stored = contract  # another resource of this name has another status
        if status != stored.status:
            await self._cluster.write_status(stored, status)
        new_schema = _schema_news(status) != _schema_news(stored.status) and (
            status.observed_generation > 1 or self._is_commanded(contract)
        )
        if _news(status) != _news(stored.status) or new_schema:
            self._changed(key_of(contract))

    async def _tell(self, contract: TopicContract, reason: str, message: str, warning: bool) -> None:  # noqa: FBT001  # a callback
        _log.info("contract does something that people should know", key=str(key_of(contract)), detail=message)
        await self._cluster.record_event(key_of(contract), reason=reason, message=message, warning=warning)

    async def _report(self, contract: TopicContract, kind: str, when: str, status: TopicContractStatus) -> None:
        """Make an Event of a condition that begins to have this status, or has it for a new cause."""
        now = conditions.find_condition(status.conditions, kind)
        before = conditions.find_condition(contract.status.conditions, kind)
        if now is None or now.status != when:
            return
        if before is None or (before.status, before.message) != (now.status, now.message):
            _log.warning("contract needs attention", key=str(key_of(contract)), reason=now.reason, detail=now.message)
            await self._cluster.record_event(key_of(contract), reason=now.reason, message=now.message, warning=True)


def _needs_undoing(contract: TopicContract) -> bool:
    access = contract.spec.access
    return contract.spec.deletion_policy == "Delete" or bool(access.producers or access.consumers)


def _carried(contract: TopicContract, kind: str) -> Part:
    """Return what is known of a part before it is observed again; of an edited contract nothing is."""
    before = conditions.find_condition(contract.status.conditions, kind)
    if before is None or contract.status.observed_generation != contract.metadata.generation:
        return Part(conditions.pending(kind, "not looked at yet"))
    return Part(before)


def _news(status: TopicContractStatus) -> tuple[object, ...]:
    """Return what agents wait for in a contract's status."""
    accepted = conditions.is_true(status.conditions, ACCEPTED)
    return accepted, conditions.is_true(status.conditions, TOPIC_READY), status.topic_id


def _schema_news(status: TopicContractStatus) -> tuple[object, ...]:
    """Return what the agents that command the topic wait for: until it is told, gates judge by the schema before."""
    found = conditions.find_condition(status.conditions, SCHEMA_READY)
    if found is None or found.reason == ConditionReason.PENDING:
        return ()
    why = found.message if found.status == "False" else ""
    return status.observed_generation, found.status, found.reason, why
