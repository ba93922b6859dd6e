"""The three things a contract becomes: a topic, a schema, and ACLs for those outside. Each stands on its own.

An outage of one backend must not hold back what another one keeps: a part never raises, it reports.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from streamwarden_contract.models import TopicContract
from streamwarden_contract.models.topic_contract import RegisteredSchema
from streamwarden_contract.names import InstallationNames
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.acls import access_acls, format_acl, parse_acl
from streamwarden_operator.desired.checks.contracts import ACCESS_READY, SCHEMA_READY, TOPIC_READY, Part
from streamwarden_operator.desired.schemas import build_schema
from streamwarden_operator.desired.status import condition, failed, is_true, true
from streamwarden_operator.desired.topics import build_contract_topic
from streamwarden_operator.errors import OperatorError, UnavailableError, UnsupportedChangeError
from streamwarden_operator.plans import schemas as schema_plans
from streamwarden_operator.plans import topics as topic_plans
from streamwarden_operator.plans.acls import plan_acls
from streamwarden_operator.ports import Acl, Acls, SchemaRegistry, SubjectSchema, Topic, Topics

Record = Callable[[tuple[str, ...]], Awaitable[None]]
"""Writes ``status.access``."""


def _broken(kind: str, error: OperatorError) -> Part:
    # What cannot be changed cannot be put back either: the topic differs from its contract until somebody edits one.
    drift = str(error) if isinstance(error, UnsupportedChangeError) else ""
    return Part(failed(kind, error), drift, error if isinstance(error, UnavailableError) else None)


def _settled(contract: TopicContract, kind: str) -> bool:
    """Tell whether this very spec was in force already: then whatever differs now was changed by somebody else."""
    status = contract.status
    return status.observed_generation == contract.metadata.generation and is_true(status.conditions, kind)


async def reconcile_topic(topics: Topics, contract: TopicContract) -> tuple[Part, str]:
    """Make the topic match, and return what became of it, with its id."""
    desired, known_id = build_contract_topic(contract), contract.status.topic_id
    try:
        observed = (await topics.observe([desired.name])).get(desired.name)
        plan = topic_plans.plan_topic(desired, observed, keyed=contract.spec.key == "Entity")
        made = observed
        if plan:
            await topics.apply(desired.name, plan)
            made = (await topics.observe([desired.name])).get(desired.name)
    except OperatorError as error:
        return _broken(TOPIC_READY, error), known_id
    drift = []
    if _settled(contract, TOPIC_READY) and plan:
        drift.append(f"put back: {topic_plans.describe_plan(plan)}")
    if made is not None and known_id not in {"", made.topic_id}:
        drift.append(
            f"the topic was deleted and made again (id {known_id}, now {made.topic_id}): its records are lost, and "
            "offsets that consumers committed speak of the old one"
        )
    return Part(true(TOPIC_READY, _describe(made)), "; ".join(drift)), made.topic_id if made else known_id


async def reconcile_schema(
    registry: SchemaRegistry | None, contract: TopicContract
) -> tuple[Part, RegisteredSchema | None]:
    """Register the schema, and return what became of it, as the registry knows it."""
    desired, known = build_schema(contract), contract.status.registered_schema
    if desired is None:
        return Part(true(SCHEMA_READY, "the contract has no schema")), None
    if registry is None:
        message = "no schema registry is configured: gates judge by the schema, nobody checks its compatibility"
        return Part(condition(SCHEMA_READY, "Unknown", ConditionReason.REGISTRY_UNAVAILABLE, message)), known
    try:
        found = await registry.observe(desired.subject)
        plan = schema_plans.plan_schema(desired, found)
        if plan.set_compatibility is not None:
            await registry.set_compatibility(desired.subject, plan.set_compatibility)
        if plan.register is not None or found is None:
            found = await registry.register(desired.subject, desired.definition)
    except OperatorError as error:
        return _broken(SCHEMA_READY, error), known
    drift = f"put back: {schema_plans.describe_plan(plan)}" if plan and _settled(contract, SCHEMA_READY) else ""
    return Part(true(SCHEMA_READY), drift), _registered(found)


@dataclass(frozen=True, slots=True)
class AccessPart:
    """The ACLs of ``spec.access``: exactly those recorded in ``status.access`` are ever taken back."""

    acls: Acls
    others: Collection[TopicContract]
    """Contracts beside this one that are not being deleted: some ACLs of an outside principal serve several."""
    installation: InstallationNames

    async def reconcile(self, contract: TopicContract, record: Record) -> tuple[Part, tuple[str, ...]]:
        """Make the ACLs match, and return what became of them, and what is now recorded.

        What will be given is recorded before it is given: a crash in between must not leave an ACL that nobody
        takes back.
        """
        desired = self._access_of(contract)
        recorded = recorded_acls(contract)
        if not desired and not recorded:
            return Part(true(ACCESS_READY, "nobody outside Streamwarden has access")), ()
        either = _record_of(desired | recorded)
        try:
            plan = plan_acls(desired, await self.acls.observe(), self._ours(recorded - desired))
            if plan.add and set(either) != set(contract.status.access):
                await record(either)
            if plan:
                await self.acls.apply(plan)
        except OperatorError as error:
            return _broken(ACCESS_READY, error), either
        drift = ""
        if plan.add and _settled(contract, ACCESS_READY):
            drift = f"put back: {', '.join(format_acl(acl) for acl in sorted(plan.add))}"
        return Part(true(ACCESS_READY), drift), _record_of(desired)

    async def revoke(self, contract: TopicContract) -> None:
        """Take back everything that is recorded and that no other contract gives."""
        recorded = recorded_acls(contract)
        if not recorded:
            return
        plan = plan_acls(frozenset(), await self.acls.observe(), self._ours(recorded))
        if plan:
            await self.acls.apply(plan)

    def _access_of(self, contract: TopicContract) -> frozenset[Acl]:
        return access_acls(self.installation, contract.spec.topic_name, contract.spec.access)

    def _ours(self, leaving: frozenset[Acl]) -> frozenset[Acl]:
        """Return those that no other contract gives."""
        if not leaving:
            return leaving
        wanted = {acl for other in self.others for acl in self._access_of(other)}
        return leaving - wanted


def recorded_acls(contract: TopicContract) -> frozenset[Acl]:
    """Return the ACLs that were made for this contract."""
    return frozenset(acl for acl in map(parse_acl, contract.status.access) if acl is not None)


def _record_of(acls: Collection[Acl]) -> tuple[str, ...]:
    return tuple(sorted(format_acl(acl) for acl in acls))


def _registered(found: SubjectSchema) -> RegisteredSchema:
    return RegisteredSchema(id=found.schema_id, version=found.version, subject=found.subject)


def _describe(topic: Topic | None) -> str:
    return "" if topic is None else f"{topic.partitions} partitions, {topic.replication_factor} replicas"
