"""Values as the schema types them: JSON has one kind of number, rules have two.

A ``number`` that is written ``40`` becomes 40.0, an ``integer`` that is written ``5.0`` becomes 5: what the checker took
also runs. What the type cannot hold exactly is not judged by another value.
"""

from collections.abc import Callable, Mapping

from streamwarden_contract.canonical import JsonValue

from streamwarden_judging.typed.types import ListType, MapType, ObjectRef, Scalar, ScalarType, Types, ValueType

Coerce = Callable[[JsonValue], JsonValue]


class InexactNumberError(ValueError):
    """A number that its type cannot hold exactly."""


def coercion(kind: ValueType, types: Types) -> Coerce | None:
    """Return what gives a value its types; None where it has no numbers, and stays as it is.

    The value has been found to fit its schema. It is not changed: what needs a change is copied.
    """
    return _Coercions(types).of(kind)


class _Coercions:
    def __init__(self, types: Types) -> None:
        self._types = types
        self._open: dict[str, list[Coerce | None]] = {}

    def of(self, kind: ValueType) -> Coerce | None:
        match kind:
            case ScalarType(Scalar.DOUBLE):
                return _to_double
            case ScalarType(Scalar.INT):
                return _to_int
            case ListType(items):
                return _each_item(self.of(items))
            case MapType(values):
                return _each_value(self.of(values))
            case ObjectRef(name):
                return self._object(name)
        return None

    def _object(self, name: str) -> Coerce | None:
        if name in self._open:  # it holds itself: whether it has numbers is known only at the end
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
    double = float(value)
    if int(double) != value:
        raise InexactNumberError(f"{value} is no double: as a number it would be {double:.0f}")
    return double


def _to_int(value: JsonValue) -> JsonValue:
    if not isinstance(value, float):
        return value
    if not value.is_integer() or not -(2**63) <= value < 2**63:
        raise InexactNumberError(f"{value!r} is no 64-bit integer")
    return int(value)


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
