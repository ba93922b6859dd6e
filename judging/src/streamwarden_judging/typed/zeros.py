"""Texts with U+0000, of which rules would see no more than what stands before it.

Python's binding of the CEL engine hands texts over as C does (cel-expr-python 0.1.3): to every rule "bed-1", U+0000,
"; open all" was "bed-1", and the command had all of it. So rules see something else in its place that is like no text:
it is equal to none but itself, has as many members as the text has characters, and all else that is asked is an error.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from streamwarden_contract import canonical

if TYPE_CHECKING:
    from streamwarden_contract.canonical import JsonValue

_ZERO, _ESCAPED = "\0", b"\\u0000"


class ZeroInKeyError(ValueError):
    """The name of a field has U+0000: rules would take it for another one."""


def has_zero(value: object) -> bool:
    """Tell whether a text in a value has U+0000, or the name of a field."""
    try:
        if _ESCAPED not in canonical.encode(cast("JsonValue", value)):
            return False
    except TypeError:
        pass  # no strict JSON
    return _has_zero(value)


def without_zeros(facts: Mapping[str, object]) -> Mapping[str, object]:
    """Return what rules see; nearly always that is the same.

    Raises:
        ZeroInKeyError: the name of a field has U+0000.
    """
    return cast("Mapping[str, object]", _seen(facts)) if has_zero(facts) else facts


def _has_zero(value: object) -> bool:
    match value:
        case str():
            return _ZERO in value
        case Mapping():
            return any(_has_zero(key) or _has_zero(item) for key, item in value.items())
        case list():
            return any(map(_has_zero, value))
        case _:
            return False


def _seen(value: object) -> object:
    match value:
        case str():
            return [[ord(character)] for character in value] if _ZERO in value else value
        case Mapping():
            if any(isinstance(key, str) and _ZERO in key for key in value):
                raise ZeroInKeyError("the name of a field has the character U+0000")
            return {key: _seen(item) for key, item in value.items()}
        case list():
            return [_seen(item) for item in value]
        case _:
            return value
