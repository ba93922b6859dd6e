"""ACLs on users and delegation tokens, which librdkafka has no names for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka.protocol.admin import CreateAclsRequest
from streamwarden_kafka.wire.connections import Wire
from streamwarden_operator.ports import Acl, AclPlan
from support.kafka_adapters import real_ports

if TYPE_CHECKING:
    from support.stack_fixture import RunningStack

pytestmark = pytest.mark.broker

TOKEN, USER = 6, 7
LITERAL, ALLOW = 3, 3
DESCRIBE, CREATE_TOKENS, DESCRIBE_TOKENS = 8, 13, 14


async def give(stack: RunningStack, principal: str, *rights: tuple[int, str, int]) -> None:
    """Give what only other tools can: kind of resource, name, operation."""
    wire = Wire(stack.operator, "test", timeout_s=10)
    try:
        broker = await wire.any_broker()
        for kind, name, operation in rights:
            answer = await broker.ask(CreateAclsRequest(kind, name, LITERAL, principal, "*", operation, ALLOW))
            assert [code for code, _ in answer.creation_responses] == [0]
    finally:
        await wire.close()


async def test_who_may_make_tokens_of_a_user_is_seen_and_what_ours_have_of_that_is_taken_back(
    stack: RunningStack, unique: str
) -> None:
    principal, gate = f"User:{unique}", f"User:{unique}.guard.gate"
    acls = real_ports(stack).acls
    await give(stack, principal, (USER, gate, CREATE_TOKENS), (USER, gate, DESCRIBE_TOKENS), (TOKEN, unique, DESCRIBE))
    wanted = {Acl(principal, "USER", gate, "TOKENS"), Acl(principal, "DELEGATION_TOKEN", unique, "DESCRIBE")}
    plain = Acl(principal, "TOPIC", unique, "READ")
    await acls.apply(AclPlan(add=frozenset({plain})))
    assert {acl for acl in await acls.observe() if acl.principal == principal} == {*wanted, plain}
    await acls.apply(AclPlan(remove=frozenset({*wanted, plain})))
    assert {acl for acl in await acls.observe() if acl.principal == principal} == set()
