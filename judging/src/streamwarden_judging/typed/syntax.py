"""A checked expression as a tree: what the engine's ``serialize`` gives, without its protobuf.

The message is ``cel.expr.CheckedExpr`` of the CEL specification; no package carries its classes, so the few fields that
are read here are declared by hand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _Field.TYPE_STRING,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "bool": _Field.TYPE_BOOL,
}
_TYPES |= {"uint64": _Field.TYPE_UINT64, "double": _Field.TYPE_DOUBLE, "bytes": _Field.TYPE_BYTES}
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "CheckedExpr": {"expr": (4, "Expr"), "source_info": (5, "SourceInfo")},
    "SourceInfo": {"positions": (4, "*Position")},
    "Position": {"key": (1, "int64"), "value": (2, "int32")},
    "Expr": {
        "id": (2, "int64"),
        "const_expr": (3, "Constant"),
        "ident_expr": (4, "Ident"),
        "select_expr": (5, "Select"),
        "call_expr": (6, "Call"),
        "list_expr": (7, "CreateList"),
        "struct_expr": (8, "CreateStruct"),
        "comprehension_expr": (9, "Comprehension"),
    },
    "Ident": {"name": (1, "string")},
    "Select": {"operand": (1, "Expr"), "field": (2, "string"), "test_only": (3, "bool")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "*Expr")},
    "CreateList": {"elements": (1, "*Expr")},
    "CreateStruct": {"entries": (2, "*Entry")},
    "Entry": {"map_key": (3, "Expr"), "value": (4, "Expr")},
    "Comprehension": {
        "iter_var": (1, "string"),
        "iter_range": (2, "Expr"),
        "accu_var": (3, "string"),
        "accu_init": (4, "Expr"),
        "loop_condition": (5, "Expr"),
        "loop_step": (6, "Expr"),
        "result": (7, "Expr"),
    },
    "Constant": {
        "bool_value": (2, "bool"),
        "int64_value": (3, "int64"),
        "uint64_value": (4, "uint64"),
        "double_value": (5, "double"),
        "string_value": (6, "string"),
        "bytes_value": (7, "bytes"),
    },
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    at: int
    value: bool | int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Ident:
    """A variable."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """A field of an operand; ``test`` for ``has(...)``."""

    at: int
    operand: "Node"
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator; the target of a member function comes first among ``args``."""

    at: int
    function: str
    args: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """A list written out."""

    at: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapLiteral:
    """A map written out."""

    at: int
    entries: tuple[tuple["Node", "Node"], ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A macro over a range: ``all``, ``exists``, ``exists_one``, ``map``, ``filter``, as the engine unfolds it."""

    at: int
    variable: str
    range: "Node"
    result_variable: str
    start: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node = Constant | Ident | Select | Call | ListLiteral | MapLiteral | Loop


def parse(program: cel.Expression) -> Node:
    """Return the tree of a checked expression. ``at`` is the offset in code points, -1 where there is none."""
    wrapped = any_pb2.Any.FromString(program.serialize())
    checked = _classes()["cel.expr.CheckedExpr"].FromString(wrapped.value)
    positions = {entry.key: entry.value for entry in checked.source_info.positions}
    return _node(checked.expr, positions)


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below."""
    match node:
        case Select():
            yield node.operand
        case Call() | ListLiteral():
            yield from node.args if isinstance(node, Call) else node.items
        case MapLiteral():
            for key, value in node.entries:
                yield key
                yield value
        case Loop():
            yield from (node.range, node.start, node.condition, node.step, node.result)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(children(node))


def _node(expr: Any, positions: Mapping[int, int]) -> Node:  # noqa: PLR0911  # one for each kind
    at = positions.get(expr.id, -1)
    if expr.HasField("ident_expr"):
        return Ident(at, expr.ident_expr.name)
    if expr.HasField("select_expr"):
        select = expr.select_expr
        return Select(at, _node(select.operand, positions), select.field, select.test_only)
    if expr.HasField("call_expr"):
        call = expr.call_expr
        given = [*([call.target] if call.HasField("target") else []), *call.args]
        return Call(at, call.function, tuple(_node(arg, positions) for arg in given))
    if expr.HasField("list_expr"):
        return ListLiteral(at, tuple(_node(item, positions) for item in expr.list_expr.elements))
    if expr.HasField("struct_expr"):
        entries = expr.struct_expr.entries
        return MapLiteral(
            at, tuple((_node(entry.map_key, positions), _node(entry.value, positions)) for entry in entries)
        )
    if expr.HasField("comprehension_expr"):
        loop = expr.comprehension_expr
        return Loop(
            at,
            loop.iter_var,
            _node(loop.iter_range, positions),
            loop.accu_var,
            _node(loop.accu_init, positions),
            _node(loop.loop_condition, positions),
            _node(loop.loop_step, positions),
            _node(loop.result, positions),
        )
    return Constant(at, _constant(expr.const_expr))


def _constant(constant: Any) -> bool | int | float | str | bytes | None:
    for name in _MESSAGES["Constant"]:
        if constant.HasField(name):
            value: bool | int | float | str | bytes = getattr(constant, name)
            return value
    return None


@cache
def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="checked.proto", package="cel.expr", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label = _Field.LABEL_REPEATED if kind.startswith("*") else _Field.LABEL_OPTIONAL
            scalar = _TYPES.get(kind)
            if scalar is None:
                full = f".cel.expr.{kind.removeprefix('*')}"
                message.field.add(name=field, number=number, label=label, type=_Field.TYPE_MESSAGE, type_name=full)
            else:
                message.field.add(name=field, number=number, label=label, type=scalar)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles(["checked.proto"], pool)
