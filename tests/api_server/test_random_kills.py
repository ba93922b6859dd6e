"""An operator that is killed at random, a hundred times, while all changes and one broker of three goes and comes.

Marked ``chaos``: each kill takes seconds, and what meets what is left to chance. ``CHAOS_SEED`` draws the same moments
again, ``CHAOS_KILLS`` says how many, and ``CHAOS_SECONDS`` for how long at most; each ten are spread over all of an
operator's life (``support/moments.py``).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.restless_site import restless_site
from support.strangers import changed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.chaos, pytest.mark.api_server]
SEED = int(os.environ.get("CHAOS_SEED", "0"))
KILLS = int(os.environ.get("CHAOS_KILLS", "100"))
LONGEST_S = float(os.environ.get("CHAOS_SECONDS", "inf"))
ROUND = 10
"""Kills after which one operator is left alone until all is as it should be."""
SHARED = {
    *(f"risk.streamwarden.{each}" for each in ("audit", "dlq", "gates", "policies")),
    *("streamwarden.inventory", "streamwarden.policies"),
}
"""Topics that outlive all agents."""
MAY_BE = {"the Lease was not renewed in time", "leads no more"}
"""Errors of one whose machine is too busy to renew its Lease: it ends, and is started again."""
STRANGERS = ("billing.invoice.agent", "risk.ghost.gate", "alice")


@pytest.mark.parametrize("seed", [pytest.param(SEED, id=f"seed-{SEED}")])
def test_f8_an_operator_killed_at_random_converges_and_leaves_nothing_over(
    tmp_path: Path, seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with restless_site(tmp_path, seed) as site:
        asyncio.run(site.kafka.make({user: f"{user}.topic" for user in STRANGERS}))
        before = asyncio.run(site.kafka.dump())
        site.begin()
        until_s = time.monotonic() + LONGEST_S
        for done in range(0, KILLS, ROUND):
            if time.monotonic() >= until_s:
                break
            site.live_and_die(min(ROUND, KILLS - done), until_s)
            site.threads.resting.set()
            site.rest()
            site.threads.resting.clear()
            with capfd.disabled():  # stderr, which the processes of a run have in common
                sys.stderr.write(f"{site.progress()}\n")
            site.operators[-1].kill()
        site.threads.resting.set()
        sent = site.decide_no_more()

        site.start_operator()
        site.until(site.caught_up, site.explain)
        site.until(site.bouncer.whole, str)
        sys.stdout.write(f"{site.report(len(sent))}\n")
        assert [line for line in site.errors() if line["event"] not in MAY_BE] == []
        judged = site.judged()
        assert {entity: said for entity, said in judged.items() if said != [sent[entity]]} == {}
        assert judged.keys() == sent.keys()
        assert site.commanded() == Counter(entity for entity, verdict in sent.items() if verdict == "Allow")
        code, said = site.audit_verify()
        assert code == 0, said
        for topic, epochs in site.epochs().items():
            assert epochs == sorted(set(epochs)), topic

        site.people.delete_all()
        site.until(lambda: site.people.settle() and not site.left_objects(), site.explain)
        after = asyncio.run(site.kafka.dump())
        assert changed(before, after) == {}
        assert [key for key in after.keys() - before.keys() if not stays(*key)] == []


def stays(kind: str, name: str) -> bool:
    """Tell whether it stays when all resources are gone: what was judged, how far, and what is in force."""
    if kind == "topic":
        return name in SHARED or name.endswith(".decisions")
    return kind == "group" and name.startswith("risk.") and name.endswith(".gate")
