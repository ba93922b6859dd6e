"""The ACLs of one Kafka cluster."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from streamwarden_operator.adapters.kafka_admin import KafkaAdmin
from streamwarden_operator.adapters.kafka_errors import translated
from streamwarden_operator.ports import Acl, AclPlan

_BATCH = 1000
"""ACLs of one request; the broker took 15,000 of them in 0.8 s this way."""

_ANY: Any = None
"""In a filter: any name. The annotations of the client know only names."""


class KafkaAcls:
    """Implements ``ports.Acls``."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin

    async def observe(self) -> frozenset[Acl]:
        """Return every ACL of the cluster, in one request."""
        return await self._observe(_ANY)

    async def apply(self, plan: AclPlan) -> None:
        """Take away, then give, and return once the broker shows it.

        The first refusal is raised after every item of its request has an answer.
        """
        timeout_s = self._admin.timeout_s
        for batch in _batches(plan.remove):
            filters = [AclBindingFilter(*_write(acl)) for acl in batch]
            with translated(f"remove {len(batch)} ACLs"):
                await self._admin.all(self._admin.client.delete_acls(filters, request_timeout=timeout_s))
        for batch in _batches(plan.add):
            bindings = [AclBinding(*_write(acl)) for acl in batch]
            with translated(f"add {len(batch)} ACLs"):
                await self._admin.all(self._admin.client.create_acls(bindings, request_timeout=timeout_s))
        await self._until_shown(plan)

    async def _observe(self, principal: str) -> frozenset[Acl]:
        wanted = AclBindingFilter(
            ResourceType.ANY, _ANY, ResourcePatternType.ANY, principal, _ANY, AclOperation.ANY, AclPermissionType.ANY
        )
        with translated("list the ACLs"):
            bindings = await self._admin.one(
                self._admin.client.describe_acls(wanted, request_timeout=self._admin.timeout_s)
            )
        return frozenset(_read(binding) for binding in bindings)

    async def _until_shown(self, plan: AclPlan) -> None:
        """Wait for the broker, principal by principal: to list all ACLs after each change would cost too much."""
        for principal in sorted({acl.principal for acl in plan.remove | plan.add}):

            async def shown(principal: str = principal) -> bool:
                found = await self._observe(principal)
                gone = {acl for acl in plan.remove - plan.add if acl.principal == principal}
                return not gone & found and {acl for acl in plan.add if acl.principal == principal} <= found

            await self._admin.until(shown, f"new ACLs of {principal}")


def _read(binding: AclBinding) -> Acl:
    kind = ResourceType(binding.restype)
    return Acl(
        principal=binding.principal,
        # librdkafka's name for what Kafka calls the cluster
        resource_type="CLUSTER" if kind is ResourceType.BROKER else kind.name,
        resource_name=binding.name,
        operation=AclOperation(binding.operation).name,
        pattern_type=ResourcePatternType(binding.resource_pattern_type).name,
        host=binding.host,
        denied=AclPermissionType(binding.permission_type) is AclPermissionType.DENY,
    )


def _write(
    acl: Acl,
) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
    return (
        ResourceType.BROKER if acl.resource_type == "CLUSTER" else ResourceType[acl.resource_type],
        acl.resource_name,
        ResourcePatternType[acl.pattern_type],
        acl.principal,
        acl.host,
        AclOperation[acl.operation],
        AclPermissionType.DENY if acl.denied else AclPermissionType.ALLOW,
    )


def _batches(acls: Iterable[Acl]) -> Iterator[Sequence[Acl]]:
    ordered = sorted(acls)
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]
