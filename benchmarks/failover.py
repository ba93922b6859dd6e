"""For how long nobody writes when the leader ends, on a real API server and a real Kafka, with a warm stand-by.

Told by the API server's audit log and by the times of the batches in Kafka's logs. A Policy is edited just after the
leader has got its signal, so that there is something to write.
"""

from __future__ import annotations

import datetime as dt
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness import ROOT, Figures, Goal, Result, percentile

sys.path.insert(0, str(ROOT / "tests"))  # the same operators beside an API server as the tests'

from support.operator_site import Site, running_site  # needs the path above
from support.stack_fixture import running_stack  # likewise

if TYPE_CHECKING:
    from support.operator_process import OperatorProcess

NAME = "failover"
TIMES = 5
ENDS = {"killed": signal.SIGKILL, "stopped": signal.SIGTERM}
GOALS = (Goal("killed_next_write_max_s", "below", 15), Goal("stopped_next_write_max_s", "below", 2))


def run() -> Result:
    """End a leader again and again, and return the figures."""
    with tempfile.TemporaryDirectory(prefix="streamwarden-bench-") as name:
        folder = Path(name)
        with running_stack(folder / "stack") as stack, running_site(folder, stack) as site:
            leader, figures = site.lead(), Figures()
            for word, number in ENDS.items():
                waits = []
                for _ in range(TIMES):
                    leader, wait = _hand_over(site, leader, number)
                    waits.append(wait)
                figures |= _figures(f"{word}_next_write", [write_s for write_s, _ in waits])
                figures |= _figures(f"{word}_published", [published_s for _, published_s in waits])
            site.stop_all()
    notes = (
        f"{TIMES} times each; from the signal to the stand-by's first write, and to an edited Policy on the log",
        "stopped: the leader ends what it does, and empties the Lease",
    )
    return Result(NAME, figures, GOALS, notes)


def _hand_over(site: Site, leader: OperatorProcess, number: int) -> tuple[OperatorProcess, tuple[float, float]]:
    """End the leader; return who leads then, and after how many seconds that one wrote, and published."""
    successor = site.stand_by()
    site.edit_policy()
    epoch = max(batch.epoch for batch in site.published())
    began = dt.datetime.now(dt.UTC)
    leader.signal(number)
    site.edit_policy()
    leader.wait()
    site.assert_one_after_the_other(leader, successor)
    (first, _), *_ = site.server.writes(successor.user_agent)
    published_ms = min(batch.at_ms for batch in site.published() if batch.epoch > epoch and not batch.is_marker)
    written_s, published_s = (first - began).total_seconds(), published_ms / 1000 - began.timestamp()
    return successor, (min(written_s, published_s), published_s)


def _figures(what: str, waits_s: list[float]) -> Figures:
    return {f"{what}_p50_s": round(percentile(waits_s, 0.5), 2), f"{what}_max_s": round(max(waits_s), 2)}
