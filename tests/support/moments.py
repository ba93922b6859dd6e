"""When an operator is killed: moments of all of its life, drawn with a seed, and what it was at."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from support.operator_process import OperatorProcess

STARTS, LISTED, LEADS, LOOKS, WRITES, EDITS, RESTS = PHASES = (
    "starts",
    "has listed",
    "leads",
    "looks at all",
    "writes what it found",
    "takes up edits",
    "rests",
)
"""Of a life, in their order. Nothing is logged in the first."""
_EVENTS = {"operator started": LISTED, "leads": LEADS, "operator works": LOOKS}
_WRITES = frozenset({"applied", "credentials", "policy log published", "shared topic changed"})
"""What is logged of some writes."""
_ADAPTERS = "streamwarden_operator.adapters."
_PATIENCE_S = 30.0
"""A life that does not come so far is ended where it is: while a broker is gone, some wait for it."""
_LOOK_S = 0.02


class Moment(NamedTuple):
    """A moment to be killed at."""

    after: str
    """The phase whose beginning it follows."""
    wait_s: float
    """By how much."""


_LONGEST_S = {STARTS: 2.5, LISTED: 0.1, LEADS: 0.5, LOOKS: 1.5, WRITES: 0.3, EDITS: 2.0, RESTS: 0.5}
"""How long after the beginning of a phase a kill comes at most."""
_OF_TEN = (STARTS, LISTED, LEADS, LOOKS, LOOKS, WRITES, WRITES, EDITS, EDITS, RESTS)


def draw(chance: random.Random, kills: int) -> list[Moment]:
    """Draw moments; each ten of them are spread over all phases."""
    moments: list[Moment] = []
    while len(moments) < kills:
        ten = chance.sample(_OF_TEN, len(_OF_TEN))
        moments += [Moment(phase, chance.uniform(0.0, _LONGEST_S[phase])) for phase in ten]
    return moments[:kills]


class Life:
    """One operator's, from its start to its kill."""

    def __init__(self, operator: OperatorProcess, edit: Callable[[], None]) -> None:
        """Follow it.

        Args:
            operator: just started.
            edit: lets people edit some objects.
        """
        self.operator, self._edit = operator, edit
        self._reached = STARTS
        """Beyond what its log tells."""
        self.died_in: str | None = None
        """A phase; None: it ended by itself."""
        self.under_way: tuple[str, ...] = ()
        """The calls of adapters that its reconciles waited for."""

    def end_at(self, moment: Moment) -> None:
        """Bring it to the moment and kill it; one that ends by itself before is told, too."""
        self._until(lambda: self._has_reached(moment.after) or self._is_at_rest())
        if self._reached == RESTS and moment.after == EDITS:
            self._edit()
            self._reached = EDITS
        self._until(lambda: False, moment.wait_s)
        looked = self.operator.look() if self._has_reached(LOOKS) else None
        self.under_way = tuple(sorted(_calls(looked))) if looked else ()
        reached = max(phase_of(self.operator.said()), self._reached, key=PHASES.index)
        self.died_in = None if self.operator.ended() else reached
        self.operator.close()

    def _until(self, holds: Callable[[], bool], wait_s: float = _PATIENCE_S) -> bool:
        deadline = time.monotonic() + wait_s
        while not self.operator.ended():
            if holds():
                return True
            if time.monotonic() >= deadline:
                break
            time.sleep(_LOOK_S)
        return False

    def _has_reached(self, phase: str) -> bool:
        return PHASES.index(phase_of(self.operator.said())) >= PHASES.index(phase)

    def _is_at_rest(self) -> bool:
        looked = self.operator.look() if self._has_reached(LOOKS) else None
        if looked is None or any(looked[each] for each in ("running", "waiting", "failing")):
            return False
        self._reached = RESTS
        return True


def phase_of(lines: Iterator[dict[str, Any]]) -> str:
    """Tell how far an operator had come, by its log."""
    reached = STARTS
    for line in lines:
        if line["event"] in _WRITES and PHASES.index(reached) >= PHASES.index(LOOKS):
            return WRITES
        reached = _EVENTS.get(line["event"], reached)
    return reached


def errors_of(operator: OperatorProcess) -> list[dict[str, Any]]:
    """Return what it has logged as errors."""
    return [line for line in operator.said() if line.get("level") == "error"]


def _event(line: dict[str, Any]) -> str:
    return str(line["event"])


def _calls(looked: dict[str, Any]) -> Iterator[str]:
    """Yield the call of an adapter that each reconcile waits in, the outermost one."""
    for running in looked["running"]:
        places = (place.split(" ", 1) for place in running["awaits"])
        yield next((name for module, name in places if module.startswith(_ADAPTERS)), "between calls")


class Deaths:
    """All kills of a run."""

    def __init__(self) -> None:
        self.phases: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        """Under way at a kill."""
        self.amid = 0
        """Kills with a reconcile under way."""
        self.ends: Counter[str] = Counter()
        """Of those that were not killed: exit code, and why."""

    def note(self, life: Life) -> None:
        if life.died_in is None:
            self.note_end(life.operator)
            return
        self.phases[life.died_in] += 1
        self.calls.update(life.under_way)
        self.amid += bool(life.under_way)

    def note_end(self, operator: OperatorProcess) -> None:
        """Note one that ended by itself."""
        self.ends[f"{operator.wait()}: {', '.join(dict.fromkeys(map(_event, errors_of(operator))))}"] += 1

    def table(self) -> str:
        """Return kills by phase and what was under way, for people."""
        rows = [f"  {phase:<28}{self.phases[phase]:>4}" for phase in PHASES]
        calls = [f"  {call:<52}{count:>4}" for call, count in self.calls.most_common()]
        head = f"{self.phases.total()} kills, {self.amid} of them with reconciles under way; ended by itself: "
        return "\n".join([f"{head}{dict(self.ends)}; by phase:", *rows, "calls under way:", *calls])
