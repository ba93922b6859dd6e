"""A proof is an end that was asked for and has been read to since; nothing else is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_gate.freshness import Freshness


@pytest.fixture
def freshness() -> Freshness:
    return Freshness(["own", "guardrails"])


def answer(freshness: Freshness, at_s: float, own: int, guardrails: int = 0) -> None:
    freshness.answered(freshness.ask(at_s), {"own": own, "guardrails": guardrails})


def read(freshness: Freshness, own: int, guardrails: int = 0) -> None:
    freshness.reached("own", own)
    freshness.reached("guardrails", guardrails)


def test_nothing_is_proven_before_anything_was_read(freshness: Freshness) -> None:
    answer(freshness, 5.0, own=0)
    assert freshness.proven_at_s == -math.inf


def test_nothing_is_proven_before_anything_was_answered(freshness: Freshness) -> None:
    read(freshness, 10)
    assert freshness.proven_at_s == -math.inf


def test_what_counts_is_when_the_question_was_sent(freshness: Freshness) -> None:
    read(freshness, 3, 7)
    question = freshness.ask(5.0)
    freshness.reached("own", 9)  # long after
    freshness.answered(question, {"own": 3, "guardrails": 7})
    assert freshness.proven_at_s == 5.0


def test_the_stalest_topic_counts(freshness: Freshness) -> None:
    read(freshness, 3, 7)
    answer(freshness, 5.0, own=3, guardrails=7)
    answer(freshness, 10.0, own=3, guardrails=8)
    assert freshness.proven_at_s == 5.0
    freshness.reached("guardrails", 8)
    assert freshness.proven_at_s == 10.0


def test_one_topic_without_an_answer_is_not_proven(freshness: Freshness) -> None:
    read(freshness, 3)
    freshness.answered(freshness.ask(5.0), {"own": 3})
    assert freshness.proven_at_s == -math.inf


def test_a_log_that_is_written_steadily_is_proven_though_its_end_is_never_reached(freshness: Freshness) -> None:
    for second in range(100):
        read(freshness, second * 10)
        answer(freshness, float(second), own=second * 10 + 15)
    assert freshness.proven_at_s == 97.0, "two seconds behind, by what was written"


def test_a_reader_that_stands_still_before_an_open_transaction_proves_nothing(freshness: Freshness) -> None:
    read(freshness, 10)
    answer(freshness, 0.0, own=10)
    for second in range(5, 60, 5):
        freshness.reached("own", 10)
        answer(freshness, float(second), own=12)
    assert freshness.proven_at_s == 0.0


def test_f45_a_log_that_has_lost_records_proves_nothing_until_it_was_read_anew(freshness: Freshness) -> None:
    read(freshness, 50)
    answer(freshness, 0.0, own=50)
    answer(freshness, 5.0, own=40)
    answer(freshness, 10.0, own=40)
    assert freshness.proven_at_s == 0.0
    freshness.reached("own", 1)
    assert freshness.proven_at_s == 0.0
    freshness.reached("own", 40)
    assert freshness.proven_at_s == 10.0


def test_answers_that_are_never_reached_do_not_gather(freshness: Freshness) -> None:
    read(freshness, 1)
    for second in range(1_000):
        answer(freshness, float(second), own=2)
    assert sum(len(waiting) for waiting in freshness._open.values()) < 100


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_what_is_proven_had_been_read(steps: list[tuple[bool, int]]) -> None:
    """Against a log that only grows, with answers that come late."""
    freshness = Freshness(["own"])
    end, position, questions, ends_at = 0, 0, [], list[int]()
    freshness.reached("own", 0)
    for second, (reads, amount) in enumerate(steps):
        ends_at.append(end)
        questions.append((freshness.ask(float(second)), end))
        end += amount
        if reads:
            position = min(end, position + amount)
            freshness.reached("own", position)
        if amount % 2 and questions:
            question, said = questions.pop(0)
            freshness.answered(question, {"own": said})
        if freshness.proven_at_s > -math.inf:
            assert position >= ends_at[int(freshness.proven_at_s)]
