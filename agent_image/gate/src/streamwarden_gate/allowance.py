"""What an agent may have: so much at once, and so much a second after that (a token bucket). Pure."""


class Allowance:
    """Fills up by itself, and is spent. All times are seconds of one clock of the caller's."""

    def __init__(self, at_once: float, per_s: float) -> None:
        """Begin with all of it.

        Args:
            at_once: the most that is ever left.
            per_s: what comes back in a second.
        """
        self._at_once = at_once
        self._per_s = per_s
        self._left = at_once
        self._as_of_s = 0.0

    def left(self, now_s: float) -> float:
        """Return what is left; less than nothing where more was spent."""
        came_back = max(0.0, now_s - self._as_of_s) * self._per_s
        self._left, self._as_of_s = min(self._at_once, self._left + came_back), now_s
        return self._left

    def spend(self, amount: float) -> None:
        """Take away, as of the last look; it may leave less than nothing, which has to come back first."""
        self._left -= amount

    def give_back(self, amount: float) -> None:
        """Add what was taken away for nothing; what there is at most stays so."""
        self._left += amount

    def seconds_until(self, amount: float, now_s: float) -> float:
        """Return for how long less than this is left."""
        return max(0.0, (amount - self.left(now_s)) / self._per_s)
