"""Who leads: a Lease as client-go's ``leaderelection`` uses it, by times that were observed here. Pure.

Nobody believes another one's clock: how long a Lease has stood still is counted from when it was first seen so. The
leader goes by the moment at which it *sent* its last renewal that was answered, which is earlier than any other one can
have seen it: while ``RENEW_DEADLINE_S`` is shorter than ``DURATION_S``, no two believe to lead at one moment.
"""

from dataclasses import dataclass, replace
from enum import Enum

DURATION_S = 10
"""For so long a Lease that stands still is its holder's."""
RENEW_DEADLINE_S = 6.0
"""For so long after it has sent a renewal its holder may write. The rest is for what it has sent, and is on its way."""
RETRY_S = 2.0
"""Between two renewals, and between two looks at another one's Lease."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What the object says, as read."""

    holder: str
    """Empty: released."""
    duration_s: int
    version: str
    """``resourceVersion``: another one with each write. Empty: there is none, and this is what was seen of it last."""
    transitions: int = 0
    """How often it has changed hands."""
    acquired: str = ""
    """When its holder got it, by that one's clock: for people."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease, and since when it has stood still."""

    lease: Lease
    since_s: float
    """Monotonic seconds of the first look that showed it so."""


class Step(Enum):
    """What follows from a look."""

    CREATE = "create"
    """There is none, and whoever may have held one may do so no more: make it, and hold it."""
    TAKE = "take"
    """It is nobody's, or ours, or has stood still for longer than its holder may hold it."""
    WAIT = "wait"
    """It is another one's."""


def note(before: Seen | None, lease: Lease | None, now_s: float) -> Seen:
    """Return what is known after a look: the time counts from the first one that showed the Lease as it is.

    A Lease that somebody deletes may have been taken and renewed until just then, by whomever, also where it was never
    seen: their time counts from the look that missed it. (One that is made and deleted again between two looks is not
    seen.)

    Args:
        before: what was known.
        lease: what the look showed; None: there is none.
        now_s: monotonic seconds.
    """
    if lease is None:
        lease = Lease("", DURATION_S, "") if before is None else replace(before.lease, version="")
    if before is not None and before.lease.version == lease.version:
        return before
    return Seen(lease, now_s)


def next_step(seen: Seen, identity: str, now_s: float, *, leads: bool) -> Step:
    """Tell what to do.

    Args:
        seen: the Lease, or since when there is none.
        identity: ours.
        now_s: monotonic seconds.
        leads: whether this process may write now.
    """
    lease, expired = seen.lease, now_s - seen.since_s > seen.lease.duration_s
    if not lease.version:
        return Step.CREATE if leads or expired else Step.WAIT
    return Step.TAKE if expired or lease.holder in {"", identity} else Step.WAIT


def valid_until(sent_s: float) -> float:
    """Return until when a holder may write whose renewal was sent then, and answered; monotonic seconds."""
    return sent_s + RENEW_DEADLINE_S
