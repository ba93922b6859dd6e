"""Coordinators move and brokers go: whose groups suffer, and for how long."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from aiokafka.protocol.commit import OffsetFetchRequest_v3, OffsetFetchResponse_v3
from aiokafka.protocol.coordination import FindCoordinatorRequest, FindCoordinatorRequest_v1, FindCoordinatorResponse_v1
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.wire.groups import GroupOffsets

if TYPE_CHECKING:
    from collections.abc import Collection

LOADING, NOT_COORDINATOR, FORBIDDEN = 14, 16, 30
AT = ("risk.pages", 0)


class Brokers:
    """Two brokers, each the coordinator of some groups."""

    def __init__(self, **coordinators: int) -> None:
        self.coordinators = coordinators
        self.offsets = dict.fromkeys(coordinators, 7)
        self.errors: dict[str, int] = {}
        self.gone: set[int] = set()
        self.asked: Counter[str] = Counter()
        self.known: set[int] = set()

    def learn(self, brokers: Collection[tuple[int, str, int]]) -> None:
        self.known |= {node for node, _, _ in brokers}

    async def broker(self, node: int) -> _Broker:
        assert node in self.known
        if node in self.gone:
            raise BrokerUnavailableError(f"could not connect to broker {node}")
        return _Broker(self, node)

    async def any_broker(self) -> _Broker:
        living = {0, 1} - self.gone
        if not living:
            raise BrokerUnavailableError("no broker answers")
        return _Broker(self, min(living))


class _Broker:
    def __init__(self, brokers: Brokers, node: int) -> None:
        self._brokers, self._node = brokers, node

    async def ask(self, request: Any) -> Any:
        brokers = self._brokers
        if isinstance(request, FindCoordinatorRequest):
            brokers.asked["find"] += 1
            found = request.build(FindCoordinatorRequest_v1)
            return FindCoordinatorResponse_v1(0, 0, None, brokers.coordinators[found.coordinator_key], "kafka", 9092)
        brokers.asked["fetch"] += 1
        group = request.build(OffsetFetchRequest_v3).consumer_group
        if brokers.coordinators[group] != self._node:
            return OffsetFetchResponse_v3(0, [], NOT_COORDINATOR)
        if code := brokers.errors.get(group):
            return OffsetFetchResponse_v3(0, [], code)
        return OffsetFetchResponse_v3(0, [(AT[0], [(AT[1], brokers.offsets[group], "", 0)])], 0)


async def read(groups: GroupOffsets, *names: str) -> dict[str, object]:
    return {
        group: str(found) if isinstance(found, BrokerUnavailableError) else found
        for group, found in (await groups.committed({name: [AT] for name in names})).items()
    }


async def test_coordinators_are_looked_up_once() -> None:
    brokers = Brokers(a=0, b=1)
    groups = GroupOffsets(cast("Any", brokers))
    for _ in range(3):
        assert await read(groups, "a", "b") == {"a": {AT: 7}, "b": {AT: 7}}
    assert brokers.asked == Counter(find=2, fetch=6)


async def test_nothing_committed_is_none_and_not_minus_one() -> None:
    brokers = Brokers(a=0)
    brokers.offsets["a"] = -1
    assert await read(GroupOffsets(cast("Any", brokers)), "a") == {"a": {AT: None}}


async def test_a_coordinator_that_has_moved_is_looked_up_within_the_same_reading() -> None:
    brokers = Brokers(a=0, b=0)
    groups = GroupOffsets(cast("Any", brokers))
    await read(groups, "a", "b")
    brokers.coordinators["a"] = 1
    assert await read(groups, "a", "b") == {"a": {AT: 7}, "b": {AT: 7}}
    assert brokers.asked["find"] == 3


async def test_a_broker_that_is_gone_is_only_its_groups_trouble_until_they_have_another_coordinator() -> None:
    brokers = Brokers(a=0, b=1)
    groups = GroupOffsets(cast("Any", brokers))
    await read(groups, "a", "b")
    brokers.gone = {1}
    assert await read(groups, "a", "b") == {"a": {AT: 7}, "b": "could not connect to broker 1"}
    brokers.coordinators["b"] = 0
    assert await read(groups, "a", "b") == {"a": {AT: 7}, "b": {AT: 7}}


async def test_an_outage_of_all_ends_by_itself() -> None:
    brokers = Brokers(a=0)
    groups = GroupOffsets(cast("Any", brokers))
    brokers.gone = {0, 1}
    assert await read(groups, "a") == {"a": "no broker answers"}
    brokers.gone = set()
    assert await read(groups, "a") == {"a": {AT: 7}}


async def test_a_coordinator_that_is_still_loading_and_a_forbidden_group_are_told() -> None:
    brokers = Brokers(a=0, b=0, c=0)
    brokers.errors = {"a": LOADING, "b": FORBIDDEN}
    assert await read(GroupOffsets(cast("Any", brokers)), "a", "b", "c") == {
        "a": "could not read the offsets of group 'a': COORDINATOR_LOAD_IN_PROGRESS",
        "b": "could not read the offsets of group 'b': GROUP_AUTHORIZATION_FAILED",
        "c": {AT: 7},
    }


async def test_a_group_that_nobody_coordinates_is_given_up_until_the_next_reading() -> None:
    brokers = Brokers(a=0)
    groups = GroupOffsets(cast("Any", brokers))
    brokers.errors["a"] = NOT_COORDINATOR
    assert await read(groups, "a") == {"a": "the group's coordinator is moving to another broker"}
    assert brokers.asked == Counter(find=2, fetch=2)
