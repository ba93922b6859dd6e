"""What a checked rule would cost, and the mistakes in it that its types alone don't show.

Costs are in nanoseconds of one core, measured on lists and texts of all sizes (``benchmarks/rule_costs.py``) and
rounded up. As in Kubernetes, an estimate takes each value at its largest; unlike there, the values of one record cannot
all be at their largest, since they share its 64 KiB.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import ClassVar

from streamwarden_contract.decision import MAX_RECORD_BYTES

from streamwarden_judging.typed import mistakes, syntax
from streamwarden_judging.typed.functions import FUNCTIONS, Price
from streamwarden_judging.typed.mistakes import Mistake
from streamwarden_judging.typed.patterns import written_out
from streamwarden_judging.typed.sizes import MIN_ITEM_BYTES, Size, field_of, indexed_of, item_of
from streamwarden_judging.typed.types import ListType, MapType, Scalar, ScalarType, Types, ValueType, join

MAX_ITERATIONS = 10_000
"""The engine's own limit, all loops of one evaluation together: so many are an error, which denies."""
_RULE, _NODE, _ITERATION, _LITERAL, _MATCH, _CONVERSION = 100_000.0, 100.0, 200.0, 500.0, 6_000.0, 1_000.0
_APPEND_PER_ITEM, _JOIN_PER_ITEM, _EQUAL_PER_ITEM, _SEARCH_PER_ITEM = 30.0, 60.0, 150.0, 6.0
_COMPARE_PER_BYTE, _COPY_PER_BYTE, _COUNT_PER_BYTE, _MATCH_PER_BYTE = 0.3, 1.2, 2.5, 4.0
_FIND_PER_BYTES = 0.03
"""For each byte of a text and of what is searched in it."""
_PATTERN_LENGTH = 16
"""Length of a regular expression that costs as measured; a longer one costs in proportion."""
_LARGE_PATTERN, _LARGE_MATCH_PER_BYTE = 500, 10.0
"""Size, with repetitions written out, from which the engine goes the slow way, and what that costs for each of it."""
_RECORD_ITEMS = MAX_RECORD_BYTES // MIN_ITEM_BYTES
_BOOL, _INT = ScalarType(Scalar.BOOL), ScalarType(Scalar.INT)


@dataclass(frozen=True, slots=True)
class _Loop:
    number: int
    runs: int
    """Most iterations of one run."""


