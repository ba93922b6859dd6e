"""X87: a password that was altered under pods that run is found, and nobody logs in all the time for it."""

from __future__ import annotations

from streamwarden_operator.reconcilers.agents.login_tries import DOUBTED_S, PAUSE_S, LoginTries

USERS = ("a.agent", "a.gate")
ROUTINE_S = 240.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def tries_of(*users: str) -> tuple[LoginTries, Clock]:
    clock = Clock()
    tries = LoginTries(clock, ROUTINE_S)
    for user in users:
        tries.note(user)
    return tries, clock


def test_x87_what_was_never_tried_is_tried_at_once() -> None:
    tries, _ = tries_of("a.agent")
    assert tries.due(USERS, doubted=False) == {"a.gate"}
    tries.forget("a.agent")
    assert tries.due(USERS, doubted=False) == set(USERS)


def test_x87_what_is_doubted_is_tried_each_minute() -> None:
    tries, clock = tries_of(*USERS)
    assert tries.due(USERS, doubted=True) == set()
    clock.now_s += DOUBTED_S + 0.1
    assert tries.due(USERS, doubted=True) == set(USERS)


def test_x87_of_an_agent_that_works_one_user_is_tried_at_a_time_and_each_in_its_turn() -> None:
    tries, clock = tries_of(*USERS)
    turns = []
    for _ in range(4):
        clock.now_s += ROUTINE_S
        (user,) = tries.due(USERS, doubted=False)
        turns.append(user)
        tries.note(user)
        assert tries.due(USERS, doubted=False) == set()
    assert turns == [*USERS, *USERS]


def test_x87_a_thousand_agents_that_are_looked_at_together_make_no_storm_of_logins() -> None:
    agents = [(f"{number}.agent", f"{number}.gate") for number in range(1000)]
    tries, clock = tries_of(*(user for agent in agents for user in agent))
    clock.now_s += ROUTINE_S
    tried = 0
    for agent in agents:
        for user in tries.due(agent, doubted=False):
            tries.note(user)
            tried += 1
        clock.now_s += 0.01  # 10 s in all
    assert tried == round(10 / PAUSE_S)


def test_x87_without_a_routine_nothing_is_tried_again() -> None:
    clock = Clock()
    tries = LoginTries(clock)
    tries.note("a.agent")
    clock.now_s += 1e9
    assert tries.due(("a.agent",), doubted=False) == set()
