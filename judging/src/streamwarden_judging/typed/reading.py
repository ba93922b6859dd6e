"""What a checked rule would cost, and the mistakes in it that its types alone don't show.

Costs are in nanoseconds of one core, measured on lists and texts of all sizes (``benchmarks/rule_costs.py``) and rounded
up. As in Kubernetes, an estimate takes each value at its largest; unlike there, the values of one record cannot all be
at their largest, since they share its 64 KiB.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from streamwarden_contract.decision import MAX_RECORD_BYTES

from streamwarden_judging.typed import syntax
from streamwarden_judging.typed.sizes import Size, size_of
from streamwarden_judging.typed.types import UNTYPED, ListType, MapType, ObjectRef, Scalar, ScalarType, Types, ValueType

MAX_ITERATIONS = 10_000
"""The engine's own limit, all loops of an expression together: more is an error, which denies."""
_NODE, _ITERATION, _MATCH, _CONVERSION = 100.0, 200.0, 5_000.0, 1_000.0
_APPEND_PER_ITEM, _JOIN_PER_ITEM, _EQUAL_PER_ITEM, _SEARCH_PER_ITEM = 14.0, 60.0, 150.0, 6.0
_COMPARE_PER_BYTE, _COPY_PER_BYTE, _COUNT_PER_BYTE, _MATCH_PER_BYTE = 0.3, 1.2, 1.6, 3.0
_PATTERN_LENGTH = 16
"""Length of a regular expression that costs as measured; a longer one costs in proportion."""
_EQUALITIES, _ORDERINGS = ("_==_", "_!=_"), ("_<_", "_<=_", "_>_", "_>=_")
_SEARCHES = ("contains", "startsWith", "endsWith")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that a rule cannot mean."""

    at: int
    """Offset in the expression, in code points."""
    message: str


@dataclass(frozen=True, slots=True)
class _Loop:
    number: int
    runs: int
    """Most iterations of one run."""


@dataclass(slots=True)
class Reading:
    """Reads one expression; see ``cost_ns``, ``mistakes`` and ``unbounded`` afterwards."""

    types: Types
    cost_ns: float = 0.0
    mistakes: list[Mistake] = field(default_factory=list)
    unbounded: dict[str, str] = field(default_factory=dict)
    """By path: the keyword that would bound what a loop or a search goes over."""
    _loops: list[_Loop] = field(default_factory=list)
    _evaluations: int = 1
    _count: int = 0

    def read(self, node: syntax.Node, variables: Mapping[str, Size]) -> Size:
        """Return the size of a node's value."""
        self.cost_ns += _NODE * self._evaluations
        match node:
            case syntax.Constant(value=value):
                return _constant(value)
            case syntax.Ident(name=name):
                return variables.get(name, Size())
            case syntax.Select():
                return self._select(node, variables)
            case syntax.ListLiteral(items=items):
                sizes = [self.read(item, variables) for item in items]
                kind = sizes[0].type if sizes else None
                return Size(ListType(kind) if kind else None, sum(size.bytes for size in sizes), len(sizes))
            case syntax.MapLiteral(entries=entries):
                sizes = [self.read(part, variables) for entry in entries for part in entry]
                return Size(None, sum(size.bytes for size in sizes), len(entries))
            case syntax.Loop():
                return self._loop(node, variables)
            case syntax.Call():
                return self._call(node, [self.read(arg, variables) for arg in node.args])

    def _select(self, node: syntax.Select, variables: Mapping[str, Size]) -> Size:
        operand = self.read(node.operand, variables)
        if node.test:
            return Size(ScalarType(Scalar.BOOL))
        kind: ValueType | None = None
        match operand.type:
            case ObjectRef():
                kind = self.types.fields(operand.type).get(node.field)
            case MapType(values):
                kind = values
        return size_of(kind, operand.shares, f"{operand.path}.{node.field}")

    def _loop(self, node: syntax.Loop, variables: Mapping[str, Size]) -> Size:
        span = self.read(node.range, variables)
        start = self.read(node.start, variables)
        self._note_bound(span, "maxItems")
        runs = min(span.items, MAX_ITERATIONS)
        before = self._evaluations
        self._count += 1
        loop = _Loop(self._count, runs)
        self._evaluations = min(max(1, self._total(span, span.items, MAX_RECORD_BYTES // 2)), MAX_ITERATIONS)
        self._loops.append(loop)
        self.cost_ns += _ITERATION * self._evaluations
        shares = None if span.shares is None else span.shares | {loop.number}
        inner = {**variables, node.variable: _item(span, shares), node.result_variable: start}
        self.read(node.condition, inner)
        step = self.read(node.step, inner)
        self._loops.pop()
        self._evaluations = before
        if not isinstance(node.start, syntax.ListLiteral):
            return self.read(node.result, {**variables, node.result_variable: start})
        item = step.bytes if isinstance(node.step, syntax.Call) and node.step.function == "_+_" else span.bytes
        return Size(step.type, runs * item, runs)

    def _call(self, node: syntax.Call, args: list[Size]) -> Size:
        name = node.function
        truth = Size(ScalarType(Scalar.BOOL))
        if name in _EQUALITIES or name in _ORDERINGS:
            self._compare(*args)
            self._check_values(node, args)
            return truth
        if name in _SEARCHES:
            self._touch(args[0], _COMPARE_PER_BYTE)
            return truth
        if name == "matches":
            self._match(node, args[0])
            return truth
        if name == "@in":
            self._check_values(node, args)
            self.cost_ns += self._total(args[1], args[1].items, MAX_RECORD_BYTES // 2) * _SEARCH_PER_ITEM
            self._touch(args[1], _COMPARE_PER_BYTE)
            return truth
        if name == "_+_":
            return self._add(node, args)
        if name == "size":
            self._touch(args[0], _COUNT_PER_BYTE if _is_text(args[0]) else 0.0)
            return Size(ScalarType(Scalar.INT))
        if name == "_?_:_":
            return max(args[1:], key=lambda size: size.bytes)
        if name == "_[_]":
            return _item(args[0], args[0].shares)
        if name == "dyn":
            return Size(None, args[0].bytes, max(args[0].items, args[0].bytes // 2), args[0].shares, args[0].path)
        if name in ("_&&_", "_||_", "!_", "@not_strictly_false"):
            return truth
        self.cost_ns += _CONVERSION * self._evaluations
        for arg in args:
            self._touch(arg, _COPY_PER_BYTE)
        return Size(None, max((arg.bytes for arg in args), default=0) * 2)

    def _add(self, node: syntax.Call, args: list[Size]) -> Size:
        one, other = args
        match node.args:
            case (syntax.Ident(name="@result"), syntax.ListLiteral()):
                # The engine copies what it has gathered for each item that comes to it.
                runs = self._loops[-1].runs
                self.cost_ns += self._evaluations * runs * _APPEND_PER_ITEM
                return Size(other.type, other.bytes, runs)
        if one.items > 1 or other.items > 1:
            self.cost_ns += self._evaluations * (one.items + other.items) * _JOIN_PER_ITEM
        else:
            self._touch(one, _COPY_PER_BYTE)
            self._touch(other, _COPY_PER_BYTE)
        return Size(one.type, one.bytes + other.bytes, one.items + other.items if one.items > 1 else 1)

    def _match(self, node: syntax.Call, text: Size) -> None:
        pattern = node.args[1]
        if not isinstance(pattern, syntax.Constant) or not isinstance(pattern.value, str):
            self.mistakes.append(Mistake(node.at, "a regular expression must be written in the rule, not come from data"))
            return
        self.cost_ns += _MATCH * self._evaluations
        self._touch(text, _MATCH_PER_BYTE * max(1.0, len(pattern.value) / _PATTERN_LENGTH))

    def _compare(self, one: Size, other: Size) -> None:
        smaller = min(one, other, key=lambda size: size.bytes)
        self._touch(smaller, _COMPARE_PER_BYTE if _is_text(smaller) else _EQUAL_PER_ITEM / 2)

    def _touch(self, size: Size, per_byte: float) -> None:
        if per_byte and size.bytes > MAX_RECORD_BYTES // 16:
            self._note_bound(size, "maxLength")
        self.cost_ns += self._total(size, size.bytes, MAX_RECORD_BYTES) * per_byte

    def _total(self, size: Size, each: int, record: int) -> int:
        """Return the most that all evaluations together go over: each at its largest, or a record's worth a run of loops."""
        largest = each * self._evaluations
        if size.shares is None:
            return largest
        shares = size.shares
        return min(largest, record * prod(loop.runs for loop in self._loops if loop.number not in shares))

    def _note_bound(self, size: Size, keyword: str) -> None:
        match size.type:
            case ListType(max_items=None) if size.path:
                self.unbounded[size.path] = keyword
            case ScalarType(Scalar.STRING, max_length=None) if size.path:
                self.unbounded[size.path] = keyword

    def _check_values(self, node: syntax.Call, args: list[Size]) -> None:
        """Refuse to compare a text with one that the schema rules out: ``!=`` would always hold."""
        for kind, against in ((args[0].type, node.args[1]), (args[1].type, node.args[0])):
            if isinstance(kind, ListType):
                kind = kind.items
            if not isinstance(kind, ScalarType) or kind.values is None:
                continue
            constants = against.items if isinstance(against, syntax.ListLiteral) else (against,)
            for constant in constants:
                if isinstance(constant, syntax.Constant) and isinstance(constant.value, str):
                    self._check_value(constant, kind.values)

    def _check_value(self, constant: syntax.Constant, values: tuple[str, ...]) -> None:
        if constant.value not in values:
            listed = ", ".join(values[:8]) + (", ..." if len(values) > 8 else "")
            self.mistakes.append(Mistake(constant.at, f"the schema never allows {constant.value!r} here, only {listed}"))


def _is_text(size: Size) -> bool:
    return isinstance(size.type, ScalarType) and size.type.kind is Scalar.STRING


def _item(span: Size, shares: frozenset[int] | None) -> Size:
    match span.type:
        case ListType(items):
            return size_of(items, shares, f"{span.path}[]")
        case MapType():
            return size_of(ScalarType(Scalar.STRING), shares, f"{span.path}[]")
    return Size(None, span.bytes, max(1, span.bytes // 2), shares, f"{span.path}[]")


def _constant(value: object) -> Size:
    if isinstance(value, str):
        return Size(ScalarType(Scalar.STRING), len(value.encode(errors="surrogatepass")))
    return Size()
