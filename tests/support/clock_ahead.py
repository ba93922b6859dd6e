"""Runs ``streamwarden-operator`` by a wall clock that is ahead, or behind: ``python clock_ahead.py SECONDS run``.

Only Python's own clock is another one, which is what the operator looks at; ``time.monotonic`` goes on as it is.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from typing import Self

_TRUE_TIME_S, _TRUE_TIME_NS = time.time, time.time_ns


def set_ahead(seconds: float) -> None:
    """Let this process's wall clock be ahead; negative: behind. Before anything else is imported."""

    class Ahead(dt.datetime):
        @classmethod
        @override
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time(), tz)

    time.time = lambda: _TRUE_TIME_S() + seconds
    time.time_ns = lambda: _TRUE_TIME_NS() + int(seconds * 1e9)
    dt.datetime = Ahead  # type: ignore[misc]  # the name is what others import


if __name__ == "__main__":
    set_ahead(float(sys.argv.pop(1)))
    from streamwarden_operator.main import app

    sys.argv[0] = "streamwarden-operator"
    app()
