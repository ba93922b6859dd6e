from __future__ import annotations

from dataclasses import replace

import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.errors import UnsupportedChangeError
from streamwarden_operator.plans.topics import describe_plan, keep_partitions, plan_topic
from streamwarden_operator.ports import ConfigType, Topic, TopicPlan

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


@pytest.mark.parametrize(
    ("ours", "unset"),
    [
        pytest.param(None, {"retention.ms", "segment.ms"}, id="an-own-topic-carries-nothing-of-others"),
        pytest.param(frozenset(), set(), id="X81-nothing-that-nobody-of-ours-has-set"),
        pytest.param(frozenset({"retention.ms", "retention.bytes"}), {"retention.ms"}, id="X81-what-was-set-once"),
    ],
)
def test_only_what_is_ours_is_taken_away(ours: frozenset[str] | None, unset: set[str]) -> None:
    observed = replace(OBSERVED, config={"retention.ms": "-1", "segment.ms": "7"})
    assert plan_topic(replace(ORDERS, config={}), observed, keyed=True, ours=ours).unset_config == unset


@pytest.mark.parametrize(
    "key",
    [
        "leader.replication.throttled.replicas",
        "follower.replication.throttled.replicas",
        "confluent.placement.constraints",
        "redpanda.remote.read",
    ],
)
@pytest.mark.parametrize("ours", [None, frozenset()])
def test_x42_what_tools_and_brokers_manage_is_left_alone(key: str, ours: frozenset[str] | None) -> None:
    observed = replace(OBSERVED, config={**OBSERVED.config, key: "0:1,1:2"})
    assert not plan_topic(ORDERS, observed, keyed=True, ours=ours)


@pytest.mark.parametrize(
    ("key", "kind", "wanted", "shown"),
    [
        pytest.param("cleanup.policy", ConfigType.LIST, "compact, delete", "compact,delete", id="blanks"),
        pytest.param("cleanup.policy", ConfigType.LIST, "delete,compact", "compact,delete", id="another-order"),
        pytest.param("min.cleanable.dirty.ratio", ConfigType.DOUBLE, "1", "1.0", id="a-whole-number"),
        pytest.param("retention.ms", ConfigType.LONG, "060000", "60000", id="leading-zeros"),
        pytest.param("preallocate", ConfigType.BOOLEAN, "TRUE", "true", id="capitals"),
        pytest.param("compression.type", ConfigType.STRING, " zstd", "zstd", id="a-blank-before"),
    ],
)
def test_x41_configuration_is_compared_as_kafka_means_it(key: str, kind: ConfigType, wanted: str, shown: str) -> None:
    observed = replace(OBSERVED, config={key: shown}, config_types={key: kind})
    assert not plan_topic(replace(ORDERS, config={key: wanted}), observed, keyed=True)


@pytest.mark.parametrize(
    ("key", "kind", "wanted", "shown"),
    [
        pytest.param("cleanup.policy", ConfigType.LIST, "compact", "compact,delete", id="a-shorter-list"),
        pytest.param("retention.ms", ConfigType.LONG, "60000", "60001", id="another-number"),
        pytest.param("compression.type", ConfigType.STRING, "ZSTD", "zstd", id="words-have-their-case"),
        pytest.param("retention.ms", ConfigType.LONG, "a week", "604800000", id="no-value-of-the-type"),
        pytest.param("a.new.one", ConfigType.UNKNOWN, "1", "1.0", id="of-an-unknown-type"),
    ],
)
def test_what_kafka_means_otherwise_is_set(key: str, kind: ConfigType, wanted: str, shown: str) -> None:
    observed = replace(OBSERVED, config={key: shown}, config_types={key: kind})
    plan = plan_topic(replace(ORDERS, config={key: wanted}), observed, keyed=True)
    assert plan == TopicPlan(set_config={key: wanted})


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
