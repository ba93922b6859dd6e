"""What the source says of each member of a vocabulary or a record, as cells of a table."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import cast, is_typeddict


def docs_of(described: type) -> dict[str, str]:
    """Return the docstring behind each member or field that has one. Of a ``StrEnum`` or a ``TypedDict``."""
    source = cast("ast.ClassDef", ast.parse(inspect.getsource(described)).body[0])
    docs: dict[str, str] = {}
    # A TypedDict forgets its bases: the source has them.
    for base in (getattr(inspect.getmodule(described), expression.id, None) for expression in _names(source.bases)):
        if isinstance(base, type) and is_typeddict(base):
            docs |= docs_of(base)
    for statement, following in pairwise(source.body):
        match statement, following:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = text
            case _:
                continue
    return docs


def _names(expressions: Iterable[ast.expr]) -> Iterator[ast.Name]:
    return (expression for expression in expressions if isinstance(expression, ast.Name))


def cell(text: str) -> str:
    """Write a text on one line, as it may stand in a table."""
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")
