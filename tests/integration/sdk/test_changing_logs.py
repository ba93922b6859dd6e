"""Inputs that change under an agent, on a real broker: a topic that is made again, that grows, that loses records."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from streamwarden_contract.decision import decode_decision
from support.agent_process import pages, stop, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.agent_process import DeployedAgent

_SECONDS = 20
"""A topic's partitions are looked for every five, and a group needs some to share them anew."""


def entities(deployed: DeployedAgent) -> Counter[str]:
    """Count the decisions for each page."""
    written = deployed.cluster.read_all(deployed.names.decisions)
    return Counter(decode_decision(each.value() or b"")[0].entity for each in written)


def each_once(numbers: Iterable[int]) -> Counter[str]:
    return Counter(f"page-{number:04}" for number in numbers)


def has_decided(deployed: DeployedAgent, numbers: range) -> bool:
    return entities(deployed) == each_once(numbers) and deployed.caught_up()


def has_decided_all(deployed: DeployedAgent, numbers: range) -> bool:
    """Whether nothing is missing; whether anything came twice is another question."""
    return entities(deployed).keys() == each_once(numbers).keys() and deployed.caught_up()


def make_again(deployed: DeployedAgent, numbers: range) -> None:
    deployed.cluster.delete_topics(deployed.topic)
    deployed.cluster.create_topics(deployed.topic, partitions=2)
    deployed.cluster.produce(deployed.topic, pages(numbers))


def test_x20_a_topic_that_is_made_again_under_a_running_agent_and_reaches_its_position_is_read_from_its_beginning(
    deployed: DeployedAgent,
) -> None:
    deployed.cluster.produce(deployed.topic, pages(range(10)))
    process = deployed.start()
    wait_for(deployed.caught_up)
    make_again(deployed, range(10, 110))
    wait_for(partial(has_decided_all, deployed, range(110)), seconds=60)
    assert process.poll() is None
    assert [line["topic"] for line in deployed.log if "was made again" in line["event"]] == [deployed.topic]
    found = entities(deployed)
    assert {found[page] for page in each_once(range(10))} == {1}
    # What was read from our position on before the agent knew is read again as the new topic's.
    assert set(found.values()) <= {1, 2}
    assert stop(process) == 0
    deployed.cluster.produce(deployed.topic, pages(range(110, 120)))
    process = deployed.start()
    wait_for(partial(has_decided_all, deployed, range(120)))
    assert entities(deployed) - found == each_once(range(110, 120))
    assert stop(process) == 0


def test_x20_a_topic_that_is_made_again_while_no_agent_runs_is_read_from_its_beginning(deployed: DeployedAgent) -> None:
    deployed.cluster.produce(deployed.topic, pages(range(10)))
    process = deployed.start()
    wait_for(deployed.caught_up)
    assert stop(process) == 0
    make_again(deployed, range(10, 110))
    process = deployed.start()
    wait_for(partial(has_decided, deployed, range(110)))
    assert stop(process) == 0


def test_x27_partitions_of_a_grown_topic_are_read_within_seconds(deployed: DeployedAgent) -> None:
    process = deployed.start()
    deployed.cluster.produce(deployed.topic, pages(range(10)))
    wait_for(partial(has_decided, deployed, range(10)))
    deployed.cluster.grow_topic(deployed.topic, 8)
    deployed.cluster.produce(deployed.topic, pages(range(10, 50)))
    wait_for(partial(has_decided, deployed, range(50)), seconds=_SECONDS)
    assert stop(process) == 0


def test_f42_an_agent_of_the_password_before_goes_on_with_partitions_that_are_shared_out_anew(
    deployed: DeployedAgent,
) -> None:
    """As in a rotation where Kafka takes one mechanism: its connections live on, and it can open none."""
    process = deployed.start()
    deployed.cluster.produce(deployed.topic, pages(range(10)))
    wait_for(partial(has_decided, deployed, range(10)))
    deployed.cluster.set_passwords({deployed.names.agent_principal: "the next one"})
    deployed.cluster.grow_topic(deployed.topic, 8)
    deployed.cluster.produce(deployed.topic, pages(range(10, 50)))
    wait_for(partial(has_decided, deployed, range(50)), seconds=60)
    assert stop(process) == 0


def test_x27_what_retention_took_is_counted_and_told_and_the_rest_is_decided(deployed: DeployedAgent) -> None:
    deployed.cluster.produce(deployed.topic, pages(range(10)))
    process = deployed.start()
    wait_for(deployed.caught_up)
    assert stop(process) == 0
    deployed.cluster.produce(deployed.topic, pages(range(10, 30)))
    deployed.cluster.delete_records(deployed.topic)
    deployed.cluster.produce(deployed.topic, pages(range(30, 50)))
    process = deployed.start()
    wait_for(deployed.caught_up)
    assert entities(deployed) == each_once([*range(10), *range(30, 50)])
    told = [line for line in deployed.log if line["event"] == "Records were removed before they were read"]
    assert sum(line["offsets"] for line in told) == max(line["all_offsets"] for line in told) == 20
    assert stop(process) == 0