@dataclass(slots=True)
class Reading:
    """Reads one expression; see ``cost_ns``, ``mistakes``, ``dynamic`` and ``unbounded`` afterwards."""

    types: Types
    cost_ns: float = _RULE
    mistakes: list[Mistake] = field(default_factory=list)
    dynamic: dict[str, None] = field(default_factory=dict)
    """Paths that are read through ``dyn(...)``, in the order of the text."""
    unbounded: dict[str, str] = field(default_factory=dict)
    """By path: the keyword that would bound what a loop or a search goes over."""
    _loops: list[_Loop] = field(default_factory=list)
    _evaluations: int = 1
    _count: int = 0
    _appended: Size = field(default_factory=Size)

    def read(self, node: syntax.Node, variables: Mapping[str, Size]) -> Size:
        """Return the size of a node's value."""
        self.cost_ns += _NODE * self._evaluations
        match node:
            case syntax.Constant():
                size = _constant(node)
            case syntax.Ident(name=name):
                size = variables.get(name, Size())
            case syntax.Select():
                operand = self.read(node.operand, variables)
                size = Size(_BOOL) if node.test else field_of(operand, node.field, self.types)
            case syntax.ListLiteral() | syntax.MapLiteral():
                self.mistakes += mistakes.of_literal(node)
                self.cost_ns += _LITERAL * self._evaluations
                size = _literal(node, [self.read(part, variables) for part in syntax.children(node)])
            case syntax.Loop():
                size = self._loop(node, variables)
            case syntax.Call():
                size = self._call(node, [self.read(arg, variables) for arg in node.args])
        return size

    def _loop(self, node: syntax.Loop, variables: Mapping[str, Size]) -> Size:
        span = self.read(node.range, variables)
        start = self.read(node.start, variables)
        self._note_bound(span)
        before, self._count = self._evaluations, self._count + 1
        loop = _Loop(self._count, min(span.items, MAX_ITERATIONS))
        self._evaluations = min(max(1, self._total(span, span.items, _RECORD_ITEMS)), MAX_ITERATIONS)
        self._loops.append(loop)
        self.cost_ns += _ITERATION * self._evaluations
        shares = None if span.shares is None else span.shares | {loop.number}
        inner = {**variables, node.variable: item_of(span, shares), node.result_variable: start}
        self.read(node.condition, inner)
        self._appended = Size()
        self.read(node.step, inner)
        self._loops.pop()
        self._evaluations = before
        if not isinstance(node.start, syntax.ListLiteral):
            return self.read(node.result, {**variables, node.result_variable: start})
        return _gathered(self._appended, span, loop)

    def _call(self, node: syntax.Call, args: list[Size]) -> Size:
        self.mistakes += mistakes.of_call(node, args)
        known = FUNCTIONS.get(node.function)
        return Size() if known is None else self._PRICES[known.price](self, node, args)

    def _logic(self, _node: syntax.Call, _args: list[Size]) -> Size:
        return Size(_BOOL)

    def _compare(self, _node: syntax.Call, args: list[Size]) -> Size:
        smaller = min(args, key=lambda size: size.bytes)
        self._touch(smaller, _COMPARE_PER_BYTE if _is_text(smaller) else _EQUAL_PER_ITEM / MIN_ITEM_BYTES)
        return Size(_BOOL)

    def _search(self, _node: syntax.Call, args: list[Size]) -> Size:
        self._touch(args[0], _COMPARE_PER_BYTE)
        return Size(_BOOL)

    def _find(self, _node: syntax.Call, args: list[Size]) -> Size:
        """Search a text in another: at worst each byte of one is compared with each of the other."""
        text, part = args
        self._touch(text, _COMPARE_PER_BYTE)
        pairs = min(
            self._total(text, text.bytes, MAX_RECORD_BYTES) * min(part.bytes, MAX_RECORD_BYTES // 4),
            self._total(part, part.bytes, MAX_RECORD_BYTES) * text.bytes,
        )
        self.cost_ns += pairs * _FIND_PER_BYTES
        return Size(_BOOL)

    def _in(self, _node: syntax.Call, args: list[Size]) -> Size:
        one, many = args
        if isinstance(many.type, ListType) or many.type is None:
            each = _SEARCH_PER_ITEM if _has_no_parts(one) else _EQUAL_PER_ITEM
            self.cost_ns += self._total(many, many.items, _RECORD_ITEMS) * each
            self._touch(many, _COMPARE_PER_BYTE)
        return Size(_BOOL)

    def _add(self, node: syntax.Call, args: list[Size]) -> Size:
        one, other = args
        match node.args:
            case (syntax.Ident(name="@result"), syntax.ListLiteral()):
                # The engine copies what it has gathered for each item that comes to it.
                runs = self._loops[-1].runs
                self.cost_ns += self._evaluations * runs * _APPEND_PER_ITEM
                self._appended = other
                return Size(other.type, other.bytes, runs)
            case _:
                pass
        kind = join(size.type for size in args if size.type is not None) if one.type and other.type else None
        if isinstance(kind, ScalarType):
            kind = replace(kind, values=None, max_length=None)
        if one.items > 1 or other.items > 1:
            self.cost_ns += self._evaluations * (one.items + other.items) * _JOIN_PER_ITEM
        else:
            self._touch(one, _COPY_PER_BYTE)
            self._touch(other, _COPY_PER_BYTE)
        items = one.items + other.items if one.items > 1 or other.items > 1 else 1
        return Size(
            kind, one.bytes + other.bytes, items, constants=one.constants + other.constants if items > 1 else ()
        )

    def _size(self, _node: syntax.Call, args: list[Size]) -> Size:
        self._touch(args[0], _COUNT_PER_BYTE if _is_text(args[0]) else 0.0)
        return Size(_INT)

    def _choose(self, _node: syntax.Call, args: list[Size]) -> Size:
        larger = max(args[1:], key=lambda size: size.bytes)
        kinds: list[ValueType] = [size.type for size in args[1:] if size.type is not None]
        return replace(
            larger,
            type=join(kinds) if len(kinds) == len(args) - 1 else None,
            items=max(size.items for size in args[1:]),
            path=args[1].path or args[2].path,
            constants=args[1].constants + args[2].constants,
        )

    def _index(self, _node: syntax.Call, args: list[Size]) -> Size:
        self.mistakes += mistakes.of_key(args, self.types)
        return indexed_of(args[0], self.types)

    def _dyn(self, _node: syntax.Call, args: list[Size]) -> Size:
        (size,) = args
        if size.path:
            self.dynamic[size.path] = None
        return replace(size, type=None, items=max(size.items, size.bytes // MIN_ITEM_BYTES), constants=())

    def _match(self, node: syntax.Call, args: list[Size]) -> Size:
        pattern = node.args[1]
        constant = pattern.value if isinstance(pattern, syntax.Constant) else None
        size = written_out(constant) if isinstance(constant, str) else 0
        large = _LARGE_MATCH_PER_BYTE * size if size > _LARGE_PATTERN else 0.0
        self.cost_ns += _MATCH * self._evaluations
        self._touch(args[0], max(large, _MATCH_PER_BYTE * max(1.0, size / _PATTERN_LENGTH)))
        return Size(_BOOL)

    def _convert(self, _node: syntax.Call, args: list[Size]) -> Size:
        self.cost_ns += _CONVERSION * self._evaluations
        for arg in args:
            self._touch(arg, _COPY_PER_BYTE)
        return Size(None, max((arg.bytes for arg in args), default=0) * 2)

    def _touch(self, size: Size, per_byte: float) -> None:
        if per_byte and size.bytes > MAX_RECORD_BYTES // 16:
            self._note_bound(size)
        self.cost_ns += self._total(size, size.bytes, MAX_RECORD_BYTES) * per_byte

    def _total(self, size: Size, each: int, record: int) -> int:
        """Return the most that all evaluations together go over.

        That is each at its largest, or a record's worth for each run of the loops that it does not share it among.
        """
        largest = each * self._evaluations
        shares = size.shares
        if shares is None:
            return largest
        return min(largest, record * prod(loop.runs for loop in self._loops if loop.number not in shares))

    def _note_bound(self, size: Size) -> None:
        match size.type:
            case ListType(max_items=None) if size.path:
                self.unbounded[size.path] = "maxItems"
            case MapType(max_entries=None) if size.path:
                self.unbounded[size.path] = "maxProperties"
            case ScalarType(Scalar.STRING, max_length=None) if size.path:
                self.unbounded[size.path] = "maxLength"
            case _:
                pass

    _PRICES: ClassVar[Mapping[Price, Callable[["Reading", syntax.Call, list[Size]], Size]]] = {
        Price.LOGIC: _logic,
        Price.COMPARE: _compare,
        Price.SEARCH: _search,
        Price.FIND: _find,
        Price.MATCH: _match,
        Price.MEMBER: _in,
        Price.ADD: _add,
        Price.COUNT: _size,
        Price.CHOOSE: _choose,
        Price.INDEX: _index,
        Price.UNTYPE: _dyn,
        Price.CONVERT: _convert,
    }


def _is_text(size: Size) -> bool:
    return isinstance(size.type, ScalarType) and size.type.kind is Scalar.STRING


def _has_no_parts(size: Size) -> bool:
    return isinstance(size.type, ScalarType)


def _gathered(item: Size, span: Size, loop: _Loop) -> Size:
    """Return the size of the list that a loop makes of what it appends each time."""
    bytes_ = loop.runs * item.bytes
    if item.shares is not None and loop.number in item.shares:
        bytes_ = min(bytes_, span.bytes)  # items of the record itself
    return Size(item.type, bytes_, loop.runs, constants=item.constants)


def _constant(node: syntax.Constant) -> Size:
    if isinstance(node.value, str):
        kind = ScalarType(Scalar.STRING, max_length=len(node.value), values=(node.value,))
        return Size(kind, len(node.value.encode(errors="surrogatepass")), constants=(node,))
    kinds = {bool: Scalar.BOOL, int: Scalar.INT, float: Scalar.DOUBLE}
    scalar = kinds.get(type(node.value))
    return Size(None if scalar is None else ScalarType(scalar))


def _literal(node: syntax.ListLiteral | syntax.MapLiteral, parts: Sequence[Size]) -> Size:
    size = sum(part.bytes for part in parts)
    constants = tuple(constant for part in parts for constant in part.constants)
    if isinstance(node, syntax.MapLiteral):
        return Size(None, size, len(node.entries))
    kinds = [part.type for part in parts if part.type is not None]
    kind = ListType(join(kinds)) if kinds and len(kinds) == len(parts) else None
    shares = parts[0].shares if len(parts) == 1 else None
    return Size(kind, size, len(parts), shares, constants=constants)
