"""How large files and functions are, for closing notes. ``make check`` runs it, and fails where one is over its limit.

How complex a function may be, ruff says (C901).
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
"""Of a file. The habit is 300."""
MOST_LINES_OF_A_FUNCTION = 60
"""From ``def`` to its last line, docstring included. The habit is 40."""


@dataclass(frozen=True, slots=True)
class Module:
    """What is measured of a file of Python."""

    path: str
    lines: int
    functions: Mapping[str, int]
    """Lines, by name and first line."""
    ignores: int
    """Comments that silence the type checker."""


def measure(path: str, source: str) -> Module:
    """Measure one module."""
    functions = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return Module(path, len(source.splitlines()), functions, source.count("# type: ignore"))


def too_large(modules: Iterable[Module]) -> list[str]:
    """Name what is over its limit, a line each."""
    found = []
    for module in modules:
        if module.lines > MOST_LINES:
            found.append(f"{module.path}: {module.lines} lines, of at most {MOST_LINES}")
        for name, lines in module.functions.items():
            if lines > MOST_LINES_OF_A_FUNCTION:
                found.append(f"{name}: {lines} lines, of at most {MOST_LINES_OF_A_FUNCTION}")
    return found


def row(name: str, modules: Sequence[Module]) -> str:
    """Lay out what a part of the tree measures."""
    files = [module.lines for module in modules]
    functions = [lines for module in modules for lines in module.functions.values()]
    ignores = sum(module.ignores for module in modules)
    return f"{name:<10}{len(files):>6}{spread(files):>16}{len(functions):>11}{spread(functions):>16}{ignores:>14}"


def spread(sizes: Sequence[int]) -> str:
    """Return median, ninth decile and largest."""
    if len(sizes) < 2:  # fewer have no deciles
        return "/".join(map(str, sizes)) or "-"
    ninth = quantiles(sizes, n=10, method="inclusive")[-1]
    return f"{median(sizes):.0f}/{ninth:.0f}/{max(sizes)}"


def main() -> int:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sources = tuple(f"{source}/" for source in settings["tool"]["coverage"]["run"]["source"])
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],  # noqa: S607  # whichever git it is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    # What was moved and is not staged yet is still listed where it was.
    modules = [measure(path, (ROOT / path).read_text(encoding="utf-8")) for path in listed if (ROOT / path).exists()]
    head = f"{'':<10}{'files':>6}{'lines':>16}{'functions':>11}{'lines':>16}{'type: ignore':>14}   (median/p90/max)"
    product = [module for module in modules if module.path.startswith(sources)]
    rest = [module for module in modules if not module.path.startswith(sources)]
    over = too_large(modules)
    sys.stdout.write("\n".join([head, row("product", product), row("rest", rest), *over]) + "\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
