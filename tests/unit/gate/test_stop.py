"""Whether the gate was told to end: also by a handler that runs in the middle of a wait."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_gate.stop import Stop

if TYPE_CHECKING:
    from types import FrameType

WAIT_S = 20


@pytest.mark.parametrize("timeout_s", [0.0, 0.01])
def test_a_handler_that_runs_at_any_place_of_a_wait_blocks_nothing(timeout_s: float) -> None:
    stop = Stop()

    def handler(frame: FrameType, event: str, argument: object) -> Any:  # as sys.settrace has it
        del frame, argument
        if event == "line":
            stop.set()
        return handler

    def wait() -> None:
        sys.settrace(handler)
        stop.wait(timeout_s)
        sys.settrace(None)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(WAIT_S)
    assert not waiting.is_alive()
    assert stop.is_set()


def test_a_wait_ends_when_it_is_told_and_later_ones_end_at_once() -> None:
    stop = Stop()
    assert not stop.is_set()
    waiting = threading.Thread(target=stop.wait, args=(60.0,), daemon=True)
    waiting.start()
    stop.set()
    waiting.join(WAIT_S)
    assert not waiting.is_alive()
    stop.wait(60.0)
    assert stop.is_set()


def test_a_wait_that_nobody_ends_ends_by_itself() -> None:
    stop = Stop()
    stop.wait(0.001)
    assert not stop.is_set()
