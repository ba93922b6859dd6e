"""What the source says of each member of a vocabulary or a record, as cells of a table."""

import ast
import inspect
from itertools import pairwise
from typing import cast


def docs_of(described: type) -> dict[str, str]:
    """Return the docstring behind each member or field that has one. Of a ``StrEnum`` or a ``TypedDict``."""
    body = cast("ast.ClassDef", ast.parse(inspect.getsource(described)).body[0]).body
    docs: dict[str, str] = {}
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = text
            case _:
                continue
    return docs


def cell(text: str) -> str:
    """Write a text on one line, as it may stand in a table."""
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")
