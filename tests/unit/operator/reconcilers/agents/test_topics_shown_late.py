"""A decision topic that a broker does not show yet, though it is made: one that has just come back, as after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from structlog.testing import capture_logs
from support.fakes import FakeTopics
from support.operator_harness import conditions_of, running, until, whole_namespace
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from streamwarden_operator.ports import Topic
    from support.operator_harness import Harness

GUARD = whole_namespace()[-1]
DECISIONS = "risk.guard.decisions"


class LateTopics(FakeTopics):
    """Shows the decision topic only when it is asked for the second time after that was made."""

    late = 1

    @override
    async def observe(self, names: Collection[str]) -> Mapping[str, Topic]:
        found = dict(await super().observe(names))
        if DECISIONS in found and self.late:
            self.late -= 1
            del found[DECISIONS]
        return found


def show_late(harness: Harness) -> None:
    late = LateTopics()
    late.writes = harness.topics.writes
    harness.topics = harness.offsets._topics = harness.lags._topics = late


async def test_f31_a_decision_topic_that_is_shown_late_is_waited_for_and_breaks_no_reconcile() -> None:
    with capture_logs() as logs:
        async with running(*whole_namespace(), prepare=show_late) as harness:
            await until(lambda: conditions_of(harness.get(GUARD)).get("TopicsReady") == ("True", "OK"))
            assert cast("LateTopics", harness.topics).late == 0
    assert [line["key"] for line in logs if line["event"] == "reconcile broke"] == []
