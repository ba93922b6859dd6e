"""How often all that is alive is gone over, in a process of its own: the tests' has settings of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LOOKS = """
import gc, json, sys
from streamwarden_operator.garbage import leave_out_what_is_there, look_seldom
if sys.argv[1] == "seldom":
    look_seldom()
    leave_out_what_is_there()
before = gc.get_stats()
kept = [[number] for number in range(500_000)]
looks = [now["collections"] - then["collections"] for now, then in zip(gc.get_stats(), before)]
print(json.dumps({"young": looks[0] > 0, "all": looks[2] > 0, "begins with nothing": gc.get_freeze_count() > 1_000}))
"""


@pytest.mark.parametrize(
    ("settings", "looks"),
    [
        pytest.param(
            "seldom",
            {"young": True, "all": False, "begins with nothing": True},
            id="young-ones-are-looked-at-and-half-a-million-that-stay-are-not",
        ),
        pytest.param(
            "python's own",
            {"young": True, "all": True, "begins with nothing": False},
            id="which-is-otherwise-by-pythons-own-settings",
        ),
    ],
)
def test_for_garbage_in_cycles(settings: str, looks: dict[str, bool]) -> None:
    done = subprocess.run([sys.executable, "-c", LOOKS, settings], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == looks
