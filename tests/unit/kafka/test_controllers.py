"""Who asks a controller that is gone is told of another one while it waits."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs leave its names out
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import Connection
from support.controllers import controllers

pytestmark = pytest.mark.slow
WAIT_S = 60.0
TRIES = 4
"""With pauses: by then it knows all that it was told when it began."""
_ALL_ACLS = cast("Any", AclBindingFilter)(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
)


async def test_f31_a_request_that_waits_for_a_controller_which_is_gone_goes_to_the_next_one() -> None:
    async with controllers() as brokers:
        often = {"reconnect.backoff.max.ms": "100"}
        admin = KafkaAdmin(Connection(f"127.0.0.1:{brokers.ports[1]}", options=often), timeout_s=4 * WAIT_S)
        asked = asyncio.create_task(admin.one(admin.client.describe_acls(_ALL_ACLS, request_timeout=4 * WAIT_S)))
        async with asyncio.timeout(WAIT_S):
            while brokers.tried < TRIES:  # noqa: ASYNC110  # librdkafka's threads tell nobody
                await asyncio.sleep(0.01)
        assert brokers.asked == []

        brokers.controller = 2
        async with asyncio.timeout(WAIT_S):
            assert await asked == []

        assert brokers.asked == [2]
