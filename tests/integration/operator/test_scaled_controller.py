"""The controller with a scaler in it, over fakes: lag is read once a second here, so these take some."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_contract.models.scaling import Lag
from streamwarden_operator.keys import Key
from support.operator_harness import conditions_of, policy, running, scaled, until, whole_namespace
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from streamwarden_contract.models import AgentDeployment, Policy

KEY = Key("AgentDeployment", "risk", "guard")
INPUT, DECISIONS = "risk.pages", "risk.guard.decisions"


@pytest.fixture
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamwarden_operator.reconcilers.scaling.scaler.TICK_S", 0.01)


@pytest.mark.usefixtures("quick_ticks")
async def test_an_agent_at_zero_is_healthy_and_its_policies_wait_for_nobody() -> None:
    pages, commands, strict, _, _ = whole_namespace()
    guard = scaled(polling_interval=1)
    async with running(pages, commands, strict, guard) as harness:
        await until(lambda: conditions_of(harness.get(guard)).get("ScalingActive") == ("True", "OK"))
        await until(lambda: conditions_of(harness.get(strict))["RolledOut"] == ("True", "NoGates"))
        found = harness.get(guard)
        assert conditions_of(found)["GateReady"] == ("True", "ScaledToZero")
        assert conditions_of(found)["Ready"] == ("True", "ScaledToZero")
        assert (found.status.replicas, found.status.lag) == (0, Lag(state="Known", records=0))
        assert harness.rollouts == []

        harness.put(policy("strict", "decision.confidence >= 0.5", generation=2))
        await until(lambda: cast("Policy", harness.get(strict)).status.revision > 1)
        await harness.settle()
        assert conditions_of(harness.get(strict))["RolledOut"] == ("True", "NoGates")


@pytest.mark.usefixtures("quick_ticks")
async def test_lag_wakes_an_agent_and_its_sleep_takes_nothing_back_from_its_policies() -> None:
    pages, commands, strict, _, _ = whole_namespace()
    guard = scaled(polling_interval=1, cooldown_period=0)
    async with running(pages, commands, strict, guard) as harness:
        await until(lambda: conditions_of(harness.get(guard))["Ready"] == ("True", "ScaledToZero"))
        harness.offsets.ends[INPUT, 1] = (0, 25)
        await until(lambda: harness.cluster.replicas["risk", "guard"] == 3)
        await until(lambda: conditions_of(harness.get(guard))["GateReady"] == ("False", "GateNotReady"))
        assert harness.get(guard).status.last_scaling.reason == "Activated"  # type: ignore[union-attr]  # it has changed
        await until(lambda: conditions_of(harness.get(strict))["RolledOut"] == ("False", "WaitingForGates"))
        harness.acks.say(ack_of(harness.binding()))
        await until(lambda: conditions_of(harness.get(guard))["Ready"] == ("True", "OK"))
        await until(lambda: conditions_of(harness.get(strict))["RolledOut"] == ("True", "OK"))

        harness.offsets.committed["risk.guard.agent", INPUT, 1] = (25, "")
        await until(lambda: harness.cluster.replicas["risk", "guard"] == 0)
        harness.acks.say(ack_of(harness.binding(), state="Stopped"))
        await until(lambda: conditions_of(harness.get(guard))["Ready"] == ("True", "ScaledToZero"))
        await harness.settle()
        assert conditions_of(harness.get(strict))["RolledOut"] == ("True", "OK")

        harness.offsets.ends[INPUT, 1] = (0, 26)
        await until(lambda: harness.cluster.replicas["risk", "guard"] == 1)
        harness.acks.say(ack_of(harness.binding(), "pod-9", state="Starting", policies=()))
        await harness.settle()
        assert conditions_of(harness.get(strict))["RolledOut"] == ("True", "OK")


async def test_another_process_says_of_scaling_what_the_one_before_it_said() -> None:
    pages, commands, strict, _, _ = whole_namespace()
    guard = scaled(min_replica_count=1, polling_interval=1)
    async with running(pages, commands, strict, guard) as harness:
        harness.acks.say(ack_of(harness.binding()))
        await until(lambda: conditions_of(harness.get(guard))["Ready"] == ("True", "OK"))
        await harness.settle()
        await harness.controller.stop()
        before = _scaling_of(harness.get(guard))
        harness.controller = harness.new_controller()
        harness.put(pages, commands, strict)
        harness.controller.changed(KEY)
        harness.offsets.ends[INPUT, 0] = (0, 4)  # new lag is no news as long as the pods are enough
        await harness.controller.start()
        harness.controller.caches_complete()
        readings = len(harness.lags.readings)
        await until(lambda: len(harness.lags.readings) > readings + 1)
        await harness.settle()
        assert _scaling_of(harness.get(guard)) == before


def _scaling_of(found: AgentDeployment) -> tuple[object, ...]:
    active = next(part for part in found.status.conditions if part.type == "ScalingActive")
    return found.status.lag, found.status.last_scaling, active
