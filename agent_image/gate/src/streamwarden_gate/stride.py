"""How many records are taken at once, so that a gate is soon back at its group and its policies. Pure."""

LONGEST_S = 2.0
"""So long a step judges, whatever it has taken. Between two the group hears of its member, which it puts out after five
minutes of silence and waits for in a rebalance; whether policies are up to date is looked at; SIGTERM is seen."""
SETTLE_S = 0.1
"""So long a batch waits for policies that are being read: as long as about two batches take."""
BATCHES_A_STEP = 3
"""Taken at most, under backlog: while one is being committed, the next is judged."""
_WANTED_S = LONGEST_S / 2
"""What is taken and not judged is fetched again, so no more is taken than half of that is enough for."""


class Stride:
    """Follows how long records take to be judged."""

    def __init__(self, most: int) -> None:
        """Begin with the most."""
        self._most = most
        self.records = most
        """How many to take next: at least one."""

    def judged(self, count: int, took_s: float) -> None:
        """Note that so many took so long, their transactions included."""
        if count:
            enough = self._most if took_s <= 0 else int(count * _WANTED_S / took_s)
            self.records = min(self._most, max(1, enough))
