"""Values as the schema types them: JSON has one kind of number, rules have two.

A ``number`` that is written ``40`` becomes 40.0, an ``integer`` that is written ``5.0`` becomes 5: what the checker
took also runs. What the type cannot hold exactly is not judged by another value.
"""

from collections.abc import Callable, Mapping
from operator import is_
from typing import Any

from streamwarden_contract.canonical import JsonValue

from streamwarden_judging.typed.types import (
    ListType,
    MapType,
    ObjectRef,
    Scalar,
    ScalarType,
    Types,
    Untyped,
    ValueType,
)

Coerce = Callable[[JsonValue], JsonValue]
_LEAST, _MOST = -(2**63), 2**63 - 1


class InexactNumberError(ValueError):
    """A number that its type cannot hold exactly."""


def coercion(kind: ValueType, types: Types) -> Coerce | None:
    """Return what gives a value its types; None where it has no numbers, and stays as it is.

    The value has been found to fit its schema. It is not changed: what needs a change is copied, and where nothing does
    the value itself comes back. The function that is returned raises ``InexactNumberError``.
    """
    return _Coercions(types).of(kind)


class _Coercions:
    def __init__(self, types: Types) -> None:
        self._types = types
        self._open: dict[str, list[Coerce | None]] = {}

    def of(self, kind: ValueType) -> Coerce | None:
        match kind:
            case ScalarType(scalar):
                return _NUMBERS.get(scalar)
            case ListType(ScalarType(scalar)) if scalar in _NUMBERS:
                return _each_number(scalar)
            case ListType(items):
                return _each_item(self.of(items))
            case MapType(values):
                return _each_value(self.of(values))
            case ObjectRef(name):
                return self._object(name)
            case Untyped():
                return None

    def _object(self, name: str) -> Coerce | None:
        if name in self._open:  # it holds itself, or was there before: only the end tells whether it has numbers
            later = self._open[name]
            return lambda value: value if later[0] is None else later[0](value)
        self._open[name] = [None]
        found = {field: do for field, kind in self._types.objects[name].items() if (do := self.of(kind)) is not None}
        result = _fields(found) if found else None
        self._open[name][0] = result
        return result


def _to_double(value: JsonValue) -> JsonValue:
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    try:
        double = float(value)
    except OverflowError:
        raise InexactNumberError("an integer beyond all doubles") from None
    if int(double) != value:
        raise InexactNumberError(f"{value} is no double: as a number it would be {double:.0f}")
    return double


def _to_int(value: JsonValue) -> JsonValue:
    if type(value) is int and _LEAST <= value <= _MOST:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if (isinstance(value, float) and not value.is_integer()) or not _LEAST <= value <= _MOST:
        raise InexactNumberError(f"{repr(value)[:40]} is no 64-bit integer")
    return int(value)


_NUMBERS: Mapping[Scalar, Coerce] = {Scalar.DOUBLE: _to_double, Scalar.INT: _to_int}


def _each_number(scalar: Scalar) -> Coerce:
    """Return what changes a list of numbers; one that has its type already is not gone through in Python."""
    do = _NUMBERS[scalar]

    def change(value: JsonValue) -> JsonValue:
        if not isinstance(value, list) or not value:
            return value
        kinds = set(map(type, value))
        if kinds == {float} and do is _to_double:
            return value
        if kinds == {int} and do is _to_int and _is_int64(value):
            return value
        return [do(item) for item in value]

    return change


def _is_int64(numbers: list[Any]) -> bool:
    return bool(min(numbers) >= _LEAST and max(numbers) <= _MOST)


def _each_item(do: Coerce | None) -> Coerce | None:
    if do is None:
        return None

    def change(value: JsonValue) -> JsonValue:
        if not isinstance(value, list):
            return value
        changed = [do(item) for item in value]
        return value if all(map(is_, changed, value)) else changed

    return change


def _each_value(do: Coerce | None) -> Coerce | None:
    if do is None:
        return None

    def change(value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return value
        changed = {key: do(item) for key, item in value.items()}
        return value if all(map(is_, changed.values(), value.values())) else changed

    return change


def _fields(found: Mapping[str, Coerce]) -> Coerce:
    doubles = [field for field, do in found.items() if do is _to_double]
    ints = [field for field, do in found.items() if do is _to_int]
    others = [(field, do) for field, do in found.items() if do not in (_to_double, _to_int)]

    def change(value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return value
        if len(value) < len(found):  # of a thousand objects with a field of its own each has one, and not a thousand
            return _by_its_own_fields(value, found)
        changed: dict[str, JsonValue] = {}
        for field in doubles:
            item = value.get(field)
            if type(item) is int:
                changed[field] = _to_double(item)
        for field in ints:
            item = value.get(field)
            if type(item) is float or (type(item) is int and not _LEAST <= item <= _MOST):
                changed[field] = _to_int(item)
        for field, do in others:
            item = value.get(field)
            if item is not None and (new := do(item)) is not item:
                changed[field] = new
        return {**value, **changed} if changed else value

    return change


def _by_its_own_fields(value: dict[str, JsonValue], found: Mapping[str, Coerce]) -> JsonValue:
    changed: dict[str, JsonValue] = {}
    for field, item in value.items():
        do = found.get(field)
        if do is not None and item is not None and (new := do(item)) is not item:
            changed[field] = new
    return {**value, **changed} if changed else value
