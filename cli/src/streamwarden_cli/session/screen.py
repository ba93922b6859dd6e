"""What a person sees of a running loop: a live table on a terminal, else a line whenever something changes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rich.live import Live
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from streamwarden_cli.session.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, RenderableType

_COLUMNS = ("agent", "state", "lag", "gate", "dec/s", "allow", "deny", "dead", "p50/p99 ms", "policies")
"""Short enough for 80 columns: ``lag`` is the agent's, ``gate`` its gate's; times are from decision to command."""
_TEXT_COLUMNS = frozenset({"agent", "state", "policies"})
_DISPENSABLE = ("policies", "p50/p99 ms", "dec/s", "gate", "dead", "deny", "allow")
"""What goes first where a terminal is narrow: a column that is cut says nothing."""


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent, as shown. None is unknown."""

    agent: str
    ready: bool
    state: str
    lag: int | None = None
    gate_lag: int | None = None
    per_second: float = 0.0
    """Decisions."""
    decisions: int = 0
    commands: int = 0
    """Seen on a command topic."""
    allowed: int = 0
    denied: int = 0
    dead_letters: int = 0
    policies: str = ""
    p50_ms: float | None = None
    p99_ms: float | None = None

    def cells(self) -> list[Text]:
        """Return the row's cells, as ``_COLUMNS`` names them."""
        return [
            Text(self.agent),
            Text(self.state, style="green" if self.ready else "yellow"),
            Text(_number(self.lag)),
            Text(_number(self.gate_lag)),
            Text(f"{self.per_second:.0f}"),
            Text(str(self.allowed)),
            Text(str(self.denied)),
            Text(str(self.dead_letters), style="red" if self.dead_letters else ""),
            Text(f"{_number(self.p50_ms)}/{_number(self.p99_ms)}"),
            Text(self.policies),
        ]


class Screen(Protocol):
    """Told what happens; called from one thread."""

    def say(self, text: str, *, problem: bool = False) -> None:
        """Show something that has happened."""

    def show(self, rows: Sequence[AgentRow]) -> None:
        """Show where the agents stand."""

    def end_with(self, body: RenderableType) -> None:
        """Show what the run comes to, in place of where the agents stand."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class LineScreen:
    """Plain lines; of what ``show`` shows, which changes all the time, only what :class:`Progress` finds worth one."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._progress = Progress()

    def say(self, text: str, *, problem: bool = False) -> None:
        """Write a line (or several, where the text has several)."""
        self._console.print(Text(text, style="red" if problem else ""), soft_wrap=True)

    def show(self, rows: Sequence[AgentRow]) -> None:
        """Say that decisions flow, so that nobody waits without a sign."""
        for line in self._progress.news(rows, self._clock()):
            self.say(line)

    def end_with(self, body: RenderableType) -> None:
        """Write it below the lines."""
        self.close()
        self._console.print(body)

    def close(self) -> None:
        """Nothing to leave."""


class LiveScreen(LineScreen):
    """A table that stays below the lines."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None

    @override
    def show(self, rows: Sequence[AgentRow]) -> None:
        """Redraw the table."""
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(build_table(rows, self._console.width), refresh=True)

    @override
    def close(self) -> None:
        """Leave the last table standing."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def build_table(rows: Sequence[AgentRow], width: int | None = None) -> Table:
    """Return the table of all agents, with as many columns as fit into ``width`` characters."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    cells = [dict(zip(_COLUMNS, row.cells(), strict=True)) for row in rows]
    shown = _fitting(cells, width)
    for column in shown:
        wraps = column == "policies"
        table.add_column(
            column,
            justify="left" if column in _TEXT_COLUMNS else "right",
            no_wrap=not wraps,
            overflow="fold" if wraps else "ellipsis",
        )
    for row in cells:
        table.add_row(*(row[column] for column in shown))
    return table


def _fitting(cells: Sequence[Mapping[str, Text]], width: int | None) -> list[str]:
    widths = {column: max([len(column), *(len(row[column]) for row in cells)]) for column in _COLUMNS}
    shown = list(_COLUMNS)
    # Policies wrap between their names, so that they need no more than a name's width.
    widths["policies"] = max([len("policies"), *(len(name) for row in cells for name in row["policies"].plain.split())])
    for column in _DISPENSABLE:
        if width is None or sum(widths[name] + 1 for name in shown) - 1 <= width:
            break
        shown.remove(column)
    return shown


def open_screen(console: Console) -> Screen:
    """Return the screen that suits this console."""
    return LiveScreen(console) if console.is_terminal else LineScreen(console)


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"
