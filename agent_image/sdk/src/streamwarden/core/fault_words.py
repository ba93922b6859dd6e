"""pydantic's codes in words: its own texts may hold the input, and its codes are no words for people."""

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


def in_words(code: str) -> str:
    """Say what is wrong; a code that is not known here is shown as it is."""
    return _WORDS.get(code, code)
