"""A contract's schema, in a subject of the registry."""

from dataclasses import dataclass

from streamwarden_contract.inventory import Stage, SubjectItem
from streamwarden_contract.models import TopicContract
from streamwarden_contract.models.topic_contract import RegisteredSchema

from streamwarden_operator.desired.agents import SCHEMA_READY
from streamwarden_operator.desired.checks.chain import Finding
from streamwarden_operator.desired.checks.contracts import SCHEMA, Part, SchemaState, is_settled, judge_part
from streamwarden_operator.desired.schemas import DesiredSchema, build_schema, value_subject
from streamwarden_operator.desired.status import find_condition
from streamwarden_operator.errors import CannotGoOnError, OperatorError
from streamwarden_operator.plans.schemas import describe_plan, plan_schema
from streamwarden_operator.ports import SchemaRegistry, SubjectSchema
from streamwarden_operator.reconcilers.inventory import Inventory


@dataclass(frozen=True, slots=True)
class SchemaPart:
    """Never raises, it reports: an outage of the registry must not hold back what Kafka keeps."""

    registry: SchemaRegistry | None
    """None where there is none."""
    inventory: Inventory

    async def reconcile(
        self, contract: TopicContract, withheld: Finding | None = None
    ) -> tuple[Part, RegisteredSchema | None]:
        """Register the schema, and return what became of it, as the registry knows it.

        Args:
            contract: the contract.
            withheld: why its schema must not be registered now.
        """
        desired, known = build_schema(contract), contract.status.registered_schema
        settled = is_settled(contract, SCHEMA_READY)
        if withheld is not None:
            return judge_part(SCHEMA_READY, SCHEMA, SchemaState(settled=settled, withheld=withheld)), known
        if desired is None or self.registry is None:
            state = SchemaState(settled=settled, wanted=desired is not None, registry=self.registry is not None)
            return judge_part(SCHEMA_READY, SCHEMA, state), None if desired is None else known
        try:
            found, latest, changes = await self._register(self.registry, desired)
            await self.inventory.open()
            await self.inventory.note([_item(contract)])
        except CannotGoOnError:
            raise
        except OperatorError as error:
            return judge_part(SCHEMA_READY, SCHEMA, SchemaState(settled=settled, error=error)), known
        before = find_condition(contract.status.conditions, SCHEMA_READY)
        state = SchemaState(
            settled=settled,
            changes=changes,
            version=found.version,
            latest=latest.version,
            said_before=before.message if before is not None else "",
        )
        return judge_part(SCHEMA_READY, SCHEMA, state), _registered(found)

    async def registered_before(self, contract: TopicContract) -> str | None:
        """Return the text of the schema that the contract has had registered, where its present one is not.

        Raises:
            UnavailableError: the registry does not answer.
        """
        desired, known = build_schema(contract), contract.status.registered_schema
        if desired is None or known is None or self.registry is None:
            return None
        found = await self.registry.observe(desired.subject)
        # Another version is somebody else's, and nobody has held it against our rules.
        return found.definition if found is not None and found.version == known.version else None

    async def delete(self, contract: TopicContract) -> None:
        """Delete the subject, if it has ever held a schema of this contract; also one that was taken out since."""
        await self.inventory.open()
        subject, known = value_subject(contract.spec.topic_name), contract.status.registered_schema
        item = self.inventory.subject(subject)
        # Of an installation from before there were inventories the status knows it.
        before = item is None and known is not None
        mine = item is not None and item.owner_uid == contract.metadata.uid
        if self.registry is not None and (mine or before):
            await self.registry.delete(subject)
        if item is not None and mine:
            await self.inventory.forget([item])

    async def _register(
        self, registry: SchemaRegistry, desired: DesiredSchema
    ) -> tuple[SubjectSchema, SubjectSchema, str]:
        """Return the contract's version of the schema, the latest one, and what was changed."""
        latest = await registry.observe(desired.subject)
        plan = plan_schema(desired, latest, known=None)
        found = latest
        if latest is not None and plan.register is not None:
            # It may be there as an older version: a registry keeps one version a schema, and makes none anew.
            found = await registry.find(desired.subject, desired.definition)
            plan = plan_schema(desired, latest, known=found)
        if plan.set_compatibility is not None:
            await registry.set_compatibility(desired.subject, plan.set_compatibility)
        if plan.register is not None or found is None:
            found = latest = await registry.register(desired.subject, desired.definition)
        return found, latest or found, describe_plan(plan)


def _item(contract: TopicContract) -> SubjectItem:
    metadata, subject = contract.metadata, value_subject(contract.spec.topic_name)
    return SubjectItem(
        subject=subject,
        namespace=metadata.namespace,
        contract=metadata.name,
        owner_uid=metadata.uid,
        stage=Stage.MADE,
    )


def _registered(found: SubjectSchema) -> RegisteredSchema:
    return RegisteredSchema(id=found.schema_id, version=found.version, subject=found.subject)
