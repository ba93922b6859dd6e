"""Which decision partitions must not be judged, and for how long. Pure."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason


class _Halt(NamedTuple):
    refusal: Refusal
    until_s: float


class Halts:
    """Partitions that are owned and not judged: for a while, or until the group or the policies change."""

    def __init__(self) -> None:
        self._halts: dict[int, _Halt] = {}

    @property
    def partitions(self) -> Collection[int]:
        return self._halts.keys()

    @property
    def refusals(self) -> Sequence[Refusal]:
        """Why, the oldest first."""
        return [halt.refusal for halt in self._halts.values()]

    def add(self, number: int, refusal: Refusal, until_s: float = math.inf) -> None:
        """Judge no more of a partition, until a time of the caller's clock at most."""
        self._halts[number] = _Halt(refusal, until_s)

    def lift_elapsed(self, now_s: float) -> None:
        """Let those be tried again whose time has come: rights may come late, and people mend topics."""
        self._halts = {number: halt for number, halt in self._halts.items() if now_s < halt.until_s}

    def lift(self, is_over: Callable[[int, RefusalReason], bool]) -> None:
        """Let those be tried again of which this is true."""
        self._halts = {number: halt for number, halt in self._halts.items() if not is_over(number, halt.refusal.reason)}

    def clear(self) -> None:
        self._halts.clear()
