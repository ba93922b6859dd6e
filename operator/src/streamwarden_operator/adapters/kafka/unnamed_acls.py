"""ACLs that librdkafka has no names for: on users and delegation tokens, and with operations of later Kafkas.

It reports them as ``UNKNOWN``, and takes none of them back.
"""

from collections.abc import Iterator
from itertools import product

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    AclOperation,
    ResourcePatternType,
    ResourceType,
)
from streamwarden_kafka.wire.acls import NumberedAcl

from streamwarden_operator.ports import Acl

UNKNOWN = "UNKNOWN"
USER, DELEGATION_TOKEN = "USER", "DELEGATION_TOKEN"
TOKENS = "TOKENS"
"""On a user: to make delegation tokens of it (``CreateTokens``), or to see them (``DescribeTokens``)."""

_TYPES = {DELEGATION_TOKEN: (6,), USER: (7,), UNKNOWN: (6, 7), "CLUSTER": (ResourceType.BROKER.value,)}
_OPERATIONS = {TOKENS: (13, 14), UNKNOWN: (13, 14, 15)}
_ALLOW, _DENY = 3, 2


def named(resource_type: str, name: str, operation: str) -> tuple[str, str]:
    """Return resource type and operation, as far as what is known tells them."""
    if resource_type != UNKNOWN:
        return resource_type, operation
    if operation == UNKNOWN:
        return USER, TOKENS  # no other resource of no name has operations of no name
    if name == "*":
        return UNKNOWN, operation
    return (USER if name.startswith("User:") else DELEGATION_TOKEN), operation


def is_unnamed(acl: Acl) -> bool:
    """Tell whether librdkafka cannot name an ACL."""
    return acl.resource_type in {USER, DELEGATION_TOKEN, UNKNOWN} or acl.operation in _OPERATIONS


def numbered(acl: Acl) -> Iterator[NumberedAcl]:
    """Yield all that it can be, in Kafka's numbers."""
    types = _TYPES.get(acl.resource_type) or (ResourceType[acl.resource_type].value,)
    operations = _OPERATIONS.get(acl.operation) or (AclOperation[acl.operation].value,)
    pattern, permission = ResourcePatternType[acl.pattern_type].value, _DENY if acl.denied else _ALLOW
    for kind, operation in product(types, operations):
        yield NumberedAcl(kind, acl.resource_name, pattern, acl.principal, acl.host, operation, permission)
