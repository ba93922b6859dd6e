"""Names of fields that CEL can only take in back-quotes, as in decision.parameters.`first-name`.

The checker's messages cannot have such fields. For the check alone, a back-quoted name becomes an identifier from which
the name can be read again; what runs is the text as written.
"""

import re
from dataclasses import dataclass, field

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset({"false", "in", "null", "true"})
"""What CEL never takes behind a dot. `namespace`, `if` and the like are reserved only as variables."""
_STAND_IN = "quoted__"
_STAND_INS = re.compile(rf"{_STAND_IN}([0-9a-f]*)")
_TOKENS = re.compile(
    r"""[bB]?[rR][bB]?(?:'{3}.*?'{3}|"{3}.*?"{3}|'[^'\n]*'|"[^"\n]*")"""  # raw texts: nothing is escaped
    r"""|[bB]?(?:'{3}(?:\\.|.)*?'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|//[^\n]*|`(?P<name>[A-Za-z0-9_./ -]+)`""",
    re.DOTALL,
)


def field_name(name: str) -> str:
    """Return the name of a field in the checker's messages."""
    plain = _IDENTIFIER.fullmatch(name) and name not in RESERVED and not name.startswith(_STAND_IN)
    return name if plain else _STAND_IN + name.encode(errors="surrogatepass").hex()


def written_name(name: str) -> str:
    """Return the name that a field of the checker's messages has in the data."""
    match = _STAND_INS.fullmatch(name)
    return bytes.fromhex(match[1]).decode(errors="surrogatepass") if match and len(match[1]) % 2 == 0 else name


def as_written(text: str) -> str:
    """Return a message of the engine with the names that the data has."""
    return _STAND_INS.sub(lambda match: written_name(match[0]), text)


@dataclass(slots=True)
class ForChecking:
    """An expression without back-quotes; texts and comments in it stay as they are."""

    expression: str
    """As written."""
    text: str = field(init=False)
    """As the checker takes it."""
    _shifts: list[tuple[int, int]] = field(default_factory=list, repr=False)
    """Behind each name: its end in the text, and how much further that is than as written."""

    def __post_init__(self) -> None:
        parts: list[str] = []
        done = length = 0
        for match in _TOKENS.finditer(self.expression):
            if match["name"] is None:
                continue
            parts += (self.expression[done : match.start()], field_name(match["name"]))
            length += len(parts[-2]) + len(parts[-1])
            done = match.end()
            self._shifts.append((length, length - done))
        self.text = "".join((*parts, self.expression[done:]))

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column, in code points of the expression, of an offset in the text."""
        shift = next((shift for end, shift in reversed(self._shifts) if end <= at), 0)
        before = self.expression[: max(at - shift, 0)]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    def offset(self, line: int, column: int) -> int:
        """Return the offset in the text of a line and column of it, which count from 1."""
        start = 0
        for _ in range(line - 1):
            start = self.text.find("\n", start) + 1
        return start + column - 1
