"""How large the values in a rule can be: by the schema's bounds, and all of a record together by its 64 KiB."""

from dataclasses import dataclass

from streamwarden_contract.decision import MAX_RECORD_BYTES

from streamwarden_judging.typed.types import ListType, MapType, ObjectRef, Scalar, ScalarType, ValueType

_MIN_ITEM_BYTES = 2
"""The shortest item of a JSON array: a digit and a comma."""
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


def size_of(kind: ValueType | None, shares: frozenset[int] | None, path: str) -> Size:
    """Return the largest size of a record's value of a type."""
    most = MAX_RECORD_BYTES
    match kind:
        case ScalarType(Scalar.STRING, max_length=longest):
            return Size(kind, most if longest is None else min(most, longest * _BYTES_PER_CHARACTER), 1, shares, path)
        case ScalarType():
            return Size(kind, _NUMBER_BYTES, 1, shares, path)
        case ListType(max_items=count) | MapType(max_entries=count):
            return Size(kind, most, min(most // _MIN_ITEM_BYTES, most if count is None else count), shares, path)
        case ObjectRef():
            return Size(kind, most, 1, shares, path)
    return Size(None, most, most // _MIN_ITEM_BYTES, shares, path)
