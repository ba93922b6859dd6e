from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
from streamwarden_gate.watchdog import Watchdog
watchdog = Watchdog(limit_s={limit})
with watchdog.watching():
    threading.Event().wait({wait})
"""


def test_a_call_that_never_returns_ends_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM.format(limit=0.1, wait=30)], timeout=25, check=False)
    assert ended.returncode == 1


def test_a_call_that_returns_does_not() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM.format(limit=20, wait=0)], timeout=25, check=False)
    assert ended.returncode == 0
