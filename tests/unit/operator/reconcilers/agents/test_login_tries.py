"""X87: a password that was altered under pods that run is found, and nobody logs in all the time for it."""

from __future__ import annotations

from streamwarden_operator.reconcilers.agents.login_tries import DOUBTED_S, PAUSE_S, SAVED_S, LoginTries

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


def test_x87_what_is_doubted_is_tried_each_minute_though_a_try_comes_after_the_look_that_asks_for_it() -> None:
    """The next look is a minute after the beginning of this one: it took the password for right a minute more."""
    tries, clock = tries_of(*USERS)
    begun_s = clock.now_s - 5.0  # reads of Secrets, and logins that were slow
    assert tries.due(USERS, doubted=True) == set()
    clock.now_s = begun_s + DOUBTED_S
    assert tries.due(USERS, doubted=True) == set(USERS)


def test_x87_of_an_agent_that_works_both_users_are_tried_by_each_look() -> None:
    tries, clock = tries_of(*USERS)
    for _ in range(4):
        clock.now_s += ROUTINE_S
        assert tries.due(USERS, doubted=False) == set(USERS)
        for user in USERS:
            tries.note(user)
        clock.now_s += 1.0
        assert tries.due(USERS, doubted=False) == set()


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
    assert 0 <= tried - (10 + SAVED_S) / PAUSE_S <= len(USERS)


def test_x87_sixty_agents_that_are_looked_at_together_are_all_tried() -> None:
    agents = [(f"{number}.agent", f"{number}.gate") for number in range(60)]
    tries, clock = tries_of(*(user for agent in agents for user in agent))
    clock.now_s += ROUTINE_S
    assert all(len(tries.due(agent, doubted=False)) == len(USERS) for agent in agents)


def test_x87_without_a_routine_nothing_is_tried_again() -> None:
    clock = Clock()
    tries = LoginTries(clock)
    tries.note("a.agent")
    clock.now_s += 1e9
    assert tries.due(("a.agent",), doubted=False) == set()
