"""Which files of a folder an agent's program is made of, by its imports as they are written."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def code_of(folder: Path, entrypoint: str) -> frozenset[Path]:
    """Return the files below ``folder`` that ``module:object`` imports, directly or not.

    An import in a function counts; one by a computed name is not seen. A file that is no Python counts for itself.
    """
    found: set[Path] = set()
    waiting = [entrypoint.partition(":")[0]]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        # Importing a.b imports a first.
        waiting.extend(filter(None, [module.rpartition(".")[0]]))
        file = _file(folder, module)
        if file is not None:
            found.add(file)
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            waiting.extend(_imports(file, package))
    return frozenset(found)


def _file(folder: Path, module: str) -> Path | None:
    base = folder.joinpath(*module.split("."))
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.is_file()), None)


def _imports(file: Path, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from filter(None, [base])
            # What is imported from a package may be a module of it.
            yield from (".".join(filter(None, [base, alias.name])) for alias in node.names)
