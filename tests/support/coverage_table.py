"""What the last run of the unit tests covered, a line for each member: ``make coverage`` prints it. No threshold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import coverage

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]


def table(lines: Iterable[tuple[str, int, int]]) -> list[str]:
    """Lay out (member, lines of code, of them not run), with the sum of all below."""
    rows = [*lines]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    head = f"{'member':<20}{'lines':>7}{'not run':>9}{'covered':>9}"
    return [
        head,
        *(f"{name:<20}{code:>7}{missed:>9}{_share(code, missed):>9}" for name, code, missed in rows),
    ]


def _share(code: int, missed: int) -> str:
    return f"{(code - missed) / code:.0%}" if code else "-"


def measured(data: coverage.Coverage, sources: Iterable[str]) -> list[tuple[str, int, int]]:
    """Return each member's lines of code, and how many of them were not run."""
    found = []
    for source in sources:
        files = [data.analysis2(str(path)) for path in sorted((ROOT / source).rglob("*.py"))]
        code, missed = (sum(len(file[part]) for file in files) for part in (1, 3))
        found.append((source.removesuffix("/src"), code, missed))
    return found


def main() -> int:
    data = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    data.load()
    sources = cast("list[str]", data.get_option("run:source"))
    sys.stdout.write("\n".join(table(measured(data, sources))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
