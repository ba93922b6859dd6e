"""YAML's nodes as plain values, each with its line, understood as Kubernetes' own reader understands them."""

import math
import re
from dataclasses import dataclass
from typing import Final

import yaml
from typing_extensions import override

FieldPath = tuple[str | int, ...]
"""Where a field stands: ``("spec", "rules", 0, "require")``."""

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

MAX_NODES = 100_000
"""Largest document, with aliases counted as often as they are used."""
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that YAML allows and a manifest does not."""

    line: int
    path: FieldPath
    message: str
    column: int = 1


def field_text(path: FieldPath) -> str:
    """Write a path as Kubernetes does: ``spec.rules[0].require``, ``spec.config[retention.ms]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part}]"
    return text


def line_of(node: yaml.Node) -> int:
    """Return the line of a node, from 1."""
    return int(node.start_mark.line) + 1


def column_of(node: yaml.Node) -> int:
    """Return the column of a node, in characters from 1."""
    return int(node.start_mark.column) + 1


class TooLargeError(Exception):
    """A document that nobody writes by hand: too deep, or a bomb of aliases."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Loader(yaml.SafeLoader):
    """YAML's scalars as Kubernetes' own reader understands them, and no deep nesting.

    Raises:
        TooLargeError: nested deeper than ``MAX_DEPTH``.
    """

    _depth = 0

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:  # the document itself is one
            raise TooLargeError(_TOO_DEEP, 1 if parent is None else line_of(parent))
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH}"
_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_NULL: Final = "tag:yaml.org,2002:null"
_STR: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"

Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in {_NULL, _MERGE}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    _BOOL,
    re.compile(r"^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"),
    list("yYnNtTfFoO"),
)
# Neither base 60 (1:30) nor dates: both are strings to Kubernetes.
Loader.add_implicit_resolver(
    _INT, re.compile(r"^[-+]?(?:0b[0-1_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"), list("-+0123456789")
)
Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)
_BASES: Final = {"0b": 2, "0o": 8, "0x": 16}
_MAX_DIGITS: Final = 70
_TRUE: Final = frozenset({"y", "yes", "true", "on"})


class Document:
    """Turns the nodes of one document into plain values, and keeps their lines and columns."""

    def __init__(self, *, is_json: bool = False) -> None:
        self._is_json = is_json
        self.faults: list[Fault] = []
        self.lines: dict[FieldPath, int] = {}
        self.columns: dict[FieldPath, int] = {}
        self._nodes = 0

    def read(self, node: yaml.Node) -> JsonValue:
        """Return the value of the document; it counts only where there are no ``faults``."""
        self._mark((), node)
        try:
            return self._value(node, ())
        except TooLargeError as error:
            self.faults = [Fault(error.line, (), str(error))]
            return None

    def _mark(self, path: FieldPath, node: yaml.Node) -> None:
        self.lines[path] = line_of(node)
        self.columns[path] = column_of(node)

    def _problem(self, node: yaml.Node, path: FieldPath, message: str) -> None:
        self.faults.append(Fault(line_of(node), path, message, column_of(node)))

    def _value(self, node: yaml.Node, path: FieldPath) -> JsonValue:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise TooLargeError(
                f"more than {MAX_NODES} values, aliases counted as often as they are used", line_of(node)
            )
        if len(path) > MAX_DEPTH:
            raise TooLargeError(_TOO_DEEP, line_of(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path)
        return self._scalar(node, path)

    def _sequence(self, node: yaml.SequenceNode, path: FieldPath) -> list[JsonValue]:
        values: list[JsonValue] = []
        for index, item in enumerate(node.value):
            self._mark((*path, index), item)
            values.append(self._value(item, (*path, index)))
        return values

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, JsonValue]:
        result: dict[str, JsonValue] = {}
        merged: dict[str, JsonValue] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = {**self._merged(value_node, path), **merged}
                continue
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STR:
                shown = f" {key_node.value!r}" if isinstance(key_node, yaml.ScalarNode) else ""
                self._problem(key_node, path, f"the key{shown} is not a string: put it in quotes")
                continue
            key = self._text(key_node, path)
            if key in result:
                self._problem(key_node, (*path, key), "is there twice")
                continue
            self._mark((*path, key), key_node)
            result[key] = self._value(value_node, (*path, key))
        return {**merged, **result}

    def _merged(self, node: yaml.Node, path: FieldPath) -> dict[str, JsonValue]:
        """Read what ``<<`` brings in; the first of several mappings counts."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, JsonValue] = {}
        for source in sources:
            value = self._value(source, path)
            if isinstance(value, dict):
                result = {**value, **result}
            else:
                self._problem(source, path, "<< takes mappings only")
        return result

    def _scalar(self, node: yaml.Node, path: FieldPath) -> JsonValue:
        text = str(node.value)
        match node.tag:
            case "tag:yaml.org,2002:str" | "tag:yaml.org,2002:timestamp":
                return self._text(node, path)
            case "tag:yaml.org,2002:null":
                return None
            case "tag:yaml.org,2002:bool":
                return text.lower() in _TRUE
            case "tag:yaml.org,2002:int":
                return self._int(node, path, text.replace("_", ""))
            case "tag:yaml.org,2002:float":
                return self._float(node, path, text)
            case _:
                self._problem(node, path, f"the YAML tag {node.tag!r} is not understood")
                return None

    def _text(self, node: yaml.Node, path: FieldPath) -> str:
        text = str(node.value)
        try:
            if self._is_json:  # there two escapes may make one character, which in YAML they may not
                text = text.encode("utf-16", "surrogatepass").decode("utf-16")
            text.encode()
        except UnicodeError:
            self._problem(node, path, "has half of a surrogate pair, which is no character")
            return ""
        return text

    def _int(self, node: yaml.Node, path: FieldPath, text: str) -> int:
        digits = text.lstrip("+-")
        prefix = digits[:2]
        base = _BASES.get(prefix, 8 if len(digits) > 1 and digits[0] == "0" else 10)
        try:
            # The limit keeps int() from refusing thousands of digits in its own words.
            value = int(digits[2:] if prefix in _BASES else digits, base) if len(digits) <= _MAX_DIGITS else None
        except ValueError:
            self._problem(node, path, f"{text!r} is no integer: put it in quotes if it is text")
            return 0
        if value is None or value >= 2**63:
            self._problem(node, path, "the integer is out of the range of 64 bits")
            return 0
        return -value if text.startswith("-") else value

    def _float(self, node: yaml.Node, path: FieldPath, text: str) -> float:
        try:
            value = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self._problem(node, path, f"{text!r} is no number that JSON can carry")
            return 0.0
        return value
