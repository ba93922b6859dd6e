"""A dead member leaves its group: at the coordinator, and once is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.protocol.coordination import FindCoordinatorRequest, FindCoordinatorRequest_v1, FindCoordinatorResponse_v1
from aiokafka.protocol.group import LeaveGroupRequest_v1, LeaveGroupResponse_v1
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.wire.leaving import leave_through

if TYPE_CHECKING:
    from collections.abc import Collection

UNKNOWN_MEMBER, FORBIDDEN, NOT_AVAILABLE = 25, 30, 15


class Brokers:
    """Two brokers; the second one coordinates."""

    def __init__(self, *, found: int = 0, left: int = 0) -> None:
        self.codes = (found, left)
        self.known: set[int] = set()
        self.left: list[tuple[int, str, str]] = []

    def learn(self, brokers: Collection[tuple[int, str, int]]) -> None:
        self.known |= {node for node, _, _ in brokers}

    async def broker(self, node: int) -> _Broker:
        assert node in self.known
        return _Broker(self, node)

    async def any_broker(self) -> _Broker:
        return _Broker(self, 0)


class _Broker:
    def __init__(self, brokers: Brokers, node: int) -> None:
        self._brokers, self._node = brokers, node

    async def ask(self, request: Any) -> Any:
        if isinstance(request, FindCoordinatorRequest):
            assert request.build(FindCoordinatorRequest_v1).coordinator_key == "guard"
            return FindCoordinatorResponse_v1(0, self._brokers.codes[0], None, 1, "kafka", 9092)
        said = request.build(LeaveGroupRequest_v1)
        self._brokers.left.append((self._node, said.group, said.member_id))
        return LeaveGroupResponse_v1(0, self._brokers.codes[1])


@pytest.mark.parametrize(
    "code", [pytest.param(0, id="it-was-there"), pytest.param(UNKNOWN_MEMBER, id="its-session-has-ended-already")]
)
async def test_a_dead_member_leaves_at_the_coordinator(code: int) -> None:
    brokers = Brokers(left=code)
    await leave_through(cast("Any", brokers), "guard", "member-1")
    assert brokers.left == [(1, "guard", "member-1")]


@pytest.mark.parametrize(
    ("brokers", "said"),
    [
        pytest.param(
            Brokers(found=NOT_AVAILABLE), "could not find the coordinator of group 'guard'", id="no-coordinator"
        ),
        pytest.param(Brokers(left=FORBIDDEN), "could not leave the group 'guard'", id="a-group-that-is-forbidden"),
    ],
)
async def test_what_could_not_be_done_is_said(brokers: Brokers, said: str) -> None:
    with pytest.raises(BrokerUnavailableError, match=f"^{said}: "):
        await leave_through(cast("Any", brokers), "guard", "member-1")
