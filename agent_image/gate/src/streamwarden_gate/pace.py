"""How much a gate may judge and write a second: an agent fills topics that others share no faster. Pure."""

from collections.abc import Iterable

from streamwarden_kafka.records import Write

from streamwarden_gate.allowance import Allowance

DEFAULT_MAX_RATE = 5_000
"""Records that one gate judges in a second."""
BYTES_A_RECORD = 4 * 1024
"""What one of them may write on the average: an ordinary command and its audit record are a kilobyte, a decision with
the longest reasoning is sixteen."""
LONGEST_REST_S = 1.0
"""So long a gate looks at nothing else at once: policies, and whether they are up to date, wait for it."""


class Pace:
    """Records and bytes, each a second's worth at once. All times are seconds of one clock of the caller's."""

    def __init__(self, max_rate: int) -> None:
        """Begin with a second's worth saved up.

        Args:
            max_rate: records a second.
        """
        self._records = Allowance(max_rate, max_rate)
        self._bytes = Allowance(max_rate * BYTES_A_RECORD, max_rate * BYTES_A_RECORD)
        self.resting = False
        """Whether nothing may be taken behind the last rest either."""

    def seconds_until_next(self, now_s: float) -> float:
        """Return for how long no record may be taken."""
        return max(self._records.seconds_until(1, now_s), self._bytes.seconds_until(1, now_s))

    def rest(self, now_s: float) -> float:
        """Return how long to do nothing: no longer than a second, and ``resting`` says whether that is enough."""
        wait_s = self.seconds_until_next(now_s)
        self.resting = wait_s > LONGEST_REST_S
        return min(wait_s, LONGEST_REST_S)

    def may_take(self, now_s: float) -> int:
        """Return how many records may be taken: at least one, after that wait."""
        return max(1, int(self._records.left(now_s)))

    def took(self, records: int) -> None:
        """Note that so many records were taken."""
        self._records.spend(records)

    def wrote(self, writes: Iterable[Write]) -> None:
        """Note the keys and values that are written."""
        self._bytes.spend(sum(len(write.key or b"") + len(write.value or b"") for write in writes))

    def is_spent(self, now_s: float) -> bool:
        """Tell whether more was written than there was to spend."""
        return self._bytes.left(now_s) < 0
