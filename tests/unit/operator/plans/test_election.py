"""Who leads, by what was observed here: never two at one moment, whatever clocks, pauses and lost answers do."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_operator.plans.election import (
    DURATION_S,
    RENEW_DEADLINE_S,
    RETRY_S,
    Lease,
    Seen,
    Step,
    next_step,
    note,
    valid_until,
)

MINE, THEIRS = Lease("me", DURATION_S, "1"), Lease("other", DURATION_S, "1")


@pytest.mark.parametrize(
    ("seen", "now_s", "step"),
    [
        pytest.param(note(None, None, 0.0), 10.0, Step.WAIT, id="where-there-is-none-somebody-may-have-had-one"),
        pytest.param(note(None, None, 0.0), 10.1, Step.CREATE, id="none-is-made-after-it"),
        pytest.param(Seen(MINE, 0.0), 0.1, Step.TAKE, id="ours-is-renewed"),
        pytest.param(Seen(replace(THEIRS, holder=""), 0.0), 0.1, Step.TAKE, id="a-released-one-is-taken-at-once"),
        pytest.param(Seen(THEIRS, 0.0), 10.0, Step.WAIT, id="another-one-s-is-left-while-it-may-be-held"),
        pytest.param(Seen(THEIRS, 0.0), 10.1, Step.TAKE, id="one-that-stood-still-for-longer-is-taken"),
        pytest.param(Seen(replace(THEIRS, version=""), 0.0), 10.0, Step.WAIT, id="a-deleted-one-is-left-for-as-long"),
        pytest.param(Seen(replace(THEIRS, version=""), 0.0), 10.1, Step.CREATE, id="and-is-made-anew-after-it"),
        pytest.param(Seen(replace(MINE, version=""), 0.0), 0.1, Step.WAIT, id="another-one-may-have-had-ours-since"),
        pytest.param(Seen(replace(THEIRS, duration_s=60), 0.0), 59.0, Step.WAIT, id="by-the-time-that-it-says-itself"),
    ],
)
def test_what_follows_from_a_look(seen: Seen, now_s: float, step: Step) -> None:
    assert next_step(seen, "me", now_s, leads=False) is step


def test_who_leads_makes_a_deleted_one_anew_at_once() -> None:
    assert next_step(Seen(replace(MINE, version=""), 0.0), "me", 0.1, leads=True) is Step.CREATE


def test_the_time_counts_from_the_first_look_that_showed_it_so() -> None:
    first = note(None, THEIRS, 5.0)
    assert note(first, THEIRS, 9.0) == Seen(THEIRS, 5.0)
    renewed = replace(THEIRS, version="2")
    assert note(first, renewed, 9.0) == Seen(renewed, 9.0)


def test_the_time_of_a_deleted_one_counts_from_the_first_look_that_missed_it() -> None:
    never = note(None, None, 5.0)
    assert (never.since_s, note(never, None, 9.0)) == (5.0, never)
    missed = note(Seen(THEIRS, 5.0), None, 14.0)
    assert missed == Seen(replace(THEIRS, version=""), 14.0)
    assert note(missed, None, 20.0) == missed
    assert note(missed, THEIRS, 20.0) == Seen(THEIRS, 20.0)


def test_a_holder_stops_before_another_one_may_take_it() -> None:
    assert valid_until(100.0) == 100.0 + RENEW_DEADLINE_S
    assert RENEW_DEADLINE_S + RETRY_S <= DURATION_S


@dataclass
class Replica:
    """One process with a clock that goes wrong by ``drift`` and began anywhere."""

    name: str
    drift: float
    offset_s: float
    seen: Seen | None = None
    until_s: float = -math.inf
    """By its own clock."""

    def clock(self, true_s: float) -> float:
        return self.offset_s + true_s * self.drift

    def leads(self, true_s: float) -> bool:
        return self.clock(true_s) < self.until_s

    def misses_it(self) -> bool:
        """Whether it counts already since there is none: one that is made and deleted again it would not see."""
        return self.seen is not None and not self.seen.lease.version


@dataclass
class Server:
    """Holds the Lease; each write has a version."""

    lease: Lease | None = None
    writes: int = 0

    def write(self, holder: str, version: str | None) -> Lease | None:
        if (self.lease.version if self.lease else None) != version:
            return None
        self.writes += 1
        self.lease = Lease(holder, DURATION_S, str(self.writes))
        return self.lease


acts = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.floats(0.0, 6.0),  # until it acts
        st.floats(0.0, 3.0),  # between its look and its write: a pause, a slow request
        st.sampled_from(["answered", "answer lost", "release", "deleted by somebody"]),
    ),
    max_size=40,
)
clocks = st.tuples(st.floats(0.99, 1.01), st.floats(-300.0, 300.0))


@given(acts=acts, clocks=st.tuples(clocks, clocks))
def test_f10_never_do_two_believe_to_lead_whatever_their_clocks_say(
    acts: list[tuple[int, float, float, str]], clocks: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    server, true_s, deleted = Server(), 0.0, False
    replicas = [Replica(str(number), *clock) for number, clock in enumerate(clocks)]
    for number, wait_s, slow_s, fate in acts:
        me = replicas[number]
        true_s += wait_s
        if fate == "release" and me.leads(true_s) and me.seen is not None:
            me.until_s = -math.inf
            server.write("", me.seen.lease.version)
            continue
        if fate == "deleted by somebody" and not deleted and not any(replica.misses_it() for replica in replicas):
            server.lease, deleted = None, True
        me.seen = note(me.seen, server.lease, me.clock(true_s))
        step = next_step(me.seen, me.name, me.clock(true_s), leads=me.leads(true_s))
        if step is Step.WAIT:
            continue
        version, sent_s = me.seen.lease.version if step is Step.TAKE else None, me.clock(true_s)
        true_s += slow_s
        written = server.write(me.name, version)
        if written is not None and fate != "answer lost":
            me.seen, me.until_s = Seen(written, sent_s), valid_until(sent_s)
        assert sum(replica.leads(true_s) for replica in replicas) <= 1
