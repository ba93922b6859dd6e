"""ACLs by Kafka's own numbers: librdkafka has no names for some, and takes none of those back."""

from dataclasses import dataclass

from aiokafka.protocol.admin import DeleteAclsRequest, DescribeAclsRequest

from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal

_CLUSTER, _LITERAL, _ANY = 4, 3, 1
"""A resource's type, a pattern's, and any operation and permission."""


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


async def check_listing(wire: Wire) -> None:
    """Go on only where ACLs may be listed: of whoever may not, librdkafka says that there are none.

    Raises:
        NotAuthorizedError: they may not.
        BrokerUnavailableError: no answer, or not now.
    """
    request = DescribeAclsRequest(_CLUSTER, "kafka-cluster", _LITERAL, "User:nobody", "*", _ANY, _ANY)
    answer = await (await wire.any_broker()).ask(request)
    if answer.error_code != NO_ERROR:
        raise refusal(answer.error_code, "list the ACLs")
