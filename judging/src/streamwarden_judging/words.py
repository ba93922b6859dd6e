"""Text of an engine, or of whoever wrote what it read, as people may be shown it."""

import unicodedata

MAX_WORDS = 300
"""Longest text, in characters."""
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Categories of characters that are not seen, or change how others are: controls, formats (bidi), line separators."""


def as_words(text: str, most: int = MAX_WORDS) -> str:
    r"""Return one line of at most ``most`` characters, in which nothing is hidden: ``\u202e`` is written out."""
    shown = "".join(_escaped(character) for character in text[:most])
    return shown if len(shown) <= most and len(text) <= most else f"{shown[: most - 3]}..."


def _escaped(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if unicodedata.category(character) in _HIDDEN else character
