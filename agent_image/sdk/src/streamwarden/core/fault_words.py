"""pydantic's codes in words: its own texts may hold the input, and its codes are no words for people."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_WORDS: Final = {
    "missing": "required, and missing",
    "extra_forbidden": "unknown field",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "json_invalid": "is not JSON",
    "enum": "is none of the values that are allowed",
    "literal_error": "is none of the values that are allowed",
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "does not have the pattern that is asked for",
    "datetime_parsing": "must be a time as in 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be a time as in 2026-01-31T12:00:00Z",
}


_BOUNDS: Final = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "at most {}"),
    "string_too_short": ("min_length", "{} or more characters"),
    "string_too_long": ("max_length", "{} or fewer characters"),
}
"""What of a fault's context is the model's own word, and never the input's."""


def in_words(code: str, context: Mapping[str, object] = MappingProxyType({})) -> str:
    """Say what is wrong, with the bound that the model says; a code that is not known here is shown as it is."""
    name, bound = _BOUNDS.get(code, ("", ""))
    allowed = f": {bound.format(context[name])}" if name in context else ""
    return _WORDS.get(code, code) + allowed
