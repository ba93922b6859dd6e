"""That a log of many agents does not hold the event loop from its reading to its publication (X85)."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_operator.reconcilers.policies import log
from support.operator_harness import WAIT_S, policy, running, whole_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = ("verify_log", "plan_publication")


@pytest.mark.parametrize("step", STEPS)
async def test_x85_others_run_while_a_step_of_an_edit_goes_over_all_agents(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, has_run = asyncio.get_running_loop(), list[bool]()

    def waiting(work: Callable[..., Any]) -> Callable[..., Any]:
        def wait_for_the_loop(*arguments: Any, **named: Any) -> Any:
            turn = threading.Event()
            loop.call_soon_threadsafe(turn.set)
            has_run.append(turn.wait(WAIT_S if all(has_run) else 0))
            return work(*arguments, **named)

        return wait_for_the_loop

    async with running(*whole_namespace()) as harness:
        monkeypatch.setattr(log, step, waiting(getattr(log, step)))
        harness.put(policy("strict", "decision.confidence >= 0.9", generation=2))
        await harness.settle()
    assert set(has_run) == {True}
