"""What a reconcile leads to, as in controller-runtime. An error is raised, and the key retried with backoff."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """What the work queue does next with the key, and what others want to hear of it."""

    requeue_after_s: float | None = None
    """Seconds until the next reconcile that nothing asks for; None: at the next resync, or never where it is gone."""
    gone: bool = False
    """Whether there is nothing of this key any more."""
    status_changed: bool = False
    """Whether the resource's status says something new."""
    resync_within_s: float = math.inf
    """Seconds until the next resync at the latest: what was not looked at this time is to be looked at then."""


DONE = Result()
"""Everything is as it should be, or waits for a change that wakes it."""

GONE = Result(gone=True)
