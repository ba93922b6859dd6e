"""Values as the schema types them: JSON has one kind of number, rules have two.

A ``number`` that is written ``40`` becomes 40.0, an ``integer`` that is written ``5.0`` becomes 5: what the checker
took also runs. What the type cannot hold exactly is not judged by another value.
"""

from collections.abc import Callable, Mapping

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
_INT64 = range(-(2**63), 2**63)


class InexactNumberError(ValueError):
    """A number that its type cannot hold exactly."""


def coercion(kind: ValueType, types: Types) -> Coerce | None:
    """Return what gives a value its types; None where it has no numbers, and stays as it is.

    The value has been found to fit its schema. It is not changed: what needs a change is copied.
    The function that is returned raises ``InexactNumberError``.
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
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if (isinstance(value, float) and not value.is_integer()) or int(value) not in _INT64:
        raise InexactNumberError(f"{repr(value)[:40]} is no 64-bit integer")
    return int(value)


_NUMBERS: Mapping[Scalar, Coerce] = {Scalar.DOUBLE: _to_double, Scalar.INT: _to_int}


def _each_item(do: Coerce | None) -> Coerce | None:
    if do is None:
        return None
    return lambda value: [do(item) for item in value] if isinstance(value, list) else value


def _each_value(do: Coerce | None) -> Coerce | None:
    if do is None:
        return None
    return lambda value: {key: do(item) for key, item in value.items()} if isinstance(value, dict) else value


def _fields(found: Mapping[str, Coerce]) -> Coerce:
    def change(value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return value
        return {**value, **{field: do(value[field]) for field, do in found.items() if field in value}}

    return change
