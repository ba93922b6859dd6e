"""X08: what an agent writes fills its own allowance, not the topics that it shares with others."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.audit_chains import AuditTopic
from streamwarden_contract.audit_coverage import Coverage, JudgedDecision
from streamwarden_contract.audit_faults import Place
from streamwarden_contract.events import FAILURE_TYPE
from streamwarden_gate.allowance import Allowance
from streamwarden_gate.runs import AT_ONCE_BYTES, Copies
from support.gate_fakes import MemoryKafka, aborted, refused, refused_where, unknown_and_lost
from support.gate_log import AGENT, NAMESPACE, headers, record
from support.gate_memory_loop import AUDIT, COMMANDS, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_gate.ports import Item
    from support.gate_fakes import Clock, Ending
    from support.gate_log import MemoryLog

DEAD_LETTERS = f"{NAMESPACE}.streamwarden.dlq"
DECISIONS = f"{NAMESPACE}.{AGENT}.decisions"
EMPTY = 20_000
"""Records of nothing: 139 kB of batches."""


@pytest.fixture
def world(log: MemoryLog) -> World:
    return World(log)


def write(world: World, partition: int, *values: bytes | None, headers_: Sequence[tuple[str, bytes]] = ()) -> None:
    own = world.kafka.log[partition]
    for value in values:
        own.append(record(value, key=None, headers_=list(headers_), offset=len(own))._replace(partition=partition))


def settle(world: World) -> None:
    for _ in range(500):
        world.steps(1)
        if {n: at for n, (at, _) in world.kafka.committed.items()} == {
            n: len(own) for n, own in world.kafka.log.items()
        }:
            return
    raise AssertionError(world.kafka.committed)


def letters(world: World) -> list[dict[str, Any]]:
    return [json.loads(each.value or b"") for each in world.kafka.written if each.topic == DEAD_LETTERS]


def written_bytes(world: World) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in world.kafka.written:
        found[each.topic] += len(each.key or b"") + len(each.value or b"")
    return found


def check_coverage(world: World) -> None:
    """Each record is in exactly one audit record, single or range, as ``audit verify`` sees it."""
    topic, judged = AuditTopic(NAMESPACE), dict[int, list[JudgedDecision]]()
    for number, each in enumerate(each for each in world.kafka.written if each.topic == AUDIT):
        found = topic.take(Place(AUDIT, 0, number), each.key, each.value, log_start=0)
        assert found is not None
        last = -1 if found.last is None else found.last
        judged.setdefault(found.chain.partition, []).append(
            JudgedDecision(found.offset, bytes.fromhex(found.digest), last)
        )
    for partition, own in world.kafka.log.items():
        coverage = Coverage(DECISIONS, partition, low=0, end=len(own), judged=iter(judged.get(partition, [])))
        for offset, written in enumerate(own):
            if written is not None:
                coverage.take(offset, sha256(written.value or b"").digest())
        coverage.finish()
        assert list(coverage.faults) == []
        assert coverage.compared + coverage.in_ranges == sum(each is not None for each in own)


@pytest.mark.slow
def test_x08_empty_records_fill_an_allowance_and_no_topic(world: World) -> None:
    world.loop._copies = Copies(others=Allowance(AT_ONCE_BYTES, 0))  # what comes back depends on the machine
    write(world, 0, *[None] * EMPTY)
    settle(world)
    found = written_bytes(world)
    assert found.total() < 6_000_000, "139 kB; without an allowance it was 123 MB"
    world.check_places()
    check_coverage(world)


def test_x08_a_good_decision_between_them_is_a_command_and_the_chain_goes_on_behind_the_run(
    world: World,
) -> None:
    world.loop._copies = Copies(others=Allowance(1, 0))
    partition = record(b"", key=b"page-1").partition
    write(world, partition, b"first", b"second", b"third")
    world.write(1)
    write(world, partition, b"fifth")
    settle(world)
    assert [
        (
            each["verdict"],
            each["decision"]["offset"],
            each["decision"].get("lastOffset"),
            each["decision"].get("records"),
        )
        for each in world.audits
    ] == [
        ("DeadLetter", 0, None, None),
        ("DeadLetter", 1, 2, 2),
        ("Allow", 3, None, None),
        ("DeadLetter", 4, None, None),
    ]
    assert [each["offset"] for each in letters(world)] == [0]
    world.check_places()
    check_coverage(world)


def test_x08_a_run_says_how_many_why_and_their_digests(world: World) -> None:
    world.loop._copies = Copies(others=Allowance(1, 0))
    write(world, 0, None)
    write(world, 0, b"x")
    write(world, 0, b"y", None, headers_=headers("page-0"))
    settle(world)
    [_, told] = world.audits
    assert told["deadLetter"] == "MissingKey"
    assert told["message"] == (
        "too many dead letters: no copies are kept of 3 records (MissingKey 2, MalformedHeaders 1)"
    )
    digests = [sha256(value).digest() for value in (b"x", b"y", b"")]
    assert told["decision"]["digest"] == sha256(b"".join(digests)).hexdigest()
    assert (told["decision"]["id"], told["decision"]["entity"], told["command"]) == (None, None, None)


def test_x08_one_record_by_itself_keeps_its_own_digest_and_says_that_there_is_no_copy(
    world: World,
) -> None:
    world.loop._copies = Copies(others=Allowance(1, 0))
    write(world, 0, b"x")
    write(world, 1, b"y")
    settle(world)
    told = world.audits[1]
    assert told["message"] == "missing ce_specversion; too many dead letters: no copy is kept"
    assert told["decision"]["digest"] == sha256(b"y").hexdigest()
    assert "lastOffset" not in told["decision"]


def test_x08_what_an_agent_gives_up_is_always_copied(world: World) -> None:
    world.loop._copies = Copies(others=Allowance(0, 0))
    failure = {"cause": {"topic": "t", "partition": 0, "offset": 7}, "error": "E", "attempts": 1, "stage": "Handle"}
    given = [
        *((name, raw) for name, raw in headers("page-1") if name != "ce_type"),
        ("ce_type", b"streamwarden.failure"),
    ]
    write(world, 0, *[json.dumps(failure).encode()] * 3, headers_=given)
    settle(world)
    assert [each["reason"] for each in letters(world)] == ["AgentFailure"] * 3
    assert len(world.audits) == 3


@pytest.mark.slow
def test_x08_records_that_say_they_are_failures_fill_an_allowance_too(
    world: World,
) -> None:
    world.loop._copies = Copies(failures=Allowance(AT_ONCE_BYTES, 0))  # however long this takes
    failure = {"cause": {"topic": "t", "partition": 0, "offset": 7}, "error": "E", "attempts": 1, "stage": "Handle"}
    given = headers("page-1", type_=FAILURE_TYPE)
    write(world, 0, *[json.dumps(failure).encode()] * EMPTY, headers_=given)
    settle(world)
    assert written_bytes(world).total() < 6_000_000, "without an allowance it was 31 MB"
    [told] = [each for each in world.audits[-1:] if "records" in each["decision"]]
    assert told["deadLetter"] == "AgentFailure"
    world.check_places()
    check_coverage(world)


def test_x08_what_an_agent_gives_up_is_copied_beside_what_cannot_be_judged_and_no_more_than_may_be(
    world: World,
) -> None:
    world.loop._copies = Copies(failures=Allowance(1, 0), others=Allowance(0, 0))
    failure = {"cause": {"topic": "t", "partition": 0, "offset": 7}, "error": "E", "attempts": 1, "stage": "Handle"}
    write(world, 0, None)
    write(world, 0, *[json.dumps(failure).encode()] * 3, headers_=headers("page-1", type_=FAILURE_TYPE))
    settle(world)
    assert [each["offset"] for each in letters(world)] == [1]
    assert [each["decision"].get("records", 1) for each in world.audits] == [1, 1, 2]


def test_x08_decisions_that_a_broker_refuses_have_an_allowance_too_which_others_do_not_use_up(
    world: World,
) -> None:
    world.loop._copies = Copies(refused=Allowance(1, 0), others=Allowance(0, 0))
    world.kafka.usual = refused_where(lambda writes: any(each.topic == COMMANDS for each in writes))
    partition = record(b"", key=b"page-1").partition
    world.write(1, 1, 1)
    write(world, partition, None, None)
    settle(world)
    assert [(each["offset"], each["reason"]) for each in letters(world)] == [(0, "RefusedByBroker")]
    assert [(each["decision"]["offset"], each["deadLetter"], each["message"]) for each in world.audits[:3]] == [
        (0, "RefusedByBroker", "too large"),
        (1, "RefusedByBroker", "too large; too many dead letters: no copy is kept"),
        (2, "RefusedByBroker", "too large; too many dead letters: no copy is kept"),
    ]
    world.check_places()
    check_coverage(world)


@pytest.mark.parametrize(
    ("endings", "copied"),
    [
        pytest.param([aborted], [0, 1, 2, 3], id="aborted"),
        pytest.param([refused, aborted, refused], [0, 1, 2, 3], id="refused-as-a-batch-and-repeated-in-halves"),
        pytest.param([unknown_and_lost], [], id="of-unknown-outcome-as-it-may-have-been-written"),
        pytest.param([unknown_and_lost, aborted], [], id="of-unknown-outcome-and-then-aborted"),
    ],
)
def test_x08_dead_letters_that_were_not_written_cost_no_allowance(
    world: World, endings: list[Ending], copied: list[int]
) -> None:
    write(world, 0, b"x", b"y", b"z", b"w")
    settle(world)
    again = World(world.log)
    enough_for_once = sum(len(each.value or b"") for each in world.kafka.written)
    again.loop._copies = Copies(others=Allowance(enough_for_once, 0))
    again.kafka.endings = [MemoryKafka.commit, *endings]  # the first is that of the epochs
    write(again, 0, b"x", b"y", b"z", b"w")
    settle(again)
    assert [each["offset"] for each in letters(again)] == copied
    check_coverage(again)


def test_x08_no_more_is_taken_than_may_be_judged_in_a_second(log: MemoryLog) -> None:
    world = World(log, max_rate=10)
    asked: list[int] = []
    receive = world.membership.receive

    def watched(most: int, timeout_s: float) -> Sequence[Item]:
        asked.append(most)
        return receive(most, timeout_s)

    world.membership.receive = watched  # type: ignore[method-assign]  # the same, seen
    world.write(*range(30))
    world.steps(1)
    assert asked == [10]
    assert 0 < len(world.audits) <= 10
    world.steps(2)
    assert max(asked[1:]) < 10
    assert len(world.audits) < 30


def test_an_allowance_comes_back_with_time_and_never_exceeds_what_there_is_at_once() -> None:
    allowance = Allowance(10, 2)
    assert allowance.left(100.0) == 10
    allowance.spend(14)
    assert (allowance.left(100.0), allowance.left(101.0), allowance.left(1_000.0)) == (-4, -2, 10)


def test_an_allowance_tells_how_long_to_wait_and_a_clock_that_is_set_back_gives_nothing() -> None:
    allowance = Allowance(10, 2)
    assert allowance.seconds_until(1, 50.0) == 0
    allowance.spend(11 + allowance.left(50.0) - 10)
    assert allowance.seconds_until(1, 50.0) == 1
    assert allowance.left(40.0) == -1


def test_no_more_is_judged_a_second_while_records_are_read_one_by_one(log: MemoryLog, clock: Clock) -> None:
    world = World(log, max_rate=10)
    world.write(*range(60))
    world.note.careful = True
    for second in range(1, 7):
        world.steps(20)
        assert len(world.judged) == 10 * second
        clock.now_s += 1
    world.check(*range(60))
