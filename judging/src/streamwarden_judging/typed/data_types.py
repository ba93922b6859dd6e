"""The types of data that stands beside the rules: worked out from the data itself, which never changes meanwhile.

Objects have exactly the fields that are there. Where all values of an object are of one type, it is also read by a key
that comes from the decision: ``params.limits[decision.parameters.currency]``.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from streamwarden_contract import canonical
from streamwarden_contract.canonical import JsonValue

from streamwarden_judging.typed.coercion import InexactNumberError, coercion
from streamwarden_judging.typed.types import (
    UNTYPED,
    ListType,
    ObjectRef,
    Scalar,
    ScalarType,
    Types,
    ValueType,
    as_nullable,
    join,
)
from streamwarden_judging.typed.zeros import has_zero

MAX_DATA_BYTES = 64 * 1024
"""Largest data beside the rules of one policy, as canonical JSON."""


_SCALARS: Mapping[type, Scalar] = {bool: Scalar.BOOL, int: Scalar.INT, float: Scalar.DOUBLE}


class ParamsError(ValueError):
    """Data that rules cannot be checked against."""


def add_data(data: dict[str, JsonValue], types: Types, place: str) -> ObjectRef:
    """Add the objects of some data to the types.

    Raises:
        ParamsError: it has more than 64 KiB.
    """
    size = len(canonical.encode(data))
    if size > MAX_DATA_BYTES:
        raise ParamsError(f"{place} has {size} bytes, and at most {MAX_DATA_BYTES} are allowed")
    return _object(data, types, place)


def typed_data(data: dict[str, JsonValue], place: str) -> dict[str, JsonValue]:
    """Return data as rules see it: numbers have the types that ``add_data`` gives them.

    Raises:
        ParamsError: nothing can be checked against it.
    """
    types = Types()
    if has_zero(data):
        raise ParamsError(f"{place}: a text has the character U+0000, and rules see nothing behind it")
    try:
        change = coercion(add_data(data, types, place), types)
        changed = data if change is None else change(data)
    except InexactNumberError as error:
        raise ParamsError(f"{place}: {error}") from error
    return cast("dict[str, JsonValue]", changed)


def _type(value: JsonValue, types: Types, place: str) -> ValueType:
    match value:
        case dict():
            return _object(value, types, place)
        case list():
            return _list(value, types, place)
        case str():
            return ScalarType(Scalar.STRING, max_length=len(value))
        case bool() | int() | float():
            return ScalarType(_SCALARS[type(value)])
        case None:
            return UNTYPED


def _object(value: dict[str, JsonValue], types: Types, place: str) -> ObjectRef:
    ref, fields = types.add(place)
    types.sizes[ref.name] = len(canonical.encode(value))
    fields |= {name: _type(item, types, f"{place}.{name}") for name, item in value.items()}
    common = _common(fields.values())
    if isinstance(common, ScalarType) or (isinstance(common, ListType) and isinstance(common.items, ScalarType)):
        types.indexed[ref.name] = common
        if isinstance(common, ScalarType):  # of ints and doubles all become doubles, also by a dot
            fields |= {name: common if common.kind is Scalar.DOUBLE else kind for name, kind in fields.items()}
    return ref


def _list(value: list[JsonValue], types: Types, place: str) -> ListType:
    """Return the type of a list. Objects in it are one type only if all have the same fields of the same types."""
    objects = [item for item in value if isinstance(item, dict)]
    if objects and len(objects) == len(value):
        return ListType(_same_objects(objects, types, f"{place}[]"), len(value))
    texts = [item for item in value if isinstance(item, str)]
    if texts and len(texts) == len(value):
        longest = max(map(len, texts))
        return ListType(ScalarType(Scalar.STRING, max_length=longest, values=tuple(dict.fromkeys(texts))), len(value))
    nullable = None in value
    items = _common(_type(item, types, place) for item in value if not isinstance(item, dict | list | None))
    plain = all(not isinstance(item, dict | list) for item in value)
    return ListType(as_nullable(items, nullable=nullable) if plain else UNTYPED, len(value))


def _same_objects(objects: list[dict[str, JsonValue]], types: Types, place: str) -> ValueType:
    """Return one object with the fields of all: a field whose types differ is untyped."""
    ref, fields = types.add(place)
    types.sizes[ref.name] = max(len(canonical.encode(item)) for item in objects)
    by_name = dict[str, list[JsonValue]]()
    for item in objects:
        for name, value in item.items():
            by_name.setdefault(name, []).append(value)
    fields |= {name: _merged(values, types, f"{place}.{name}") for name, values in by_name.items()}
    return ref


def _merged(values: list[JsonValue], types: Types, place: str) -> ValueType:
    objects = [value for value in values if isinstance(value, dict)]
    if objects and len(objects) == len(values):
        return _same_objects(objects, types, place)
    return UNTYPED if objects else _common(_type(value, types, place) for value in values)


def _common(kinds: Iterable[ValueType]) -> ValueType:
    """Return the type that holds for all, if it is one that has no fields."""
    joined = join(kinds)
    return UNTYPED if isinstance(joined, ObjectRef) else joined
