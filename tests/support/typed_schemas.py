"""JSON Schemas of all kinds, and values that may fit them."""

import json
from collections.abc import Mapping
from random import Random

import jsonschema_rs
from streamwarden_contract.canonical import JsonValue
from streamwarden_judging.typed.types import (
    ListType,
    MapType,
    ObjectRef,
    Scalar,
    ScalarType,
    Types,
    Untyped,
    ValueType,
)

Schema = Mapping[str, JsonValue]

DRAFTS = (
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
)
NAMES = (
    *("a", "b", "c", "a_b", "aB", "ABEntry", "first-name", "", "é", "in", "has", "map", "type", "string", "message"),
    *("optional", "a.b", "x`y", "it's", '"', "\\", "~/x", "quoted__61", "n" * 200, "__proto__", "1", "\n", "🙂"),
)
_EXTRAS = (
    *("", "", "", "anyOf", "oneOf", "allOf", "prefixItems", "$ref", "if", "dependentSchemas", "patternProperties"),
    *("enum", "const", "maxItems", "not", "contains", "unevaluatedProperties"),
)
DEFINITIONS = ("d", "e", "a/b", "c~d", "e f")
_LEAVES: tuple[JsonValue, ...] = (
    None,
    True,
    False,
    0,
    1,
    -3,
    2.0,
    2.5,
    2**53 + 1,
    "",
    "a",
    "b",
    "é",
    [],
    {},
    [1],
    {"a": 1},
)
_TYPES = ("string", "integer", "number", "boolean", "null", "array", "object")
_SCALARS: Mapping[str, tuple[JsonValue, ...]] = {
    "string": ("", "a", "é", "abc"),
    "integer": (0, 1, -5, 3.0),
    "number": (0, 2, 2.5, -1.0),
    "boolean": (True, False),
    "null": (None,),
}
_MAX_DEPTH = 5


