"""One way to read JSON and one way to write it, for everything that is judged, signed or hashed.

Reading is strict: what two parsers could understand differently is refused. Writing is canonical: keys sorted by
code point, no white space, UTF-8, shortest round-trip numbers, so equal values have equal bytes.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import NoReturn

import orjson

from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason

JsonScalar = str | int | float | bool | None
JsonValue = JsonScalar | list["JsonValue"] | dict[str, "JsonValue"]

MAX_DEPTH = 64
"""Deepest nesting of arrays and objects; CEL crashes the process at about 8,000."""

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_SAFE_INT_DIGITS = 18
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
"""What a fast parser may take for an integer beyond int64: also where it is part of a text."""


def _malformed(message: str) -> MalformedEventError:
    return MalformedEventError(DeadLetterReason.MALFORMED_VALUE, message)


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is not JSON")


def _parse_int(text: str) -> int:
    if len(text) <= _SAFE_INT_DIGITS:
        return int(text)
    # Python refuses to parse integers of more than 4,300 digits; 20 characters hold every int64.
    if len(text) > 20 or not _INT64_MIN <= (value := int(text)) <= _INT64_MAX:  # noqa: PLR2004  # see above
        raise _malformed("an integer is outside the range of 64 bits")
    return value


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("a number is outside the range of doubles")
    return value


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _malformed("an object repeats a key")
    return result


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_parse_int,
    parse_float=_parse_float,
    parse_constant=_refuse_constant,
)


def decode(raw: bytes) -> JsonValue:
    """Read strict JSON.

    Raises:
        MalformedEventError: ``MalformedValue`` for invalid UTF-8, repeated keys, NaN and infinities, integers
            beyond int64, numbers beyond doubles, lone surrogates, nesting deeper than ``MAX_DEPTH``.
    """
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:  # an upper bound that costs nothing
        _check_depth(raw)
    elif (found := _canonical_object(raw)) is not None:
        return found
    try:
        value: JsonValue = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"not JSON: {error.msg} at character {error.pos}") from error
    if b"\\u" in raw:
        _check_surrogates(value)
    return value


def _canonical_object(raw: bytes) -> JsonValue:
    """Read an object that is written as ``encode`` writes it; None for all else, right or wrong.

    Written anew, the value has the same bytes: so no key was repeated, and no number was too large or not finite. Only
    of integers this parser takes more than is allowed, up to 2^64: whatever looks like one is left to the other.
    """
    if _LONG_NUMBER.search(raw) is not None:
        return None
    try:
        value: JsonValue = orjson.loads(raw)
        return value if isinstance(value, dict) and encode(value) == raw else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def decode_encoded(raw: bytes) -> JsonValue:
    """Read what ``encode`` has written, byte for byte: several times as fast as ``decode``.

    Raises:
        MalformedEventError: ``MalformedValue`` for anything else, also for JSON that is not canonical.
    """
    try:
        value: JsonValue = orjson.loads(raw)
        same = encode(value) == raw
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError) as error:
        raise _malformed("not JSON") from error
    if not same:
        raise _malformed("not canonical JSON")
    return value


def _check_depth(raw: bytes) -> None:
    """Refuse deep nesting without recursion, skipping over strings."""
    depth, in_string, escaped = 0, False, False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # noqa: PLR2004  # backslash
                escaped = True
            elif byte == 0x22:  # noqa: PLR2004  # quote
                in_string = False
        elif byte == 0x22:  # noqa: PLR2004  # quote
            in_string = True
        elif byte in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise _malformed(f"nested deeper than {MAX_DEPTH}")
        elif byte in b"}]":
            depth -= 1


def _check_surrogates(value: JsonValue) -> None:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise _malformed("a string has a lone surrogate") from error


def encode(value: JsonValue | Mapping[str, object]) -> bytes:
    """Write canonical JSON. ``value`` must be finite and free of lone surrogates, as ``decode`` gives it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
