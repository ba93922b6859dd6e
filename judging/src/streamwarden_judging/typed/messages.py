"""The checker's messages, in words that say what to write."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from typing_extensions import override

from streamwarden_judging.typed.descriptors import UNTYPED_MESSAGE
from streamwarden_judging.typed.functions import EQUALITIES, ORDERINGS, WRITTEN, ZONED
from streamwarden_judging.typed.quoting import ForChecking, as_written, field_name, written_name
from streamwarden_judging.typed.types import Types, kind_name


@dataclass(frozen=True, slots=True)
class RuleFault:
    """Why a rule is refused, and where: line and column count from 1, in code points."""

    line: int
    column: int
    message: str

    @override
    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


_FAULT = re.compile(r"(?:ERROR: )?<input>:(\d+):(\d+): (.*)")
_FIELD = re.compile(r"undefined field '(.+)' not found in struct 'sw\.(\w+)'")
_NAME = re.compile(r"undeclared reference to '(.+)' \(in container ''\)")
_OVERLOAD = re.compile(r"found no matching overload for '(.+)' applied to '\((.*)\)'")
_SELECT = re.compile(r"expression of type '(.+)' cannot be the operand of a select operation")
_RANGE = re.compile(r"expression of type '(.+)' cannot be the range of a comprehension .*")
_ARITHMETIC = {"_+_": "added", "_-_": "subtracted", "_*_": "multiplied", "_/_": "divided", "_%_": "divided"}
_LOGICAL = {"_&&_": "&&", "_||_": "||", "!_": "!"}
_NUMBERS = frozenset({"double", "int", "uint"})
_FOREIGN = {" and ": "&&", " or ": "||", "not ": "!"}
"""Operators of other languages, and what CEL has in their place."""
_ELSEWHERE: Final = {
    **dict.fromkeys(("None", "nil", "undefined", "NULL", "Null"), "null"),
    "True": "true",
    "TRUE": "true",
    "False": "false",
    "FALSE": "false",
    **dict.fromkeys(("len", "length", "count"), "size"),
    "str": "string",
    "float": "double",
    "any": "exists",
    "includes": "contains",
    "regex": "matches",
}
"""Names of other languages, and what CEL has in their place."""
_OF_EVENTS: Final = dict.fromkeys(
    ("event", "data", "payload"),
    "; rules read no events: what they need of one the agent puts into decision.parameters",
)
_MAX_LISTED = 12
_MAX_PLACES = 3
_PATH = re.compile(r"[\w.`-]+")
"""Of an object that is read by dots alone: no item of a list."""
MAX_FAULTS = 8
_MOST_COMPARED = 250
"""Names that a mistaken one is held against: each takes microseconds, and a schema may have thousands."""
TOO_DEEP = "is nested too deeply: take it apart into several rules"
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_DATA = r"(params(?:\.[A-Za-z_]\w*)+)"
_DATA_BEFORE = re.compile(rf"(?<![\w.]){_DATA}\s*\Z", re.ASCII)
_DATA_BEHIND = re.compile(rf"\s*{_DATA}(?![\w.(\[])", re.ASCII)


def readable(text: str, types: Types, variables: Collection[str], rule: ForChecking) -> list[RuleFault]:
    """Return what the checker says: the first eight faults."""
    words = _Words(types, variables)
    found: list[RuleFault] = []
    told: list[tuple[str, str, str]] = _FAULT.findall(text.replace("<input>:-1:-1:", ""))
    if "Syntax error" not in text:
        told.sort(key=lambda each: (int(each[0]), int(each[1])))
    for line, column, said in told:
        offset = rule.offset(int(line), int(column))
        if "*error*" in said:
            continue  # follows from another
        near = _Near(*_data_beside(rule.text, offset), is_call=rule.text[offset : offset + 1] == "(")
        sentence = words.sentence(said.removesuffix("[INVALID_ARGUMENT]").strip(), near)
        fault = RuleFault(*rule.place(offset), sentence)
        if fault not in found:
            found.append(fault)
        if len(found) == MAX_FAULTS:  # a rule may have hundreds, and each is held against thousands of names
            break
    if found and "Syntax error" in text:
        return [_with_hint(found[0], rule.expression)]  # what follows the first is noise
    return found or [RuleFault(1, 1, as_written(unwrapped(text)))]


def unwrapped(text: str) -> str:
    """Return what the engine says without the name of its error."""
    said = re.sub(r"^[A-Z_]+: |\[[A-Z_]+\]$", "", text.strip()).strip()
    return TOO_DEEP if re.search(r"recursion (limit|depth)", said) else said


def _with_hint(fault: RuleFault, expression: str) -> RuleFault:
    for word, instead in _FOREIGN.items():
        if word in expression:
            message = f"{fault.message}; in CEL, {word.strip()!r} is written {instead}"
            return RuleFault(fault.line, fault.column, message)
    if match := re.search(r"([=!])==", expression):
        instead = {"=": "equality is written ==", "!": "inequality is written !="}[match[1]]
        return RuleFault(fault.line, fault.column, f"{fault.message}; in CEL, {instead}")
    if match := re.search(r"=([<>])", expression):
        return RuleFault(fault.line, fault.column, f"{fault.message}; in CEL, {match[0]} is written {match[1]}=")
    if re.search(r"[^=!<>]=[^=]", expression):
        return RuleFault(fault.line, fault.column, f"{fault.message}; in CEL, equality is written ==")
    return fault


@dataclass(frozen=True, slots=True)
class _Near:
    """What stands at the place of a fault."""

    before: str = ""
    """What of ``params`` stands directly before it."""
    behind: str = ""
    """Likewise, behind it."""
    is_call: bool = False
    """Whether the place is that of a call's arguments."""