class Drawing:
    """Draws schemas and values from a seed that hypothesis chooses: its own way to draw takes twenty times as long."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311  # guards nothing
        self.root: dict[str, JsonValue] = {}

    def schema(self) -> dict[str, JsonValue]:
        """Draw a schema of an object, of any draft, with definitions that refer to one another."""
        self.root = {"$schema": self._random.choice(DRAFTS), "type": "object"}
        self.root["properties"] = self._fields(1, 4)
        if self._random.random() < 0.5:  # as often as not
            self.root |= {word: part for word, part in self._keywords(2).items() if word not in self.root}
        self.root["$defs"] = {name: self._schema(2) for name in DEFINITIONS}
        return self.root

    def _schema(self, depth: int) -> JsonValue:
        if depth > _MAX_DEPTH or self._random.random() < 0.3:  # so that most stay small
            simple: list[JsonValue] = [True, False, {"$ref": self._reference()}]
            simple += [{"type": name} for name in _TYPES]
            return self._random.choice(simple)
        return self._keywords(depth)

    def _keywords(self, depth: int) -> dict[str, JsonValue]:
        drawn: dict[str, JsonValue] = {}
        kind = self._random.choice((*_TYPES, "object", "array", None))
        if kind is not None:
            several: list[JsonValue] = [kind, *{self._random.choice(_TYPES)} - {kind}]
            drawn["type"] = kind if self._random.random() < 0.7 else several  # mostly one
        if kind in ("object", None) and self._random.random() < 0.8:  # mostly with fields
            drawn["properties"] = self._fields(depth + 1, 3)
        more = self._random.choice(("items", "additionalProperties", "", ""))
        if more or kind == "array":
            drawn["items" if kind == "array" else more] = self._schema(depth + 1)
        return drawn | self._extra(depth + 1)

    def _extra(self, depth: int) -> dict[str, JsonValue]:  # noqa: PLR0911  # one for each keyword
        match self._random.choice(_EXTRAS):
            case "":
                return {}
            case "anyOf" | "oneOf" | "allOf" | "prefixItems" as word:
                return {word: [self._schema(depth) for _ in range(self._random.randint(1, 3))]}
            case "$ref":
                return {"$ref": self._reference()}
            case "if":
                words = self._random.choice((("if", "then"), ("if", "then", "else"), ("if", "else")))
                return {word: self._schema(depth) for word in words}
            case "dependentSchemas" as word:
                return {word: self._fields(depth, 2)}
            case "patternProperties" as word:
                return {word: {"^a": self._schema(depth)}}
            case "enum" as word:
                return {word: self._random.sample(_LEAVES, self._random.randint(1, 3))}
            case "const" as word:
                return {word: self._random.choice(_LEAVES)}
            case "maxItems":
                return dict.fromkeys(("maxItems", "maxLength", "maxProperties"), self._random.randint(0, 3))
            case word:
                return {word: self._schema(depth)}

    def _fields(self, depth: int, most: int) -> dict[str, JsonValue]:
        return {name: self._schema(depth) for name in self._random.sample(NAMES, self._random.randint(1, most))}

    def _reference(self) -> str:
        name = self._random.choice(DEFINITIONS)
        return self._random.choice(("#", f"#/$defs/{name.replace('~', '~0').replace('/', '~1').replace(' ', '%20')}"))

    def value(self) -> JsonValue:
        """Draw a value that tries to fit the schema that was drawn; whether it does is for a validator to say."""
        return self._near(self.root, 0)

    def _near(self, schema: JsonValue, depth: int) -> JsonValue:
        if not isinstance(schema, dict) or depth > 2 * _MAX_DEPTH:
            return self._random.choice(_LEAVES)
        choices = [part for word in ("anyOf", "oneOf", "allOf") for part in _parts(schema, word)]
        if isinstance(schema.get("$ref"), str):
            choices.append(_follow(str(schema["$ref"]), self.root))
        if choices and self._random.random() < 0.6:  # more often than not
            return self._near(self._random.choice(choices), depth + 1)
        listed = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(listed, list):
            return self._random.choice(listed)
        said = schema.get("type", "object" if "properties" in schema else "string")
        kind = self._random.choice(said) if isinstance(said, list) else said
        return self._of_kind(str(kind), schema, depth)

    def _of_kind(self, kind: str, schema: Schema, depth: int) -> JsonValue:
        if kind in _SCALARS:
            return self._random.choice(_SCALARS[kind])
        if kind == "array":
            return [self._near(schema.get("items", True), depth + 1) for _ in range(self._random.randint(0, 2))]
        properties = schema.get("properties")
        fields = properties if isinstance(properties, dict) else {}
        more = {name: schema.get("additionalProperties", True) for name in self._random.sample(NAMES, 2)}
        there = {name: part for name, part in {**more, **fields}.items() if self._random.random() < 0.5}  # half
        return {name: self._near(part, depth + 1) for name, part in there.items()}


def _parts(schema: Schema, word: str) -> list[JsonValue]:
    given = schema.get(word)
    return given if isinstance(given, list) else []


def _follow(reference: str, root: Schema) -> JsonValue:
    name = reference.removeprefix("#/$defs/").replace("%20", " ").replace("~1", "/").replace("~0", "~")
    definitions = root["$defs"]
    return dict(root) if reference == "#" or not isinstance(definitions, dict) else definitions[name]


def fits(schema: JsonValue, value: JsonValue) -> bool:
    """Whether a value fits a schema, by the validator that judges."""
    return bool(jsonschema_rs.validator_for(json.dumps(schema)).is_valid(value))


def broken_promises(  # noqa: PLR0911  # one for each kind of type
    kind: ValueType, value: JsonValue, types: Types, path: str
) -> list[str]:
    """Return the places where a value is not what its type says."""
    match kind, value:
        case Untyped(), _:
            return []
        case ((ScalarType(nullable=nullable) | ListType(nullable=nullable) | MapType(nullable=nullable)), None):
            return [] if nullable else [f"{path} is null"]
        case ObjectRef(nullable=nullable), None:
            return [] if nullable else [f"{path} is null"]
        case ScalarType(), _:
            return [] if _is_scalar(kind, value) else [f"{path} is {value!r}, no {kind}"]
        case ListType(items, most), list():
            inner = [each for item in value for each in broken_promises(items, item, types, f"{path}[]")]
            return inner + ([f"{path} is too long"] if most is not None and len(value) > most else [])
        case MapType(values_), dict():
            return [each for item in value.values() for each in broken_promises(values_, item, types, f"{path}[]")]
        case ObjectRef(name), dict():
            fields = types.objects[name]
            return [
                each
                for field, item in value.items()
                if field in fields
                for each in broken_promises(fields[field], item, types, f"{path}.{field}")
            ]
        case _:
            return [f"{path} is {value!r}, no {kind}"]


def _is_scalar(kind: ScalarType, value: JsonValue) -> bool:
    expected = {Scalar.STRING: str, Scalar.INT: int, Scalar.DOUBLE: float, Scalar.BOOL: bool}[kind.kind]
    if type(value) is not expected:
        return False
    if not isinstance(value, str):
        return True
    short = kind.max_length is None or len(value) <= kind.max_length
    return short and (kind.values is None or value in kind.values)
