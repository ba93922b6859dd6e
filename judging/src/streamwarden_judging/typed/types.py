"""Types of the values that rules read, and the largest sizes that a schema allows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class MapType:
    """An object with any keys, whose values are all of one type."""

    values: "ValueType"
    max_entries: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object with known fields, by its name in ``Types.objects``: schemas may refer to themselves."""

    name: str


@dataclass(frozen=True, slots=True)
class Untyped:
    """A value that the schema says too little about: rules read it only as ``dyn(...)``."""


ValueType = ScalarType | ListType | MapType | ObjectRef | Untyped

UNTYPED = Untyped()


@dataclass(slots=True)
class Types:
    """Objects by name. A name is the path of the place where the object was found first."""

    objects: dict[str, dict[str, ValueType]] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    """How people write the place of an object: ``decision.parameters.items[]``, by its name."""

    def fields(self, ref: ObjectRef) -> Mapping[str, ValueType]:
        """Return the fields of an object."""
        return self.objects[ref.name]

    def new_name(self, place: str) -> str:
        """Return a message name for an object at a place, which no other object has."""
        plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in place)
        name, number = plain, 1
        while name in self.objects:
            number += 1
            name = f"{plain}_{number}"
        return name
