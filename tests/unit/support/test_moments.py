"""Kills at random are spread over all of an operator's life, and can be had again."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from support.moments import EDITS, LEADS, LISTED, LOOKS, PHASES, RESTS, STARTS, WRITES, draw, phase_of

TEN = Counter({STARTS: 1, LISTED: 1, LEADS: 1, LOOKS: 2, WRITES: 2, EDITS: 2, RESTS: 1})


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # to be had again, not to be secret


@pytest.mark.parametrize("seed", range(5))
def test_each_ten_kills_are_spread_over_all_phases_whatever_the_seed(seed: int) -> None:
    moments = draw(chance(seed), 100)
    tens = [Counter(moment.after for moment in moments[at : at + 10]) for at in range(0, 100, 10)]
    assert tens == [TEN] * 10
    assert len({moment.wait_s for moment in moments}) == 100


def test_a_seed_draws_the_same_moments_again_and_another_one_others() -> None:
    assert draw(chance(1), 25) == draw(chance(1), 25)
    assert draw(chance(1), 25) != draw(chance(2), 25)


def test_the_log_tells_how_far_an_operator_had_come() -> None:
    log = [{"event": each} for each in ("operator started", "leads", "operator works", "policy in force", "applied")]
    reached = [phase_of(iter(log[:count])) for count in range(len(log) + 1)]
    assert reached == [STARTS, LISTED, LEADS, LOOKS, LOOKS, WRITES]
    assert [*dict.fromkeys(reached), EDITS, RESTS] == list(PHASES)
