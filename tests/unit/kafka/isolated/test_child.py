"""One process that reads: how much memory it may use, and what its end says."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.isolated import child
from streamwarden_kafka.isolated.child import Child, most_bytes
from streamwarden_kafka.process_limits import EXIT_OUT_OF_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024


class Ended:
    """A process that has ended."""

    def __init__(self, code: int) -> None:
        self._code = code

    def wait(self, _timeout_s: float) -> int:
        return self._code


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        pytest.param(None, 512 * MIB, id="no-limit"),
        pytest.param(8192 * MIB, 512 * MIB, id="a-large-container"),
        pytest.param(1024 * MIB, 256 * MIB, id="a-quarter"),
        pytest.param(256 * MIB, 128 * MIB, id="what-librdkafka-needs"),
    ],
)
def test_it_may_use_a_quarter_of_a_container_s_limit_within_bounds(limit: int | None, most: int) -> None:
    assert most_bytes(limit) == most


@pytest.mark.parametrize(
    ("code", "kills", "known"),
    [
        pytest.param(-signal.SIGKILL, (4, 5), EXIT_OUT_OF_MEMORY, id="ended-by-the-kernel"),
        pytest.param(-signal.SIGKILL, (4, 4), -signal.SIGKILL, id="killed-by-somebody"),
        pytest.param(-signal.SIGTERM, (4, 5), -signal.SIGTERM, id="told-to-stop-while-the-kernel-ended-another"),
        pytest.param(0, (4, 5), 0, id="ended-in-order-while-the-kernel-ended-another"),
    ],
)
def test_the_kernel_s_kill_where_memory_is_short_is_told_from_others(
    code: int, kills: tuple[int, int], known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Iterator[int] = iter(kills)
    monkeypatch.setattr(child, "kernel_kills", lambda: next(counts))
    monkeypatch.setattr(subprocess, "Popen", lambda *_args, **_settings: Ended(code))
    assert Child("module", ()).end() == known
