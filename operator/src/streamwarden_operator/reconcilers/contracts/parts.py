"""The three things a contract becomes: a topic, a schema, and ACLs for those outside. Each stands on its own.

An outage of one backend must not hold back what another one keeps: a part never raises, it reports.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from streamwarden_contract.models import TopicContract
from streamwarden_contract.models.topic_contract import RegisteredSchema
from streamwarden_contract.names import InstallationNames

from streamwarden_operator.desired.acls import access_acls, format_acl, recorded_acls
from streamwarden_operator.desired.agents import SCHEMA_READY
from streamwarden_operator.desired.checks.chain import Finding
from streamwarden_operator.desired.checks.contracts import (
    ACCESS,
    ACCESS_READY,
    SCHEMA,
    TOPIC,
    TOPIC_READY,
    AccessState,
    Part,
    SchemaState,
    TopicState,
    is_settled,
    judge_part,
)
from streamwarden_operator.desired.schemas import build_schema
from streamwarden_operator.desired.topics import build_contract_topic
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.plans import schemas as schema_plans
from streamwarden_operator.plans import topics as topic_plans
from streamwarden_operator.plans.acls import plan_acls
from streamwarden_operator.ports import Acl, Acls, SchemaRegistry, SubjectSchema, Topics

Record = Callable[[tuple[str, ...]], Awaitable[None]]
"""Writes ``status.access``."""


async def reconcile_topic(topics: Topics, contract: TopicContract) -> tuple[Part, str]:
    """Make the topic match, and return what became of it, with its id."""
    desired, known_id = build_contract_topic(contract), contract.status.topic_id
    settled = is_settled(contract, TOPIC_READY)
    try:
        observed = (await topics.observe([desired.name])).get(desired.name)
        plan = topic_plans.plan_topic(desired, observed, keyed=contract.spec.key == "Entity")
        made = observed
        if plan:
            await topics.apply(desired.name, plan)
            made = (await topics.observe([desired.name])).get(desired.name)
    except OperatorError as error:
        return judge_part(TOPIC_READY, TOPIC, TopicState(settled=settled, error=error)), known_id
    state = TopicState(settled=settled, changes=topic_plans.describe_plan(plan), topic=made, known_id=known_id)
    return judge_part(TOPIC_READY, TOPIC, state), made.topic_id if made else known_id


async def reconcile_schema(
    registry: SchemaRegistry | None, contract: TopicContract, withheld: Finding | None = None
) -> tuple[Part, RegisteredSchema | None]:
    """Register the schema, and return what became of it, as the registry knows it.

    Args:
        registry: the schema registry; None where there is none.
        contract: the contract.
        withheld: why its schema must not be registered now.
    """
    desired, known = build_schema(contract), contract.status.registered_schema
    settled = is_settled(contract, SCHEMA_READY)
    if withheld is not None:
        return judge_part(SCHEMA_READY, SCHEMA, SchemaState(settled=settled, withheld=withheld)), known
    if desired is None or registry is None:
        state = SchemaState(settled=settled, wanted=desired is not None, registry=registry is not None)
        return judge_part(SCHEMA_READY, SCHEMA, state), None if desired is None else known
    try:
        found = await registry.observe(desired.subject)
        plan = schema_plans.plan_schema(desired, found)
        if plan.set_compatibility is not None:
            await registry.set_compatibility(desired.subject, plan.set_compatibility)
        if plan.register is not None or found is None:
            found = await registry.register(desired.subject, desired.definition)
    except OperatorError as error:
        return judge_part(SCHEMA_READY, SCHEMA, SchemaState(settled=settled, error=error)), known
    state = SchemaState(settled=settled, changes=schema_plans.describe_plan(plan))
    return judge_part(SCHEMA_READY, SCHEMA, state), _registered(found)


async def registered_before(registry: SchemaRegistry | None, contract: TopicContract) -> str | None:
    """Return the text of the schema that the contract has had registered, where its present one is not.

    Raises:
        UnavailableError: the registry does not answer.
    """
    desired, known = build_schema(contract), contract.status.registered_schema
    if desired is None or known is None or registry is None:
        return None
    found = await registry.observe(desired.subject)
    # Another version is somebody else's, and nobody has held it against our rules.
    return found.definition if found is not None and found.version == known.version else None


@dataclass(frozen=True, slots=True)
class AccessPart:
    """The ACLs of ``spec.access``: of those recorded in ``status.access`` such as a contract gives are taken back."""

    acls: Acls
    others: Collection[TopicContract]
    """Contracts beside this one that are not being deleted: some ACLs of an outside principal serve several."""
    installation: InstallationNames
    given_elsewhere: frozenset[Acl] = frozenset()
    """By contracts that cannot be read."""

    async def reconcile(self, contract: TopicContract, record: Record) -> tuple[Part, tuple[str, ...]]:
        """Make the ACLs match, and return what became of them, and what is now recorded.

        What will be given is recorded before it is given: a crash in between must not leave an ACL that nobody
        takes back.
        """
        desired = self._access_of(contract)
        recorded = self._recorded(contract)
        settled = is_settled(contract, ACCESS_READY)
        if not desired and not recorded:
            return judge_part(ACCESS_READY, ACCESS, AccessState(settled=settled, wanted=False)), ()
        either = _record_of(desired | recorded)
        try:
            plan = plan_acls(desired, await self.acls.observe(), self._ours(recorded - desired))
            if plan.add and set(either) != set(contract.status.access):
                await record(either)
            if plan:
                await self.acls.apply(plan)
        except OperatorError as error:
            return judge_part(ACCESS_READY, ACCESS, AccessState(settled=settled, error=error)), either
        given = ", ".join(format_acl(acl) for acl in sorted(plan.add))
        return judge_part(ACCESS_READY, ACCESS, AccessState(settled=settled, changes=given)), _record_of(desired)

    async def revoke(self, contract: TopicContract) -> None:
        """Take back everything that is recorded and that no other contract gives."""
        recorded = self._recorded(contract)
        if not recorded:
            return
        plan = plan_acls(frozenset(), await self.acls.observe(), self._ours(recorded))
        if plan:
            await self.acls.apply(plan)

    def _access_of(self, contract: TopicContract) -> frozenset[Acl]:
        return access_acls(self.installation, contract.spec.topic_name, contract.spec.access)

    def _recorded(self, contract: TopicContract) -> frozenset[Acl]:
        return recorded_acls(self.installation, contract.spec.topic_name, contract.status.access)

    def _ours(self, leaving: frozenset[Acl]) -> frozenset[Acl]:
        """Return those that no other contract gives."""
        if not leaving:
            return leaving
        wanted = {acl for other in self.others for acl in self._access_of(other)}
        return leaving - wanted - self.given_elsewhere


def _record_of(acls: Collection[Acl]) -> tuple[str, ...]:
    return tuple(sorted(format_acl(acl) for acl in acls))


def _registered(found: SubjectSchema) -> RegisteredSchema:
    return RegisteredSchema(id=found.schema_id, version=found.version, subject=found.subject)
