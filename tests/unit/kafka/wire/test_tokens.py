"""Delegation tokens over the wire: the bytes are those of Kafka's published messages."""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest
from aiokafka.errors import IncompatibleBrokerVersion
from streamwarden_kafka.errors import BrokerUnavailableError, NotAuthorizedError, NotSpreadError
from streamwarden_kafka.wire.tokens import end_own_tokens
from support.quota_messages import Broker, array, string
from typing_extensions import override

EXPIRE, DESCRIBE = 40, 41
SWITCHED_OFF, NOT_FOUND, NOT_LEADER, FORBIDDEN = 61, 62, 6, 29


class TokenBroker(Broker):
    """Speaks of tokens as brokers of these days do."""

    versions = {EXPIRE: (1, 2), DESCRIBE: (1, 3)}


class OldBroker(TokenBroker):
    """Has never heard of tokens."""

    @override
    async def ask(self, request: Any) -> Any:
        raise BrokerUnavailableError("no answer") from IncompatibleBrokerVersion(str(request))


def sized(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def token(hmac: bytes) -> bytes:
    times = struct.pack(">qqq", 1, 2, 3)
    return string("User") + string("risk.guard.gate") + times + string("id-1") + sized(hmac) + array()


def described(*tokens: bytes, code: int = 0) -> bytes:
    return struct.pack(">h", code) + array(*tokens) + struct.pack(">i", 0)


def ended(code: int = 0) -> bytes:
    return struct.pack(">hqi", code, 0, 0)


async def end(broker: Broker) -> int | None:
    return await end_own_tokens(cast("Any", broker), "risk.guard.gate")


async def test_each_token_of_the_user_is_ended_at_once() -> None:
    broker = TokenBroker(described(token(b"first"), token(b"second")), ended(), ended(NOT_FOUND))
    assert await end(broker) == 2
    assert broker.asked == [
        (DESCRIBE, 1, array(string("User") + string("risk.guard.gate"))),
        (EXPIRE, 1, sized(b"first") + struct.pack(">q", -1)),
        (EXPIRE, 1, sized(b"second") + struct.pack(">q", -1)),
    ]


@pytest.mark.parametrize(
    ("broker", "number"),
    [
        pytest.param(TokenBroker(described()), 0, id="the-user-has-none"),
        pytest.param(TokenBroker(described(code=SWITCHED_OFF)), None, id="nobody-has-any-where-they-are-switched-off"),
        pytest.param(OldBroker(), None, id="nobody-has-any-where-brokers-do-not-know-them"),
    ],
)
async def test_without_tokens_nothing_is_ended(broker: Broker, number: int | None) -> None:
    assert await end(broker) == number


@pytest.mark.parametrize(
    ("answers", "kind", "said"),
    [
        pytest.param((described(code=NOT_LEADER),), NotSpreadError, "list the delegation", id="no-list"),
        pytest.param((described(code=FORBIDDEN),), NotAuthorizedError, "list the delegation", id="no-right"),
        pytest.param((described(token(b"h")), ended(NOT_LEADER)), NotSpreadError, "end a", id="it-goes-on"),
    ],
)
async def test_what_is_not_known_is_not_none(
    answers: tuple[bytes, ...], kind: type[BrokerUnavailableError], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        await end(TokenBroker(*answers))
    assert type(caught.value) is kind
