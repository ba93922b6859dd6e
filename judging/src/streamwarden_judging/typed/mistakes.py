"""Mistakes in a rule that its types alone don't show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamwarden_judging.typed import syntax
from streamwarden_judging.typed.functions import EQUALITIES, FUNCTIONS
from streamwarden_judging.typed.sizes import Size
from streamwarden_judging.typed.types import ListType, ObjectRef, ScalarType, Types, Untyped

_MAX_LISTED = 8


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that a rule cannot mean."""

    at: int
    """Offset in the expression, in code points."""
    message: str


def of_literal(node: syntax.ListLiteral | syntax.MapLiteral) -> Iterator[Mistake]:
    """Yield what is wrong with a list or map that is written out."""
    if isinstance(node, syntax.MapLiteral) and node.message:
        yield Mistake(node.at, f"{node.message} cannot be made in a rule: write a map, as in {{'name': 'value'}}")
    elif node.mixed and not any(_is_dynamic(part) for part in syntax.children(node)):
        what = "items of one list" if isinstance(node, syntax.ListLiteral) else "keys, and values, of one map"
        yield Mistake(node.at, f"all {what} must be of one type: write dyn(...) around one that is not")


def of_call(node: syntax.Call, args: Sequence[Size]) -> Iterator[Mistake]:
    """Yield what is wrong with a call whose arguments are of these sizes."""
    known = FUNCTIONS.get(node.function)
    if known is None:
        yield Mistake(node.at, f"there is no function {node.function!r} in rules")
        return
    if not known.takes_null:
        nulls = [arg for arg in node.args if _is_null(arg)]
        yield from (Mistake(null.at, "null can only be compared with == and !=") for null in nulls)
    if node.function in EQUALITIES:
        yield from _of_null(node, args)
    if node.function in EQUALITIES or node.function == "@in":
        yield from _of_values(args)
    if node.function == "matches" and not _is_text(node.args[1]):
        yield Mistake(node.at, "a regular expression must be written in the rule, not come from data")


def of_key(args: Sequence[Size], types: Types) -> Iterator[Mistake]:
    """Yield the keys that an object of the data beside the rules does not have."""
    kind = args[0].type
    if isinstance(kind, ObjectRef):
        for key in args[1].constants:
            if key.value not in types.objects[kind.name]:
                yield Mistake(key.at, f"{types.shown[kind.name]} has no field {key.value!r}")


def _of_null(node: syntax.Call, args: Sequence[Size]) -> Iterator[Mistake]:
    for against, size in ((node.args[1], args[0]), (node.args[0], args[1])):
        kind = size.type
        if _is_null(against) and kind is not None and not isinstance(kind, Untyped) and not kind.nullable and size.path:
            yield Mistake(node.at, f"{size.path} is never null: has({size.path}) tells whether it is there")


def _of_values(args: Sequence[Size]) -> Iterator[Mistake]:
    """Refuse to compare a text with one that the schema rules out: ``!=`` would always hold."""
    for size, against in ((args[0], args[1]), (args[1], args[0])):
        kind = size.type.items if isinstance(size.type, ListType) else size.type
        if not isinstance(kind, ScalarType) or kind.values is None or (size.constants and not size.path):
            continue  # any text, or one that the rule itself makes
        listed = ", ".join(kind.values[:_MAX_LISTED]) + (", ..." if len(kind.values) > _MAX_LISTED else "")
        for constant in against.constants:
            if isinstance(constant.value, str) and constant.value not in kind.values:
                yield Mistake(
                    constant.at, f"the schema never allows {constant.value!r} here, only {listed or 'nothing'}"
                )


def _is_null(node: syntax.Node) -> bool:
    return isinstance(node, syntax.Constant) and node.value is None


def _is_text(node: syntax.Node) -> bool:
    return isinstance(node, syntax.Constant) and isinstance(node.value, str)


def _is_dynamic(node: syntax.Node) -> bool:
    return isinstance(node, syntax.Call) and node.function == "dyn"
