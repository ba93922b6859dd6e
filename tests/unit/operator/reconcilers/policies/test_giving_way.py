"""That a log of many agents does not hold the event loop from its reading to its publication (X85)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streamwarden_operator.reconcilers.policies import log
from support.operator_harness import policy, running, whole_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

STEPS = ("verify_log", "plan_for_gates", "sign_plan")


async def test_x85_others_run_between_the_steps_of_an_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, begun = 0, dict[str, int]()

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def noted(step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any, **named: Any) -> Any:
            if "sign_plan" not in begun:  # the publication, and not what follows it
                begun[step] = turns
            return work(*arguments, **named)

        return noting

    async with running(*whole_namespace()) as harness:
        for step in STEPS:
            monkeypatch.setattr(log, step, noted(step, getattr(log, step)))
        counting = asyncio.create_task(count_turns())
        harness.put(policy("strict", "decision.confidence >= 0.9", generation=2))
        await harness.settle()
        counting.cancel()
    assert list(begun) == list(STEPS)
    assert begun["verify_log"] < begun["plan_for_gates"] < begun["sign_plan"]
