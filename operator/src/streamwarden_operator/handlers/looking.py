"""What every worker and every task beside them does now, for people who ask why something does not go on."""

import asyncio
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from streamwarden_operator import supervision
from streamwarden_operator.wiring.queue import ReconcileQueue

_OURS = "streamwarden_operator"


def look(queue: ReconcileQueue | None) -> dict[str, object]:
    """Return, as JSON: reconciles with key, seconds and what they wait for; what waits or fails; all other tasks.

    Args:
        queue: the work; None: there is none yet, as while another process leads, or the signing key is waited for.
    """
    if queue is None:
        return {"running": [], "waiting": [], "failing": [], "tasks": _tasks(lambda _: False)}
    now_s = asyncio.get_running_loop().time()
    oldest_first = sorted(queue.running.items(), key=lambda each: each[1].since_s)
    return {
        "running": [
            {"key": str(key), "seconds": round(now_s - run.since_s, 3), "awaits": list(awaits(run.task))}
            for key, run in oldest_first
        ],
        "waiting": [
            {"priority": priority.name.lower(), "kind": kind, "keys": keys}
            for (priority, kind), keys in sorted(queue.depth.items())
        ],
        "failing": [str(key) for key in sorted(queue.failing)],
        "tasks": _tasks(queue.has),
    }


def _tasks(is_worker: Callable[["asyncio.Task[Any]"], bool]) -> list[dict[str, object]]:
    return [
        {"name": task.get_name(), "awaits": list(awaits(task))}
        for task in sorted(asyncio.all_tasks(), key=asyncio.Task.get_name)
        if _is_ours(task) and not is_worker(task)
    ]


def awaits(task: "asyncio.Task[Any]") -> Iterator[str]:
    """Yield where a task stands, from its first coroutine to the innermost one that it waits in."""
    awaited: object = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if isinstance(frame, FrameType) and frame.f_globals is not vars(supervision):  # which stands above every task
            yield f"{frame.f_globals.get('__name__')}:{frame.f_lineno} {frame.f_code.co_qualname}"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _is_ours(task: "asyncio.Task[Any]") -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return isinstance(code, CodeType) and _OURS in code.co_filename
