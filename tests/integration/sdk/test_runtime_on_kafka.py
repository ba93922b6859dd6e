"""The agent's process on a real broker, with the rights that the operator gives it and no more."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.decision import Cause, decode_decision
from streamwarden_contract.events import decode
from streamwarden_contract.partitioner import partition_of
from streamwarden_kafka.records import headers_of
from support.agent_process import pages, stop, wait_for

if TYPE_CHECKING:
    from support.agent_process import DeployedAgent
    from support.stack_fixture import OwnStack


def more_decisions_than(deployed: DeployedAgent, seen: int) -> bool:
    return sum(deployed.cluster.end_offsets(deployed.names.decisions).values()) > seen


def has_decided(deployed: DeployedAgent, events: int) -> bool:
    return len(deployed.decided()) == events


@pytest.mark.long
def test_every_event_gives_exactly_one_decision_though_the_agent_is_killed_again_and_again(
    deployed: DeployedAgent,
) -> None:
    deployed.cluster.produce(deployed.topic, pages(range(300)))
    for round_ in range(4):
        process = deployed.start()
        wait_for(partial(more_decisions_than, deployed, round_ * 300))
        process.kill()
        process.wait(10)
        deployed.cluster.produce(deployed.topic, pages(range(round_ * 425, round_ * 425 + 425)))
    process = deployed.start()
    wait_for(deployed.caught_up)

    expected = {
        (partition, offset)
        for partition, end in deployed.cluster.end_offsets(deployed.topic).items()
        for offset in range(end)
    }
    assert len(expected) == 2_000
    assert deployed.decided() == Counter(expected)
    assert stop(process) == 0


def test_decisions_name_what_they_answer_and_stand_on_the_partition_of_their_entity(deployed: DeployedAgent) -> None:
    deployed.cluster.produce(deployed.topic, pages([7]))
    process = deployed.start()
    wait_for(deployed.caught_up)

    [record] = deployed.cluster.read_all(deployed.names.decisions)
    assert record.key() == b"page-0007"
    assert record.partition() == partition_of(b"page-0007", 2)
    event = decode(headers_of(record), strict=True)
    assert (event.type, event.subject, event.causationid, event.correlationid, event.hops) == (
        "streamwarden.decision",
        "page-0007",
        "page.observed-7",
        "page.observed-7",
        1,
    )
    decision, _ = decode_decision(record.value() or b"")
    assert decision.cause == Cause(topic=deployed.topic, partition=partition_of(b"page-0007", 2), offset=0)
    assert decision.parameters == {"number": 7, "labels": 0}
    assert stop(process) == 0


@pytest.mark.long
def test_x21_events_that_were_done_beside_a_slow_one_are_not_decided_again_though_the_agent_is_killed(
    deployed: DeployedAgent,
) -> None:
    slow = partition_of(b"page-0000", 2)
    deployed.cluster.produce(deployed.topic, [*pages([0], slow_s=6.0), *pages(range(1, 300))])
    for killed in (1, 2):
        process = deployed.start()
        wait_for(partial(has_decided, deployed, killed * 299))
        process.kill()
        process.wait(10)
        assert deployed.cluster.committed(deployed.names.agent_group, deployed.topic)[slow] == 0
        deployed.cluster.produce(deployed.topic, pages(range(1, 300)))
    process = deployed.start()
    wait_for(deployed.caught_up)

    assert sorted(deployed.decided().values()) == [1] * (1 + 3 * 299)
    assert not [line for line in deployed.log if "says nothing" in line["event"]]
    assert stop(process) == 0


def test_an_idle_agent_has_no_lag_though_its_input_ends_in_markers_of_transactions(deployed: DeployedAgent) -> None:
    process = deployed.start()
    wait_for((deployed.folder / "ready-pages-0").exists)
    assert any(line["event"] == "Partitions assigned" for line in deployed.log)
    for number in range(3):
        deployed.cluster.produce(deployed.topic, pages(range(number * 10, number * 10 + 10)), transactional_id="web")
    wait_for(deployed.caught_up)

    assert sum(deployed.cluster.end_offsets(deployed.topic).values()) > 30
    assert len(deployed.decided()) == 30
    assert stop(process) == 0


def test_a_killed_agent_gets_its_memory_back(deployed: DeployedAgent) -> None:
    deployed.cluster.produce(deployed.topic, pages([5, 5, 6], kind="page.labelled"))
    process = deployed.start()
    wait_for(deployed.caught_up)
    process.kill()
    process.wait(10)
    deployed.cluster.produce(deployed.topic, [*pages([5], kind="page.labelled"), *pages([5, 6])])
    process = deployed.start()
    wait_for(deployed.caught_up)

    decisions = [decode_decision(r.value() or b"")[0] for r in deployed.cluster.read_all(deployed.names.decisions)]
    assert {d.entity: d.parameters["labels"] for d in decisions} == {"page-0005": 3, "page-0006": 1}
    assert stop(process) == 0


@pytest.mark.long
def test_a_killed_broker_ends_no_agent_and_loses_nothing(
    deployed_to_break: DeployedAgent, breakable_stack: OwnStack
) -> None:
    deployed = deployed_to_break
    process = deployed.start()
    deployed.cluster.produce(deployed.topic, pages(range(500)))
    wait_for(deployed.decided)
    breakable_stack.kill()
    deployed.cluster.produce(deployed.topic, pages(range(500, 1_000)))
    wait_for(deployed.caught_up, seconds=60)

    assert sorted(deployed.decided().values()) == [1] * 1_000
    assert process.poll() is None
    assert stop(process) == 0


def test_pods_share_the_partitions_and_hand_them_over(deployed: DeployedAgent) -> None:
    first = deployed.start("pages-0")
    deployed.cluster.produce(deployed.topic, pages(range(500)))
    wait_for(deployed.decided)
    second = deployed.start("pages-1")
    deployed.cluster.produce(deployed.topic, pages(range(500, 1_000)))
    wait_for(lambda: sum(line["event"] == "Partitions assigned" for line in deployed.log) >= 3)
    deployed.cluster.produce(deployed.topic, pages(range(1_000, 1_500)))
    assert stop(first) == 0
    deployed.cluster.produce(deployed.topic, pages(range(1_500, 2_000)))
    wait_for(deployed.caught_up)

    assert sorted(deployed.decided().values()) == [1] * 2_000
    assert stop(second) == 0


def test_a_pod_whose_transactional_id_was_taken_over_ends(deployed: DeployedAgent) -> None:
    first = deployed.start("pages-0")
    deployed.cluster.produce(deployed.topic, pages(range(10)))
    wait_for(deployed.caught_up)
    second = deployed.start("pages-0")
    wait_for(lambda: sum(line["event"] == "Partitions assigned" for line in deployed.log) >= 3)
    # Each partition gets some: whichever the first process still has, it must write.
    deployed.cluster.produce(deployed.topic, pages(range(10, 200)))
    assert first.wait(30) == 3
    wait_for(deployed.caught_up)

    assert sorted(deployed.decided().values()) == [1] * 200
    assert stop(second) == 0
