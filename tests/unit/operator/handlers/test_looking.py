"""A look inside: what every worker is busy with, since when, and what it waits for."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from streamwarden_operator.handlers.looking import awaits, look
from streamwarden_operator.keys import Key
from support.operator_harness import running, until, whole_namespace

if TYPE_CHECKING:
    import pytest
    from streamwarden_operator.ports import Topic


async def test_a_reconcile_that_hangs_is_shown_with_key_time_and_the_await_it_hangs_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = asyncio.Event()

    async def hanging(_names: object) -> dict[str, Topic]:
        await go_on.wait()
        raise RuntimeError("enough")

    async with running(*whole_namespace()) as harness:
        queue = harness.controller.queue
        assert look(queue)["running"] == []
        monkeypatch.setattr(harness.topics, "observe", hanging)
        key = Key("TopicContract", "risk", "pages")
        harness.controller.add(key)
        await until(lambda: key in queue.running)
        seen: dict[str, Any] = json.loads(json.dumps(look(queue)))
        (found,) = seen["running"]
        assert found["key"] == "TopicContract risk/pages"
        assert 0 <= found["seconds"] < 60
        assert "WorkQueue.work" in found["awaits"][0]
        assert any("TopicContractReconciler.reconcile" in step for step in found["awaits"])
        assert any("hanging" in step for step in found["awaits"][-2:])
        names = [task["name"] for task in seen["tasks"]]
        assert "scaler" in names
        assert not any(name.startswith("worker-") for name in names)
        monkeypatch.undo()
        go_on.set()
        await until(lambda: not queue.running)


async def test_what_waits_and_what_fails_are_shown() -> None:
    async with running(*whole_namespace()) as harness:
        harness.users.down = True
        key = Key("AgentDeployment", "risk", "guard")
        harness.controller.add(key)
        await until(lambda: key in harness.controller.failing)
        harness.controller.add(Key("Policy", "risk", "strict"))
        seen = look(harness.controller.queue)
        assert {"priority": "first", "kind": "Policy", "keys": 1} in seen["waiting"]  # type: ignore[operator]  # a list
        assert seen["failing"] == ["AgentDeployment risk/guard"]
        harness.users.down = False


async def test_where_a_task_stands_is_told_from_its_first_coroutine_to_the_innermost() -> None:
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    steps = [step.rpartition(".")[2] for step in awaits(task)]
    assert steps == ["outer", "inner", "wait"]
    task.cancel()
