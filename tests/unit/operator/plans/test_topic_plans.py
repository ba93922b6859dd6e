from __future__ import annotations

from dataclasses import replace

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.errors import UnsupportedChangeError
from streamwarden_operator.plans.topics import describe_plan, keep_partitions, plan_topic
from streamwarden_operator.ports import Topic, TopicPlan

ORDERS = Topic("orders", partitions=6, replication_factor=3, config={"retention.ms": "1000"})
OBSERVED = replace(ORDERS, topic_id="an-id")


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param(None, TopicPlan(create=ORDERS), id="absent-topic-is-created"),
        pytest.param(OBSERVED, TopicPlan(), id="equal-topic-is-left-alone"),
        pytest.param(replace(OBSERVED, partitions=3), TopicPlan(grow_to=6), id="partitions-grow"),
        pytest.param(
            replace(OBSERVED, config={"retention.ms": "5", "segment.ms": "7"}),
            TopicPlan(set_config={"retention.ms": "1000"}, unset_config=frozenset({"segment.ms"})),
            id="config-drift-is-undone",
        ),
        pytest.param(
            replace(OBSERVED, config={}), TopicPlan(set_config={"retention.ms": "1000"}), id="lost-config-is-set-again"
        ),
        pytest.param(
            replace(OBSERVED, partitions=1, config={}),
            TopicPlan(grow_to=6, set_config={"retention.ms": "1000"}),
            id="partitions-and-config-change-together",
        ),
    ],
)
def test_plan_brings_the_topic_to_its_contract(observed: Topic | None, expected: TopicPlan) -> None:
    assert plan_topic(ORDERS, observed, keyed=False) == expected


@pytest.mark.parametrize(
    ("desired", "keyed", "message"),
    [
        pytest.param(
            replace(ORDERS, partitions=5),
            False,
            "topic 'orders' has 6 partitions and cannot shrink to 5: write partitions: 6, or make a new contract",
            id="F32-partitions-never-shrink",
        ),
        pytest.param(
            replace(ORDERS, partitions=9),
            True,
            "topic 'orders' has 6 partitions; with 9 its keys would move and lose their order: "
            "write partitions: 6, or make a new contract",
            id="F35-partitions-of-a-keyed-topic-never-grow",
        ),
        pytest.param(
            replace(ORDERS, replication_factor=1),
            False,
            "topic 'orders' has 3 replicas; 1 need a reassignment: "
            "make it with Kafka's own tools, or leave 'replicas' out",
            id="F32-replicas-never-change",
        ),
    ],
)
def test_impossible_changes_are_refused(desired: Topic, *, keyed: bool, message: str) -> None:
    with pytest.raises(UnsupportedChangeError) as caught:
        plan_topic(desired, OBSERVED, keyed=keyed)
    assert str(caught.value) == message
    assert caught.value.reason is ConditionReason.NOT_SUPPORTED


def test_replicas_left_out_follow_whatever_the_topic_has() -> None:
    assert not plan_topic(replace(ORDERS, replication_factor=None), OBSERVED, keyed=True)


def test_a_decision_topic_keeps_the_partitions_it_was_made_with() -> None:
    grown = replace(ORDERS, partitions=12)
    assert keep_partitions(grown, OBSERVED) == ORDERS
    assert keep_partitions(grown, None) == grown


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param(TopicPlan(), "", id="nothing"),
        pytest.param(TopicPlan(create=ORDERS), "create the topic", id="creation"),
        pytest.param(
            TopicPlan(grow_to=9, set_config={"b": "2", "a": "1"}, unset_config=frozenset({"d", "c"})),
            "grow to 9 partitions, set a=1, set b=2, unset c, unset d",
            id="changes-in-a-fixed-order",
        ),
    ],
)
def test_a_plan_describes_itself(plan: TopicPlan, expected: str) -> None:
    assert describe_plan(plan) == expected
    assert bool(plan) == bool(expected)
