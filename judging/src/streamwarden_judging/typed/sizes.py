"""How large the values in a rule can be: by the schema's bounds, and all of a record together by its 64 KiB."""

from dataclasses import dataclass, replace

from streamwarden_contract.decision import MAX_RECORD_BYTES

from streamwarden_judging.typed.syntax import Constant
from streamwarden_judging.typed.types import ListType, MapType, ObjectRef, Scalar, ScalarType, Types, ValueType

MIN_ITEM_BYTES = 2
"""The shortest item of a JSON array: a digit and a comma."""
MIN_ENTRY_BYTES = 5
"""The shortest entry of a JSON object whose keys differ: a letter in quotes, a colon, a digit and a comma, less one."""
_BYTES_PER_CHARACTER = 4
_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Size:
    """The largest that a value can be, and how it shares the record's bytes with others like it."""

    type: ValueType | None = None
    """None: not known before it is evaluated."""
    bytes: int = _NUMBER_BYTES
    items: int = 1
    """Items of a list, entries of a map; 1 of anything else."""
    shares: frozenset[int] | None = None
    """Loops over whose runs the record's bytes are divided; None for a value that is no part of a record."""
    path: str = ""
    """Where the record has it, for people."""
    constants: tuple[Constant, ...] = ()
    """Literals that the value, or an item of it, may be."""


def size_of(kind: ValueType | None, shares: frozenset[int] | None, path: str, limit: int = MAX_RECORD_BYTES) -> Size:
    """Return the largest size of a value of a type within a limit of bytes."""
    match kind:
        case ScalarType(Scalar.STRING, max_length=longest):
            return Size(kind, limit if longest is None else min(limit, longest * _BYTES_PER_CHARACTER), 1, shares, path)
        case ScalarType():
            return Size(kind, _NUMBER_BYTES, 1, shares, path)
        case ListType(max_items=count):
            return Size(kind, limit, _fewer(limit // MIN_ITEM_BYTES, count), shares, path)
        case MapType(max_entries=count):
            return Size(kind, limit, _fewer(limit // MIN_ENTRY_BYTES, count), shares, path)
        case ObjectRef():
            return Size(kind, limit, 1, shares, path)
        case _:
            return Size(None, limit, limit // MIN_ITEM_BYTES, shares, path)


def field_of(operand: Size, name: str, types: Types) -> Size:
    """Return the size of an object's field, or of a map's value."""
    path = f"{operand.path}.{name}" if operand.path else ""
    match operand.type:
        case ObjectRef(owner):
            kind = types.objects[owner].get(name)
            if isinstance(kind, ObjectRef) and kind.name in types.sizes:
                return Size(kind, types.sizes[kind.name], 1, None, path)
            return size_of(kind, operand.shares, path, operand.bytes)
        case MapType(values):
            return size_of(values, operand.shares, path, operand.bytes)
        case _:
            pass
    return size_of(None, operand.shares, path, operand.bytes)


def item_of(span: Size, shares: frozenset[int] | None) -> Size:
    """Return the size of what a loop over a value has at a time: an item, or a key."""
    kind: ValueType | None = ScalarType(Scalar.STRING) if isinstance(span.type, MapType) else None
    if isinstance(span.type, ListType):
        kind = span.type.items
    path = f"{span.path}[]" if span.path else ""
    return replace(size_of(kind, shares, path, span.bytes), constants=span.constants)


def indexed_of(span: Size, types: Types) -> Size:
    """Return the size of what is found in a value by a place or a key that varies."""
    kind: ValueType | None = None
    match span.type:
        case ListType(items):
            kind = items
        case MapType(values):
            kind = values
        case ObjectRef(name):
            kind = types.indexed.get(name)
        case _:
            pass
    path = f"{span.path}[]" if span.path else ""
    return replace(size_of(kind, span.shares, path, span.bytes), constants=span.constants)


def _fewer(most: int, count: int | None) -> int:
    return most if count is None else min(most, count)
