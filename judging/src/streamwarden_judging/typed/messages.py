"""The checker's messages, in words that say what to write."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from streamwarden_judging.typed.environment import ZONED
from streamwarden_judging.typed.descriptors import UNTYPED_MESSAGE
from streamwarden_judging.typed.quoting import field_name
from streamwarden_judging.typed.types import Types


@dataclass(frozen=True, slots=True)
class RuleFault:
    """Why a rule is refused, and where."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


_FAULT = re.compile(r"(?:ERROR: )?<input>:(\d+):(\d+): (.*)")
_FIELD = re.compile(r"undefined field '(.+)' not found in struct 'sw\.(\w+)'")
_NAME = re.compile(r"undeclared reference to '(.+)' \(in container ''\)")
_OVERLOAD = re.compile(r"found no matching overload for '(.+)' applied to '\((.*)\)'")
_ARITHMETIC = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%"}
_OPERATORS = {
    **_ARITHMETIC,
    "_<_": "<",
    "_<=_": "<=",
    "_>_": ">",
    "_>=_": ">=",
    "_==_": "==",
    "_!=_": "!=",
    "_&&_": "&&",
    "_||_": "||",
    "!_": "!",
    "-_": "-",
    "@in": "in",
    "_[_]": "[]",
    "_?_:_": "?:",
}
_LOGICAL = ("_&&_", "_||_", "!_")
_FOREIGN = {" and ": "&&", " or ": "||", "not ": "!"}
"""Operators of other languages, and what CEL has in their place."""


def readable(text: str, types: Types, variables: Collection[str], expression: str) -> list[RuleFault]:
    """Return what the checker says, fault by fault."""
    found = [
        RuleFault(int(line), int(column), _sentence(said.removesuffix("[INVALID_ARGUMENT]").strip(), types, variables))
        for line, column, said in _FAULT.findall(text)
    ]
    if found and "Syntax error" in text:
        return [_with_hint(found[0], expression)]  # what follows the first is noise
    return found or [
        RuleFault(1, 1, text.removeprefix("INVALID_ARGUMENT: ").removesuffix("[INVALID_ARGUMENT]").strip())
    ]


def _with_hint(fault: RuleFault, expression: str) -> RuleFault:
    for word, instead in _FOREIGN.items():
        if word in expression:
            return RuleFault(
                fault.line, fault.column, f"{fault.message}; in CEL, {word.strip()!r} is written {instead}"
            )
    if re.search(r"[^=!<>]=[^=]", expression):
        return RuleFault(fault.line, fault.column, f"{fault.message}; in CEL, equality is written ==")
    return fault


def _sentence(said: str, types: Types, variables: Collection[str]) -> str:
    if match := _FIELD.fullmatch(said):
        return _missing_field(match[1], match[2], types)
    if match := _NAME.fullmatch(said):
        return _missing_name(match[1], variables)
    if match := _OVERLOAD.fullmatch(said):
        return _no_overload(match[1], _split(match[2]), types)
    return said


def _missing_field(stand_in: str, message: str, types: Types) -> str:
    if message == UNTYPED_MESSAGE:
        return (
            f"the schema does not say what {stand_in!r} is read from: write dyn(...) around what stands before the dot"
        )
    fields = types.objects[message]
    shown = types.shown.get(message, message)
    name = next((field for field in fields if field_name(field) == stand_in), stand_in)
    return f"{shown} has no field {name!r}{_suggestion(name, fields)}"


def _missing_name(name: str, variables: Collection[str]) -> str:
    if name in ZONED:
        return f"{name} takes no time zone here: it answers in UTC, and {name}() is how to ask"
    return f"there is no variable or function {name!r}{_suggestion(name, (*variables, *_FUNCTIONS))}"


_FUNCTIONS = (
    "all contains duration dyn endsWith exists exists_one filter has map matches size startsWith timestamp int uint double "
    "string bool bytes type " + " ".join(ZONED)
).split()


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    listed = sorted(known)
    return f"; it has {', '.join(listed[:12])}{', ...' if len(listed) > 12 else ''}" if listed else ""


def _no_overload(function: str, operands: list[str], types: Types) -> str:
    shown = [_shown(operand, types) for operand in operands]
    written = _OPERATORS.get(function, function)
    if any(operand == f"sw.{UNTYPED_MESSAGE}" for operand in operands):
        return f"{written} is applied to a value of which the schema says no type: write dyn(...) around it"
    if function in _ARITHMETIC and sorted(operands) in (["double", "int"], ["double", "uint"], ["int", "uint"]):
        return f"{written} takes two numbers of one kind, not {' and '.join(shown)}: write 2.0 for 2, or int(...), double(...)"
    if function in _LOGICAL:
        return f"{written} takes booleans, not {' and '.join(shown)}"
    if function == "_?_:_":
        return f"?: takes a boolean and two values of one type, not {', '.join(shown)}"
    if function == "_[_]" and operands[0].startswith("sw."):
        return f"a field of {shown[0]} is read with a dot, as in {shown[0]}.name"
    if function in _OPERATORS and len(shown) == 2:  # noqa: PLR2004  # an operator between two values
        return f"{shown[0]} and {shown[1]} cannot be used with {written}"
    return f"{written} cannot be applied to {', '.join(shown) or 'nothing'}"


def _shown(operand: str, types: Types) -> str:
    if operand.startswith("sw."):
        return types.shown.get(operand.removeprefix("sw."), operand)
    wrapped = re.fullmatch(r"wrapper\((\w+)\)", operand)
    return f"{wrapped[1]} or null" if wrapped else {"null_type": "null"}.get(operand, operand)


def _split(operands: str) -> list[str]:
    """Split a list of types at the commas that stand in no parentheses."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(operands):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(operands[start:place].strip())
            start = place + 1
    return [*parts, operands[start:].strip()] if operands else []
