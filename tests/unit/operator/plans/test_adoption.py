"""Whose a contract's topic is, and what taking it over would change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.inventory import Stage, TopicItem
from streamwarden_operator.plans.adoption import Hold, describe_adoption, hold_of, is_held
from streamwarden_operator.plans.topics import plan_topic
from streamwarden_operator.ports import Topic
from support.manifests import contract

if TYPE_CHECKING:
    from streamwarden_contract.models import TopicContract

URLS = contract()
DESIRED = Topic("risk.urls", 3, config={"retention.ms": "1000"})
FOUND = Topic("risk.urls", 3, 1, config={"retention.ms": "1000"}, topic_id="a")
ITEM = TopicItem(
    topic="risk.urls",
    namespace="risk",
    contract="urls",
    owner_uid=URLS.metadata.uid,
    topic_id="a",
    config=("retention.ms",),
    stage=Stage.MADE,
)
INTENT = ITEM.model_copy(update={"stage": Stage.INTENT, "topic_id": ""})
OTHERS = ITEM.model_copy(update={"owner_uid": "another", "adopted": "nothing"})
TOLD = Hold(is_new=True)


def known(topic_id: str) -> TopicContract:
    """Return the contract with a status of an installation from before there were inventories."""
    return URLS.model_copy(update={"status": URLS.status.model_copy(update={"topic_id": topic_id})})


@pytest.mark.parametrize(
    ("owner", "item", "observed", "expected"),
    [
        pytest.param(URLS, None, None, Hold(), id="there-is-none"),
        pytest.param(URLS, None, FOUND, TOLD, id="X48-of-somebody-else"),
        pytest.param(known("a"), None, FOUND, Hold(), id="of-an-installation-from-before-there-were-inventories"),
        pytest.param(known("b"), None, FOUND, Hold(), id="made-again-is-told-as-drift"),
        pytest.param(URLS, ITEM, FOUND, Hold(frozenset({"retention.ms"})), id="made-for-this-contract"),
        pytest.param(known("a"), ITEM, replace(FOUND, topic_id="b"), Hold(), id="made-again-by-somebody-else"),
        pytest.param(URLS, INTENT, FOUND, Hold(), id="a-crash-after-it-was-made"),
        pytest.param(
            URLS, INTENT, replace(FOUND, config={"retention.ms": "-1"}), TOLD, id="somebody-was-faster-after-our-intent"
        ),
        pytest.param(URLS, INTENT, replace(FOUND, partitions=5), TOLD, id="or-with-other-partitions"),
        pytest.param(URLS, OTHERS, FOUND, Hold(adopted="nothing"), id="of-a-contract-before-this-one"),
        pytest.param(URLS, OTHERS, replace(FOUND, topic_id="b"), TOLD, id="another-topic-than-that-contract-had"),
    ],
)
def test_whose_a_topic_is(owner: TopicContract, item: TopicItem | None, observed: Topic | None, expected: Hold) -> None:
    assert hold_of(owner, item, DESIRED, observed) == expected


DEFAULTS = {"retention.ms": "604800000", "segment.ms": "604800000", "retention.bytes": "-1"}


@pytest.mark.parametrize(
    ("desired", "observed", "said"),
    [
        pytest.param({"retention.ms": "1000"}, {"retention.ms": "1000"}, "nothing has to be changed", id="as-it-is"),
        pytest.param(
            {"retention.ms": "1000"},
            {"retention.ms": "-1"},
            "set retention.ms=1000 (was -1); records may be deleted for it: retention.ms",
            id="X48-what-may-be-lost-is-said",
        ),
        pytest.param(
            {"retention.ms": "-1"}, {}, "set retention.ms=-1 (was the broker's default, 604800000)", id="longer"
        ),
        pytest.param(
            {"retention.bytes": "5"},
            {},
            ("set retention.bytes=5 (was the broker's default, -1); records may be deleted for it: retention.bytes"),
            id="by-size",
        ),
        pytest.param(
            {"cleanup.policy": "compact"},
            {},
            "set cleanup.policy=compact (was not set); records may be deleted for it: cleanup.policy",
            id="compaction",
        ),
        pytest.param(
            {},
            {"retention.ms": "-1", "segment.ms": "7"},
            (
                "nothing has to be changed; left as it is, as the contract does not name it: "
                "retention.ms=-1, segment.ms=7"
            ),
            id="X81-what-is-not-named-stays",
        ),
    ],
)
def test_what_taking_over_changes(desired: dict[str, str], observed: dict[str, str], said: str) -> None:
    wanted, found = replace(DESIRED, config=desired), replace(FOUND, config=observed, defaults=DEFAULTS)
    plan = plan_topic(wanted, found, keyed=True, ours=frozenset())
    assert describe_adoption(plan, wanted, found) == said


def test_more_partitions_are_said_first() -> None:
    wanted = replace(DESIRED, partitions=6)
    plan = plan_topic(wanted, FOUND, keyed=False, ours=frozenset())
    assert describe_adoption(plan, wanted, FOUND) == "grow to 6 partitions (from 3)"


@pytest.mark.parametrize(
    ("owner", "item", "held"),
    [
        pytest.param(URLS, ITEM, True, id="the-inventory-has-it"),
        pytest.param(known("a"), ITEM.model_copy(update={"topic_id": "b"}), False, id="X88-status-is-no-order"),
        pytest.param(URLS, INTENT, True, id="a-crash-after-it-was-made"),
        pytest.param(known("a"), None, True, id="of-an-installation-from-before-there-were-inventories"),
        pytest.param(URLS, None, False, id="nobody-knows-it"),
    ],
)
def test_which_topic_a_contract_deletes(owner: TopicContract, item: TopicItem | None, *, held: bool) -> None:
    assert is_held(owner, item, DESIRED, FOUND) is held
