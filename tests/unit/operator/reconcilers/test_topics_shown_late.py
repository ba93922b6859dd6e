"""A topic that a broker does not show yet, though it is made: one that has just come back, as after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_contract.inventory import NamespaceItem, Stage
from streamwarden_operator.ports import Topic
from structlog.testing import capture_logs
from support.fakes import FakeTopics
from support.operator_harness import conditions_of, contract, running, until, whole_namespace
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from support.operator_harness import Harness

GUARD = whole_namespace()[-1]
PAGES = contract("pages")
POLICIES = "risk.streamwarden.policies"


class LateTopics(FakeTopics):
    """Shows one topic only when it is asked for it a number of times after that was made."""

    def __init__(self, name: str, late: int = 1) -> None:
        super().__init__()
        self._name, self.late = name, late

    @override
    async def observe(self, names: Collection[str]) -> Mapping[str, Topic]:
        found = dict(await super().observe(names))
        if self._name in found and self.late:
            self.late -= 1
            del found[self._name]
        return found


def shown_late(name: str, late: int = 1, *existing: Topic) -> Callable[[Harness], None]:
    def show(harness: Harness) -> None:
        topics = LateTopics(name, late)
        topics.topics = {topic.name: topic for topic in existing}
        topics.writes = harness.topics.writes
        harness.topics = harness.offsets._topics = harness.lags._topics = topics

    return show


def late_of(harness: Harness) -> int:
    return cast("LateTopics", harness.topics).late


@pytest.mark.parametrize(
    "name",
    ["risk.guard.decisions", "streamwarden.policies"]
    + [f"risk.streamwarden.{each}" for each in ("audit", "dlq", "gates", "policies")],
)
async def test_f31_a_topic_that_is_shown_late_is_waited_for_and_breaks_no_reconcile(name: str) -> None:
    with capture_logs() as logs:
        async with running(*whole_namespace(), prepare=shown_late(name)) as harness:
            await until(lambda: conditions_of(harness.get(GUARD)).get("TopicsReady") == ("True", "OK"))
            assert late_of(harness) == 0
    assert [line["key"] for line in logs if line["event"] == "reconcile broke"] == []


def policy_topic(topic_id: str) -> Topic:
    return Topic(POLICIES, 1, 1, {"cleanup.policy": "compact"}, topic_id=topic_id)


async def test_f8_a_namespace_that_was_claimed_just_before_a_kill_stays_ours_where_its_topic_is_shown_late() -> None:
    def killed_between(harness: Harness) -> None:
        shown_late(POLICIES, 1, policy_topic("ours"))(harness)
        harness.remember(NamespaceItem(namespace="risk", stage=Stage.INTENT))

    async with running(PAGES, prepare=killed_between) as harness:
        await until(lambda: conditions_of(harness.get(PAGES)).get("TopicReady") == ("True", "OK"))
        assert late_of(harness) == 0


async def test_x80_a_policy_topic_of_somebody_else_that_is_shown_late_claims_nothing() -> None:
    async with running(PAGES, prepare=shown_late(POLICIES, 2, policy_topic("theirs"))) as harness:
        await until(lambda: conditions_of(harness.get(PAGES)).get("TopicReady") == ("False", "NamespaceTaken"))
        assert late_of(harness) == 0
        assert "risk.pages" not in harness.topics.topics
        assert b"namespace/risk" not in harness.log.topics["streamwarden.inventory"]
