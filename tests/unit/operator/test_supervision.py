"""X93: whatever breaks beside the work queue is started again, logged and counted."""

from __future__ import annotations

import asyncio

import pytest
from streamwarden_operator.supervision import LONGEST_PAUSE_S, Supervisor, pause_s
from structlog.testing import capture_logs
from support.operator_harness import until


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyError("kind"), id="X93-a-bad-answer"),
        pytest.param(SystemError("a callback of a client"), id="X93-a-defect-of-a-client"),
        pytest.param(asyncio.CancelledError(), id="X93-a-future-that-somebody-else-gave-up"),
    ],
)
async def test_a_task_that_breaks_is_started_again_and_told(error: BaseException) -> None:
    runs: list[int] = []
    restarts: list[str] = []

    async def breaks_twice() -> None:
        runs.append(len(runs))
        await asyncio.sleep(0)
        if len(runs) <= 2:
            raise error
        await asyncio.Event().wait()

    supervisor = Supervisor(first_pause_s=0.001)
    supervisor.on_restart = restarts.append
    with capture_logs() as logs:
        supervisor.start(breaks_twice, role="resync")
        await until(lambda: len(runs) == 3)
        (task,) = supervisor.tasks
        await supervisor.stop()
    assert task.cancelled()
    assert restarts == ["resync", "resync"]
    assert [(entry["event"], entry["task"], entry["breaks"]) for entry in logs] == [
        ("task broke, and is started again", "resync", 1),
        ("task broke, and is started again", "resync", 2),
    ]


async def test_a_task_that_has_done_its_work_is_left_alone() -> None:
    runs: list[int] = []

    async def returns() -> None:
        runs.append(1)

    supervisor = Supervisor(first_pause_s=0)
    supervisor.start(returns, role="loss")
    await asyncio.gather(*supervisor.tasks)
    assert runs == [1]
    await supervisor.stop()


def test_pauses_grow_up_to_a_minute() -> None:
    assert [pause_s(breaks) for breaks in (1, 2, 3, 7, 10_000)] == [1.0, 2.0, 4.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
