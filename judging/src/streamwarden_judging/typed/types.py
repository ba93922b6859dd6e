"""Types of the values that rules read, and the largest sizes that a schema allows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Scalar(StrEnum):
    """Kinds of values that have no parts, by their name in CEL."""

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    BOOL = "bool"


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A value without parts."""

    kind: Scalar
    nullable: bool = False
    max_length: int | None = None
    """Of a text, in code points; None where the schema sets no bound."""
    values: tuple[str, ...] | None = None
    """Of a text: all that it may be, where the schema lists them."""


@dataclass(frozen=True, slots=True)
class ListType:
    """An array whose items are all of one type."""

    items: "ValueType"
    max_items: int | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class MapType:
    """An object with any keys, whose values are all of one type."""

    values: "ValueType"
    max_entries: int | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object with known fields, by its name in ``Types.objects``: schemas may refer to themselves."""

    name: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Untyped:
    """A value that the schema says too little about: rules read it only as ``dyn(...)``."""

    schema_to_come: bool = False
    """Whether there is no schema yet: then anything may be read."""


Typed = ScalarType | ListType | MapType | ObjectRef
ValueType = Typed | Untyped

UNTYPED = Untyped()
_NUMBERS = frozenset({Scalar.INT, Scalar.DOUBLE})


@dataclass(slots=True)
class Types:
    """Objects by name. A name is the path of the place where the object was found first."""

    objects: dict[str, dict[str, ValueType]] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    """How people write the place of an object: ``decision.parameters.items[]``, by its name."""
    indexed: dict[str, Typed] = field(default_factory=dict)
    """Objects that are also read by a key that comes from data, and the one type of their values."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Objects whose size in bytes is known, and is no part of a record."""
    optional: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Fields that the schema names and never demands, by their object."""
    _last_numbers: dict[str, int] = field(default_factory=dict, repr=False)
    """By what is left of a place without its marks, which thousands may share: the number that the last of them got."""

    def fields(self, ref: ObjectRef) -> Mapping[str, ValueType]:
        """Return the fields of an object."""
        return self.objects[ref.name]

    def add(self, place: str) -> tuple[ObjectRef, dict[str, ValueType]]:
        """Add an object that is found at a place, and return its fields, to be filled."""
        plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in place)
        number = self._last_numbers.get(plain, 1)
        name = plain if number == 1 else f"{plain}_{number}"
        while name in self.objects:
            number += 1
            name = f"{plain}_{number}"
        self._last_numbers[plain] = number
        self.objects[name], self.shown[name] = {}, place
        return ObjectRef(name), self.objects[name]


def join(kinds: Iterable[ValueType]) -> ValueType:
    """Return the type of a value that has one of these types; ``UNTYPED`` where no type holds for all."""
    result: ValueType | None = None
    for kind in kinds:
        result = kind if result is None else _join(result, kind)
    return UNTYPED if result is None else result


def as_nullable(kind: ValueType, *, nullable: bool) -> ValueType:
    """Return the type that also allows null, if asked to."""
    return kind if isinstance(kind, Untyped) or not nullable else replace(kind, nullable=True)


def _join(one: ValueType, other: ValueType) -> ValueType:
    if one == other:
        return one
    match one, other:
        case ScalarType(), ScalarType():
            return _join_scalars(one, other)
        case ListType(items, most, nullable), ListType(other_items, other_most, other_nullable):
            return ListType(_join(items, other_items), _larger(most, other_most), nullable or other_nullable)
        case MapType(values, most, nullable), MapType(other_values, other_most, other_nullable):
            return MapType(_join(values, other_values), _larger(most, other_most), nullable or other_nullable)
        case ObjectRef(name), ObjectRef(other_name) if name == other_name:
            return ObjectRef(name, nullable=True)
        case _:
            return UNTYPED


def _join_scalars(one: ScalarType, other: ScalarType) -> ValueType:
    if one.kind != other.kind and {one.kind, other.kind} != _NUMBERS:
        return UNTYPED
    both = one.values is not None and other.values is not None
    return ScalarType(
        one.kind if one.kind == other.kind else Scalar.DOUBLE,
        one.nullable or other.nullable,
        _larger(one.max_length, other.max_length),
        tuple(dict.fromkeys((*(one.values or ()), *(other.values or ())))) if both else None,
    )


def _larger(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def kind_name(kind: ValueType) -> str:
    """Return what a person would call a type."""
    match kind:
        case ScalarType(kind=scalar):
            return str(scalar)
        case ListType():
            return "list"
        case MapType() | ObjectRef():
            return "object"
        case _:
            return "untyped"
