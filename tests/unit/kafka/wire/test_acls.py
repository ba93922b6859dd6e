"""ACLs by number: the bytes are those of Kafka's published message."""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest
from streamwarden_kafka.errors import NotAuthorizedError
from streamwarden_kafka.wire.acls import NumberedAcl, delete_acl
from support.quota_messages import Broker, array, string

DELETE, FORBIDDEN = 31, 31
ACL = NumberedAcl(7, "User:g", 3, "User:m", "*", 13, 3)


class AclBroker(Broker):
    """Speaks of ACLs as brokers of these days do."""

    versions = {DELETE: (1, 3)}


def deleted(code: int = 0) -> bytes:
    return struct.pack(">i", 0) + array(struct.pack(">h", code) + string(None) + array())


async def test_an_acl_that_has_no_name_is_deleted_by_number() -> None:
    broker = AclBroker(deleted())
    await delete_acl(cast("Any", broker), ACL)
    pattern = b"\x07" + string("User:g") + b"\x03" + string("User:m") + string("*") + b"\x0d\x03"
    assert broker.asked == [(DELETE, 1, array(pattern))]


async def test_who_may_not_is_told() -> None:
    with pytest.raises(NotAuthorizedError, match="could not remove an ACL of User:m"):
        await delete_acl(cast("Any", AclBroker(deleted(FORBIDDEN))), ACL)
