"""Which events of a partition the handlers have seen, whoever has committed them."""


class Seen:
    """Everything before an offset, and single events after it.

    Attributes:
        low: what lies before it was seen.
    """

    __slots__ = ("_beyond", "low")

    def __init__(self) -> None:
        self.low = 0
        self._beyond: set[int] = set()

    def __contains__(self, offset: int) -> bool:
        """Whether the handlers have seen the event at ``offset``."""
        return offset < self.low or offset in self._beyond

    def add(self, offset: int) -> None:
        """Note one event."""
        if offset >= self.low:
            self._beyond.add(offset)
            self._settle()

    def pass_to(self, low: int) -> None:
        """Note that everything before ``low`` was seen."""
        if low > self.low:
            self.low = low
            self._beyond = {offset for offset in self._beyond if offset >= low}
            self._settle()

    def _settle(self) -> None:
        while self.low in self._beyond:
            self._beyond.remove(self.low)
            self.low += 1
