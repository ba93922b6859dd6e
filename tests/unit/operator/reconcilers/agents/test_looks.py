"""How often a reconcile asks Kafka about an agent: only where what it goes by has changed, or is too old."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.names import AgentNames
from streamwarden_operator.desired.names import ROTATE_CREDENTIALS_ANNOTATION
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Topic
from streamwarden_operator.reconcilers.agents.login_tries import AGAIN_S, DOUBTED_S
from streamwarden_operator.reconcilers.agents.looks import Looks, bare
from support.operator_harness import (
    Harness,
    agent,
    conditions_of,
    contract,
    policy,
    running,
    until,
    whole_namespace,
)
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

AGENT = Key("AgentDeployment", "risk", "guard")
GUARD = AgentNames("risk", "guard")
ASKED = ("topics.observe", "users.observe", "offsets.observe", "logins.check", "cluster.read_secret")


class Asked:
    """Counts what is asked of Kafka, and of Secrets."""

    def __init__(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = Counter[str]()
        for name in ASKED:
            backend, _, method = name.partition(".")
            whole = getattr(harness, backend)
            monkeypatch.setattr(whole, method, self._counted(name, getattr(whole, method)))

    def _counted(self, name: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*arguments: Any, **named: Any) -> Any:
            self.times[name] += 1
            return await ask(*arguments, **named)

        return asked


@asynccontextmanager
async def standing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Harness, Asked]]:
    """A namespace whose agent has come as far as it can; what is asked from then on is counted."""

    def looks_last(harness: Harness) -> None:
        harness.looks_last_s = 3_600.0

    async with running(*whole_namespace(), prepare=looks_last) as harness:
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("True", "OK")
        yield harness, Asked(harness, monkeypatch)


async def woken(harness: Harness) -> None:
    harness.controller.add(AGENT)
    await harness.settle()


async def test_a_reconcile_that_only_kubernetes_woke_asks_kafka_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, asked):
        for _ in range(3):
            await woken(harness)
        assert asked.times == Counter()
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("True", "OK")


async def test_x87_the_look_of_a_quiet_resync_asks_once_for_each_thing_and_tries_each_user_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with standing(monkeypatch) as (harness, asked):
        harness.acks.say(ack_of(harness.binding()))
        await until(lambda: conditions_of(harness.get(agent()))["Ready"] == ("True", "OK"))
        await harness.settle()
        harness.access.looks.forget(GUARD)  # as when they are a resync interval old
        last = harness.access.users.tries.last
        last |= {user: tried_s - AGAIN_S for user, tried_s in last.items()}
        asked.times.clear()
        await woken(harness)
        assert asked.times == {
            "topics.observe": 1,
            "users.observe": 1,
            "offsets.observe": 1,
            "logins.check": 2,
            "cluster.read_secret": 2,
        }


async def test_an_edit_of_a_policy_asks_nothing_of_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, asked):
        before = harness.binding()
        harness.put(policy("strict", "decision.confidence >= 0.9", generation=2))
        await harness.settle()
        assert harness.binding().policies != before.policies
        assert asked.times == Counter()


async def test_a_contract_that_has_changed_is_a_reason_to_look_at_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, asked):
        pages = harness.get(contract("pages"))
        version = pages.metadata.model_copy(update={"resource_version": "another"})
        harness.cluster.put(pages.model_copy(update={"metadata": version}))
        await woken(harness)
        assert asked.times == Counter({"topics.observe": 1})


async def test_an_annotation_is_a_reason_to_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, asked):
        guard = harness.get(agent())
        said = guard.metadata.model_copy(update={"annotations": {"example.com/touched": "now"}})
        harness.cluster.put(guard.model_copy(update={"metadata": said}))
        await woken(harness)
        assert asked.times.keys() >= {"topics.observe", "users.observe", "offsets.observe", "cluster.read_secret"}


async def test_a_wish_for_new_passwords_is_a_reason_to_look_at_users(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, asked):
        guard = harness.get(agent())
        wish = guard.metadata.model_copy(update={"annotations": {ROTATE_CREDENTIALS_ANNOTATION: "now"}})
        harness.put(guard.model_copy(update={"metadata": wish}))
        await harness.settle()
        assert {GUARD.agent_principal, GUARD.gate_principal} <= harness.users.others.keys()
        assert asked.times["users.observe"] > 0


async def test_what_ended_with_an_error_is_a_reason_to_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, asked):
        harness.acls.acls.clear()
        harness.acls.down = True
        harness.controller.add(AGENT)
        await until(lambda: AGENT in harness.controller.failing)
        harness.acls.down = False
        await harness.settle()
        assert asked.times.keys() >= {"topics.observe", "users.observe", "offsets.observe"}


async def test_an_agent_that_stands_no_more_is_a_reason_to_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, asked):
        harness.acks.say(ack_of(harness.binding()))
        await harness.settle()
        assert conditions_of(harness.get(agent()))["Ready"] == ("True", "OK")
        assert asked.times == Counter()
        harness.users.passwords.clear()
        harness.acks.say(ack_of(harness.binding(), state="Stale", message="its user is gone"))
        await harness.settle()
        assert harness.users.passwords.keys() == {GUARD.agent_principal, GUARD.gate_principal}


async def test_lost_offsets_are_found_once_a_gate_stops_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as (harness, _):
        harness.acks.say(ack_of(harness.binding()))
        await harness.settle()
        harness.offsets.committed.clear()
        harness.offsets.ends = {(GUARD.decisions, number): (0, 9) for number in range(3)}
        harness.acks.say(ack_of(harness.binding(), state="Rejected", message="no committed offset"))
        await harness.settle()
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("False", "OffsetsLost")
        assert not [acl for acl in harness.acls.acls if acl.principal == f"User:{GUARD.agent_principal}"]


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def looked(looks: Looks) -> None:
    looks.begin(GUARD, "wish", doubted=False)
    looks.topics.note(GUARD, "asked", {})
    looks.users.note(GUARD, "asked", "hash")
    looks.epochs.note(GUARD, "asked", (3, 4))


ALL: tuple[object, ...] = ({}, "hash", (3, 4))
NONE = (None, None, None)
TIMES = {
    "standing, before its time": (False, 299.0, ALL),
    "standing, at its time": (False, 300.0, NONE),
    "in doubt, before its time": (True, DOUBTED_S - 1, ALL),
    "in doubt, at its time": (True, DOUBTED_S, NONE),
}


@pytest.mark.parametrize(("doubted", "after_s", "known"), TIMES.values(), ids=TIMES)
def test_looks_are_good_for_their_time_and_for_less_while_an_agent_does_not_stand(
    *, doubted: bool, after_s: float, known: tuple[object, ...]
) -> None:
    clock = Clock()
    looks = Looks(300.0, clock)
    looked(looks)
    clock.now_s += after_s
    looks.begin(GUARD, "wish", doubted=doubted)
    found = (looks.topics.find(GUARD, "asked"), looks.users.find(GUARD, "asked"), looks.epochs.find(GUARD, "asked"))
    assert found == known


def test_a_look_that_went_by_something_else_is_no_good() -> None:
    looks = Looks(300.0, Clock())
    looked(looks)
    assert looks.users.find(GUARD, "another") is None
    assert looks.users.find(AgentNames("risk", "another"), "asked") is None


def test_a_resync_comes_when_the_oldest_look_is_too_old_and_not_again_and_again() -> None:
    clock = Clock()
    looks = Looks(300.0, clock)
    assert looks.left_s(("risk", "guard")) == float("inf")
    looked(looks)
    clock.now_s += 100.0
    looks.begin(GUARD, "wish", doubted=False)
    looks.epochs.note(GUARD, "asked", (5, 6))
    assert looks.left_s(("risk", "guard")) == 200.0
    clock.now_s += 200.0
    assert looks.left_s(("risk", "guard")) == float("inf")


async def test_what_an_agent_lacks_that_does_not_stand_is_looked_for_soon_though_nothing_wakes_it() -> None:
    """A new agent's Secret that somebody deleted came back after the resync interval, though a minute was said."""

    def looks_last(harness: Harness) -> None:
        harness.looks_last_s = 3_600.0

    async with running(*whole_namespace(), prepare=looks_last) as harness:
        assert conditions_of(harness.get(agent()))["Ready"][0] == "False"
        result = await harness.controller.reconcilers["AgentDeployment"].reconcile(AGENT)
        assert result.resync_within_s == DOUBTED_S


def test_another_wish_is_a_reason_to_look_at_all() -> None:
    looks = Looks(300.0, Clock())
    looked(looks)
    looks.begin(GUARD, "another wish", doubted=False)
    assert (looks.topics.find(GUARD, "asked"), looks.epochs.find(GUARD, "asked")) == (None, None)


def test_where_looks_are_good_for_nothing_each_pass_looks() -> None:
    looks = Looks(0.0, Clock())
    looked(looks)
    looks.begin(GUARD, "wish", doubted=False)
    assert looks.users.find(GUARD, "asked") is None


def test_topics_are_remembered_without_their_configuration() -> None:
    topic = Topic("risk.pages", 3, 1, {"retention.ms": "1"}, "id", {"cleanup.policy": "delete"})
    assert bare({"risk.pages": topic}) == {"risk.pages": Topic("risk.pages", 3, 1, {}, "id")}
