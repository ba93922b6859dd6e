"""How often a user that somebody has deleted is made again: nobody is fought."""

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.errors import NotReadyError

MADE_AGAIN_S = 3600.0
"""Who deletes users of ours may do so for ever, as Strimzi's User Operator: one is made again once in this time."""


@dataclass(slots=True)
class Deletions:
    """Remembers when each user was made again that somebody had deleted."""

    clock_s: Callable[[], float] = time.monotonic
    made_again: dict[str, float] = field(default_factory=dict)

    def check(self, users: Collection[str]) -> None:
        """Let users that are deleted be made again.

        Raises:
            NotReadyError: ``ResourceConflict``: one was made again within the hour, and none is to be now.
        """
        now_s = self.clock_s()
        again = [user for user in users if now_s - self.made_again.get(user, -math.inf) < MADE_AGAIN_S]
        if again:
            raise NotReadyError(_again(again), reason=ConditionReason.RESOURCE_CONFLICT)

    def note(self, user: str) -> None:
        """Say that a user is made again; an attempt that failed does not count, for nobody has deleted it since."""
        self.made_again[user] = self.clock_s()

    def forget(self, user: str) -> None:
        """Say that a user is gone with its agent."""
        self.made_again.pop(user, None)


def _again(users: Collection[str]) -> str:
    return (
        f"somebody deletes Kafka's users {', '.join(users)} again and again, as Strimzi's User Operator does with "
        "users that it does not know: they are not made again within an hour, and nothing can log in as them. Let it "
        "leave them alone, then start the operator again or wait"
    )