@dataclass(frozen=True, slots=True)
class _Words:
    types: Types
    variables: Collection[str]

    def sentence(self, said: str, near: _Near) -> str:
        if match := _FIELD.fullmatch(said):
            return self._missing_field(written_name(match[1]), match[2])
        if match := _NAME.fullmatch(said):
            return self._missing_name(match[1].partition(".")[0], near)
        if match := _OVERLOAD.fullmatch(said):
            return self._no_overload(match[1], _split(match[2]), near)
        if match := _SELECT.fullmatch(said):
            return f"{self._one(match[1])} has no fields"
        if match := _RANGE.fullmatch(said):
            return f"all, exists, map and filter go over a list or a map, not over {self._one(match[1])}"
        return as_written(said)

    def _missing_field(self, name: str, message: str) -> str:
        if message == UNTYPED_MESSAGE:
            return (
                f"the schema does not say what {name!r} is read from: write dyn(...) around what stands before the dot"
            )
        shown, fields = self.types.shown.get(message, message), self.types.objects.get(message, {})
        elsewhere = "" if _nearest(name, fields) else self._elsewhere(name, shown)
        return f"{shown} has no field {name!r}{elsewhere or _suggestion(name, fields)}"

    def _elsewhere(self, name: str, below: str = "") -> str:
        """Say where a name is a field, as where what stands before its dot was left out."""
        owners = {self.types.shown[message] for message, fields in self.types.objects.items() if name in fields}
        places = [f"{owner}.{field_name(name)}" for owner in owners if _PATH.fullmatch(owner)]
        found = sorted((place.count("."), place) for place in places if place.startswith(below))
        return f"; did you mean {' or '.join(repr(place) for _, place in found[:_MAX_PLACES])}?" if found else ""

    def _missing_name(self, name: str, near: _Near) -> str:
        if name in ZONED:
            return f"{name} takes no time zone here: it answers in UTC, and {name}() is how to ask"
        if name in WRITTEN:
            return f"{name} is not used like this: docs/reference/rules.md shows how"
        if name == "params":
            return "the policy has no data beside its rules: params is what stands in spec.params"
        if name in _ELSEWHERE and (near.is_call == (_ELSEWHERE[name] in WRITTEN)):
            return f"there is no {name!r} in CEL: it is written {_ELSEWHERE[name]}"
        if near.is_call:
            suggested = _suggestion(name, WRITTEN, listed=False)
            return f"there is no function {name!r}{suggested or ': docs/reference/rules.md lists all that there are'}"
        suggested = self._elsewhere(name) or _OF_EVENTS.get(name) or _suggestion(name, self.variables, listed=False)
        return f"there is no variable or function {name!r}{suggested or '; there are ' + ', '.join(self.variables)}"

    def _no_overload(self, function: str, operands: list[str], near: _Near) -> str:
        if f"sw.{UNTYPED_MESSAGE}" in operands:
            return "this is applied to a value of which the schema says no type: write dyn(...) around it"
        if function in _LOGICAL:
            return f"{_LOGICAL[function]} takes booleans, not {self._all(operands)}"
        if function == "_?_:_":
            return f"? : takes a boolean, and two values of one type, not {self._all(operands)}"
        if function in _ARITHMETIC:
            return self._no_arithmetic(function, operands, near)
        if function in (*ORDERINGS, *EQUALITIES):
            return self._no_comparison(operands)
        return self._no_access(function, operands)

    def _no_arithmetic(self, function: str, operands: list[str], near: _Near) -> str:
        plain = [_unwrapped_type(operand) for operand in operands]
        if not set(plain) <= _NUMBERS:
            return f"{self._all(operands)} cannot be {_ARITHMETIC[function]}"
        if function == "_%_":
            return "% takes two ints"
        cannot = f"{self._all(operands)} cannot be {_ARITHMETIC[function]}"
        for name, kind in zip((near.before, near.behind), plain, strict=True):
            if name and kind == "int":
                return f"{cannot}: {name} is a whole number, however it is written: write double({name})"
            if name:
                return f"{cannot}: {name} is a double as it is now: write double(...) around the other"
        return f"{cannot}: write 2.0 for 2, or int(...) or double(...) around one"

    def _no_comparison(self, operands: list[str]) -> str:
        if "null_type" in operands:
            other = next((operand for operand in operands if operand != "null_type"), "null_type")
            return f"{self._one(other)} is never null here: has(...) tells whether it is there"
        return f"{self._all(operands)} cannot be compared"

    def _no_access(self, function: str, operands: list[str]) -> str:
        if function == "_[_]" and operands[0].startswith("sw."):
            shown, message = self._one(operands[0]), operands[0].removeprefix("sw.")
            kinds = {name: kind_name(kind) for name, kind in self.types.objects.get(message, {}).items()}
            if shown.startswith("params.") and len(set(kinds.values())) > 1:
                listed = ", ".join(f"{name} {kind}" for name, kind in list(kinds.items())[:_MAX_LISTED])
                more = ", ..." if len(kinds) > _MAX_LISTED else ""
                return f"{shown} has values of several types ({listed}{more}), so it cannot be read by key"
            return f"a field of {shown} is read with a dot, as in {shown}.name"
        if function == "_[_]":
            return f"{self._one(operands[0])} has nothing at {self._one(operands[1])}"
        if function == "@in":
            return f"{self._one(operands[0])} cannot be in {self._one(operands[1])}"
        if function == "-_":
            return f"- takes a number, not {self._all(operands)}"
        return f"{function} cannot be applied to {self._all(operands) or 'nothing'}"

    def _all(self, operands: Iterable[str]) -> str:
        *first, last = [self._one(operand) for operand in operands] or [""]
        return f"{', '.join(first)} and {last}" if first else last

    def _one(self, operand: str) -> str:
        """Return a type as a person would name one value of it."""
        shown = self._shown(operand)
        if operand.startswith("sw.") or operand in ("null_type", "bytes"):
            return shown
        return f"{'an' if shown[:1] in 'aeio' else 'a'} {shown}"

    def _shown(self, operand: str, s: str = "") -> str:
        """Return the name of a type, in the plural with an ``s``."""
        if operand.startswith("sw."):
            return self.types.shown.get(operand.removeprefix("sw."), f"untyped value{s}" if s else "an untyped value")
        if match := re.fullmatch(r"wrapper\((\w+)\)", operand):
            return f"{match[1]}{s} or null"
        if match := re.fullmatch(r"(list|map|type)\((.+)\)", operand):
            inner = self._shown(_split(match[2])[-1], "s")
            return f"type{s}" if match[1] == "type" else f"{match[1]}{s} of {inner}"
        known = {"google.protobuf.Timestamp": "timestamp", "google.protobuf.Duration": "duration", "dyn": "value"}
        if operand in ("null_type", "bytes"):
            return operand.removesuffix("_type")
        return f"{'value' if operand.startswith('T%') else known.get(operand, operand)}{s}"


