"""The controller as a whole: who has been fenced ends, who fails is tried again, who stops leaves nothing running."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.errors import CannotGoOnError, LeadershipLostError
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import TopicPlan
from structlog.testing import capture_logs
from support.operator_harness import SETTINGS, contract, policy, running, until, whole_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_operator.ports import SignedRecord


async def test_a_fenced_publisher_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fenced(_topic: str) -> Mapping[bytes, SignedRecord]:
        raise LeadershipLostError("another operator publishes now")

    async with running(policy("strict")) as harness:
        assert not harness.controller.lost.is_set()
        monkeypatch.setattr(harness.log, "read", fenced)
        with capture_logs() as logs:
            harness.controller.add(Key("PolicyLog", "risk"))
            async with asyncio.timeout(10):
                await harness.controller.lost.wait()
    said = [(line["event"], line["error"]) for line in logs if line["log_level"] == "error"]
    assert said == [("leads no more", "another operator publishes now")], "the error alone says why"


async def test_a_publisher_that_is_fenced_while_it_has_nothing_to_write_ends_the_process() -> None:
    async with running(policy("strict")) as harness:
        assert harness.controller.lost_by is None
        harness.log.taken_over.set()
        async with asyncio.timeout(10):
            await harness.controller.lost.wait()
        assert isinstance(harness.controller.lost_by, LeadershipLostError)


async def test_a_publisher_whose_transactions_hang_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging(_topic: str) -> Mapping[bytes, SignedRecord]:
        raise CannotGoOnError("3 transactions hang")

    async with running(policy("strict")) as harness:
        assert harness.controller.lost_by is None
        monkeypatch.setattr(harness.log, "read", hanging)
        harness.controller.add(Key("PolicyLog", "risk"))
        async with asyncio.timeout(10):
            await harness.controller.lost.wait()
        assert str(harness.controller.lost_by) == "3 transactions hang"


async def test_what_fails_is_named_until_it_heals() -> None:
    async with running(*whole_namespace()) as harness:
        key = Key("AgentDeployment", "risk", "guard")
        harness.users.down = True
        harness.controller.add(key)
        await until(lambda: key in harness.controller.failing)
        assert not harness.controller.idle
        harness.users.down = False
        await until(lambda: harness.controller.idle)
        assert harness.controller.failing == frozenset()


@pytest.mark.slow
async def test_f04_of_edits_that_no_watch_told_of_the_last_one_counts() -> None:
    settings = SETTINGS.model_copy(update={"resync_interval": timedelta(milliseconds=50)})
    async with running(*whole_namespace(), settings=settings) as harness:
        pages = harness.get(contract("pages"))
        for generation, retention in ((2, "2000"), (3, "3000"), (4, "4000")):
            metadata = pages.metadata.model_copy(update={"generation": generation})
            spec = pages.spec.model_copy(update={"config": {"retention.ms": retention}})
            harness.cluster.put(pages.model_copy(update={"metadata": metadata, "spec": spec}))
        await until(lambda: harness.get(pages).status.observed_generation == 4)
        assert harness.topics.topics["risk.pages"].config["retention.ms"] == "4000"
        plans = [effect[3] for effect in harness.effects if effect[:3] == ("topics", "apply", "risk.pages")]
        set_to = [plan.set_config for plan in plans if isinstance(plan, TopicPlan)]
        assert [config["retention.ms"] for config in set_to if "retention.ms" in config] == ["4000"]


async def test_a_defect_in_one_look_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*whole_namespace()) as harness:
        monkeypatch.setattr(harness.controller.reconcilers["Policy"], "reconcile", None)
        harness.controller.add(Key("Policy", "risk", "strict"))
        await until(lambda: Key("Policy", "risk", "strict") in harness.controller.failing)
        harness.acls.acls.clear()
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await until(lambda: len(harness.acls.acls) > 0)


async def test_status_changes_are_told() -> None:
    async with running(*whole_namespace()) as harness:
        told: list[Key] = []
        harness.controller.on_status = told.append
        harness.put(policy("late"))
        await harness.settle()
        assert Key("Policy", "risk", "late") in told
        assert Key("TopicContract", "risk", "pages") not in told


async def test_stopping_closes_what_was_opened() -> None:
    async with running(*whole_namespace()) as harness:
        assert harness.acks.running
    assert not harness.acks.running
    assert harness.log.closed
