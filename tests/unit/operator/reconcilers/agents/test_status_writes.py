"""How often an agent's status is written: each is a request, and an event for all who watch."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from streamwarden_contract.models import AgentDeployment
from streamwarden_operator.desired.management import PAUSE
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.result import Result
from support.operator_harness import Harness, agent, conditions_of, contract, policy, running, until

if TYPE_CHECKING:
    import pytest

CONTRACTS = (contract("pages"), contract("commands"))


def statuses(harness: Harness) -> Counter[object]:
    found = [name for what, kind, name, *_ in harness.cluster.writes if (what, kind) == ("status", "AgentDeployment")]
    return Counter(found)


async def test_new_agents_say_where_they_stand_once_their_bindings_are_written() -> None:
    agents = [agent(f"guard-{number}") for number in range(20)]
    async with running(*CONTRACTS, policy("strict")) as harness:
        harness.put(*agents)
        await until(lambda: all(harness.get(each).status.observed_generation for each in agents))
        await harness.settle()
        assert statuses(harness) == Counter({each.metadata.name: 1 for each in agents})
        assert {conditions_of(harness.get(each))["AccessReady"] for each in agents} == {("True", "OK")}


async def test_agents_applied_together_with_their_contracts_say_nothing_of_what_is_about_to_be() -> None:
    agents = [agent(f"guard-{number}") for number in range(5)]
    async with running(*CONTRACTS, policy("strict"), *agents) as harness:
        await until(lambda: all(harness.get(each).status.observed_generation for each in agents))
        await harness.settle()
        assert statuses(harness) == Counter({each.metadata.name: 1 for each in agents})


async def test_a_system_at_rest_writes_nothing_however_often_all_of_it_is_looked_at() -> None:
    resources = (*CONTRACTS, policy("strict"), *(agent(f"guard-{number}") for number in range(5)))
    async with running(*resources) as harness:
        await until(lambda: all(harness.get(each).status.observed_generation for each in resources))
        await harness.settle()
        written = (list(harness.cluster.writes), list(harness.log.writes))
        for _ in range(3):
            for each in resources:
                harness.controller.add(key_of(each))
            harness.controller.add(Key("PolicyLog", "risk"))
            await harness.settle()
        assert (harness.cluster.writes, harness.log.writes) == written


async def test_the_bindings_of_many_new_agents_are_published_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamwarden_operator.wiring.waking.PACE_S", 3_600.0)
    agents = [agent(f"guard-{number:02}") for number in range(20)]
    log = Key("PolicyLog", "risk")
    async with running(*CONTRACTS, policy("strict")) as harness:
        epochs = harness.controller._logs.published["risk"].state.epoch
        harness.put(*agents)
        await until(lambda: len(harness.controller._logs.bindings_of("risk")) == len(agents))
        harness.controller.add(log)  # as an edit of a policy does
        await until(lambda: len(harness.controller._logs.published["risk"].state.bindings) == len(agents))
        published = harness.controller._logs.published["risk"].state
        assert published.epoch - epochs in {1, 2}  # the log may have been at work as the first of them came


async def test_a_new_agent_whose_binding_is_not_written_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*CONTRACTS, policy("strict")) as harness:
        await harness.settle()
        monkeypatch.setattr("streamwarden_operator.reconcilers.agents.reconciler._SAID_AFTER_S", 0.05)
        harness.log.down = True
        guard = agent()
        harness.put(guard)
        await until(lambda: harness.get(guard).status.observed_generation)
        found = harness.cluster.get(AgentDeployment, "risk", "guard")
        assert found is not None
        assert conditions_of(found)["GateReady"][0] != "True"


async def test_a_new_agent_that_is_paused_before_it_said_anything_is_not_looked_at_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(*CONTRACTS, policy("strict")) as harness:
        await harness.settle()
        reconciler, key = harness.controller.reconcilers["AgentDeployment"], Key("AgentDeployment", "risk", "guard")
        monkeypatch.setattr(reconciler, "_want", lambda _: None)  # its binding is about to be written
        monkeypatch.setattr(reconciler, "_clock_s", lambda: 0.0)  # and it is not late, however busy the machine is
        harness.put(agent())
        await harness.settle()
        assert await reconciler.reconcile(key) == Result(requeue_after_s=5.0)
        harness.put(agent(annotations={PAUSE: "true"}))
        await harness.settle()
        assert conditions_of(harness.get(agent()))["ReconciliationPaused"][0] == "True"
        assert await reconciler.reconcile(key) == Result()
