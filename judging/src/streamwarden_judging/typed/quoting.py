"""Names of fields that CEL can only take in back-quotes, as in decision.parameters.`first-name`.

The checker's messages cannot have such fields. For the check alone, a back-quoted name becomes an identifier of the
same length, so that columns stay right; what runs is the text as written.
"""

import re
from hashlib import sha256

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# As in CEL's grammar; `in`, `true` and the like are no identifiers.
RESERVED = frozenset(
    "as break const continue else false for function if import in let loop namespace null package return true var "
    "void while".split()
)
_TOKENS = re.compile(
    r"""[bB]?[rR][bB]?(?:'{3}.*?'{3}|"{3}.*?"{3}|'[^'\n]*'|"[^"\n]*")"""  # raw texts: nothing is escaped
    r"""|[bB]?(?:'{3}(?:\\.|.)*?'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|//[^\n]*|`(?P<name>[^`\n]+)`""",
    re.DOTALL,
)


def field_name(name: str) -> str:
    """Return the name of a field in the checker's messages."""
    return name if _IDENTIFIER.fullmatch(name) and name not in RESERVED else _stand_in(name)


def for_checking(expression: str) -> str:
    """Replace the back-quoted names of an expression; texts and comments stay as they are."""

    def replace(match: re.Match[str]) -> str:
        name = match.group("name")
        if name is None:
            return match.group()
        return field_name(name).ljust(len(name) + 2)

    return _TOKENS.sub(replace, expression)


def _stand_in(name: str) -> str:
    """An identifier of the length that the name has in back-quotes, and no shorter than three letters."""
    digest = sha256(name.encode()).hexdigest()
    return ("q" + digest * (len(name) // len(digest) + 1))[: len(name) + 2]
