"""Which decision partitions must not be judged, and for how long. Pure."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason


@dataclass(slots=True)
class _Halt:
    refusal: Refusal
    until_s: float
    tried: bool = False
    """Whether the partition is judged again, and nothing has come of it yet."""


class Halts:
    """Partitions that are owned and not judged: for a while, or until the group or the policies change.

    To try is not to recover: what was halted for a while stays among the refusals until something of it is committed.
    """

    def __init__(self) -> None:
        self._halts: dict[int, _Halt] = {}

    @property
    def partitions(self) -> Collection[int]:
        """Those that are not judged now."""
        return [number for number, halt in self._halts.items() if not halt.tried]

    @property
    def refusals(self) -> Sequence[Refusal]:
        """Why, the oldest first."""
        return [halt.refusal for halt in self._halts.values()]

    def add(self, number: int, refusal: Refusal, until_s: float = math.inf) -> None:
        """Judge no more of a partition, until a time of the caller's clock at most."""
        self._halts[number] = _Halt(refusal, until_s)

    def lift_elapsed(self, now_s: float) -> None:
        """Let those be tried again whose time has come: rights may come late, and people mend topics."""
        for halt in self._halts.values():
            halt.tried = halt.tried or now_s >= halt.until_s

    def lift(self, is_over: Callable[[int, RefusalReason], bool]) -> None:
        """Let those be tried again of which this is true."""
        over = {number for number, halt in self._halts.items() if is_over(number, halt.refusal.reason)}
        for number in over:
            halt = self._halts[number]
            if halt.until_s < math.inf:
                halt.tried = True
            else:
                del self._halts[number]  # whether it is over is found out by reading its place, before anything is said

    def recovered(self, number: int) -> None:
        """Say no more of a partition: something of it was committed."""
        self._halts.pop(number, None)

    def clear(self) -> None:
        self._halts.clear()