def _data_beside(text: str, offset: int) -> tuple[str, str]:
    """Return what of ``params`` stands directly before an operator and behind it: empty where something else does."""
    before, behind = _DATA_BEFORE.search(text[:offset]), _DATA_BEHIND.match(text[offset + 1 :])
    return as_written(before[1]) if before else "", as_written(behind[1]) if behind else ""


def _unwrapped_type(operand: str) -> str:
    return re.sub(r"^wrapper\((\w+)\)$", r"\1", operand)


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    return get_close_matches(name[:200], sorted(known)[:_MOST_COMPARED], n=1, cutoff=0.6)


def _suggestion(name: str, known: Iterable[str], *, listed: bool = True) -> str:
    names = sorted(known)
    if close := _nearest(name, names):
        plain = _IDENTIFIER.fullmatch(close[0]) and field_name(close[0]) == close[0]
        return f"; did you mean {close[0]!r}?" if plain else f"; did you mean `{close[0]}`, in back-quotes?"
    more = ", ..." if len(names) > _MAX_LISTED else ""
    return f"; it has {', '.join(names[:_MAX_LISTED])}{more}" if listed and names else ""


def _split(operands: str) -> list[str]:
    """Split a list of types at the commas that stand in no parentheses."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(operands):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(operands[start:place].strip())
            start = place + 1
    return [*parts, operands[start:].strip()] if operands else []
