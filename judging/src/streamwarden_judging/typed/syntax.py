"""A checked expression as a tree: what the engine's ``serialize`` gives, without its protobuf.

The message is ``cel.expr.CheckedExpr`` of the CEL specification; no package carries its classes, so the few fields that
are read here are declared by hand.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
    "CheckedExpr": {"type_map": (3, "*Typed"), "expr": (4, "Expr"), "source_info": (5, "SourceInfo")},
    "Typed": {"key": (1, "int64"), "value": (2, "Type")},
    "Type": {"dyn": (1, "Nothing"), "list_type": (6, "OfList"), "map_type": (7, "OfMap")},
    "OfList": {"elem_type": (1, "Type")},
    "OfMap": {"key_type": (1, "Type"), "value_type": (2, "Type")},
    "Nothing": {},
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
    "CreateStruct": {"message_name": (1, "string"), "entries": (2, "*Entry")},
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
    """A list written out; ``mixed`` where its items are of several types."""

    at: int
    items: tuple["Node", ...]
    mixed: bool


@dataclass(frozen=True, slots=True)
class MapLiteral:
    """A map written out, or a message if it has a name; ``mixed`` where its keys or its values are of several types."""

    at: int
    entries: tuple[tuple["Node", "Node"], ...]
    mixed: bool
    message: str


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
    return _Reader(
        {entry.key: entry.value for entry in checked.source_info.positions},
        {entry.key: entry.value for entry in checked.type_map},
    ).node(checked.expr)


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below."""
    match node:
        case Select():
            yield node.operand
        case Call() | ListLiteral():
            yield from node.args if isinstance(node, Call) else node.items
        case MapLiteral():
            for key, value in node.entries:
                yield from (key, value)
        case Loop():
            yield from (node.range, node.start, node.condition, node.step, node.result)
        case Constant() | Ident():
            pass


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(children(node))


_Message = Any
"""A message of a class that is made at run time: its fields are known to nobody before."""


@dataclass(frozen=True, slots=True)
class _Reader:
    positions: Mapping[int, int]
    types: Mapping[int, _Message]

    def node(self, expr: _Message) -> Node:
        at = self.positions.get(expr.id, -1)
        for name, read in _KINDS.items():
            if expr.HasField(name):
                return read(self, at, expr)
        return Constant(at, _constant(expr.const_expr))

    def all(self, exprs: Iterable[_Message]) -> tuple[Node, ...]:
        return tuple(self.node(expr) for expr in exprs)

    def ident(self, at: int, expr: _Message) -> Node:
        return Ident(at, expr.ident_expr.name)

    def select(self, at: int, expr: _Message) -> Node:
        select = expr.select_expr
        return Select(at, self.node(select.operand), select.field, select.test_only)

    def call(self, at: int, expr: _Message) -> Node:
        call = expr.call_expr
        return Call(at, call.function, self.all([*([call.target] if call.HasField("target") else []), *call.args]))

    def list(self, at: int, expr: _Message) -> Node:
        kind, items = self.types.get(expr.id), expr.list_expr.elements
        mixed = kind is not None and _is_dyn(kind.list_type.elem_type) and self._are_typed(items)
        return ListLiteral(at, self.all(items), mixed)

    def map(self, at: int, expr: _Message) -> Node:
        struct, kind = expr.struct_expr, self.types.get(expr.id)
        mixed = kind is not None and (
            (_is_dyn(kind.map_type.key_type) and self._are_typed(entry.map_key for entry in struct.entries))
            or (_is_dyn(kind.map_type.value_type) and self._are_typed(entry.value for entry in struct.entries))
        )
        entries = tuple((self.node(entry.map_key), self.node(entry.value)) for entry in struct.entries)
        return MapLiteral(at, entries, mixed, struct.message_name)

    def _are_typed(self, exprs: Iterable[_Message]) -> bool:
        """Tell whether there are several, each with a type: one without, as its schema is to come, is no other type."""
        found = [self.types.get(expr.id) for expr in exprs]
        return len(found) > 1 and all(kind is not None and not _is_dyn(kind) for kind in found)

    def loop(self, at: int, expr: _Message) -> Node:
        loop = expr.comprehension_expr
        return Loop(
            at,
            loop.iter_var,
            self.node(loop.iter_range),
            loop.accu_var,
            *self.all((loop.accu_init, loop.loop_condition, loop.loop_step, loop.result)),
        )


_KINDS: Mapping[str, Callable[[_Reader, int, _Message], Node]] = {
    "ident_expr": _Reader.ident,
    "select_expr": _Reader.select,
    "call_expr": _Reader.call,
    "list_expr": _Reader.list,
    "struct_expr": _Reader.map,
    "comprehension_expr": _Reader.loop,
}


def _is_dyn(kind: _Message) -> bool:
    return bool(kind.HasField("dyn"))


def _constant(constant: _Message) -> bool | int | float | str | bytes | None:
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
