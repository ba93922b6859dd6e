"""ACLs by Kafka's own numbers: librdkafka has no names for some, and takes none of those back."""

from dataclasses import dataclass

from aiokafka.protocol.admin import DeleteAclsRequest

from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal


@dataclass(frozen=True, slots=True)
class NumberedAcl:
    """An ACL as the protocol has it."""

    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    """With its type: ``User:...``."""
    host: str
    operation: int
    permission: int


async def delete_acl(wire: Wire, acl: NumberedAcl) -> None:
    """Delete an ACL; an absent one is success.

    Raises:
        BrokerUnavailableError: no answer, or not now.
    """
    request = DeleteAclsRequest(
        acl.resource_type,
        acl.resource_name,
        acl.pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission,
    )
    answer = await (await wire.any_broker()).ask(request)
    for code, *_ in answer.filter_responses:
        if code != NO_ERROR:
            raise refusal(code, f"remove an ACL of {acl.principal}")
