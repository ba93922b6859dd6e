"""A structural schema applied to a value as an API server does it: defaults, unknown fields, bounds, list types, CEL.

Pure functions. Only what Streamwarden's own CRDs use is understood; the generator refuses to write anything else.
"""

import copy
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import cast

from cel_expr_python import cel
from jsonschema.exceptions import ValidationError
from jsonschema.validators import Draft202012Validator, extend
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.yaml_nodes import FieldPath, JsonValue

from streamwarden_cli.local.examples import written_as

Schema = Mapping[str, object]

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A field that is refused."""

    path: FieldPath
    message: str
    reason: str = field(default=ConditionReason.INVALID_SPEC, compare=False)
    """A word for programs."""


def with_defaults(value: JsonValue, schema: Schema) -> JsonValue:
    """Return a copy of the value with every default filled in, also inside of defaults.

    A field that is null has its default, as with an API server; one without a default keeps its null, which is refused.
    """
    if isinstance(value, dict) and "properties" in schema:
        properties = _properties(schema)
        result = {
            key: with_defaults(item, properties.get(key, {}))
            for key, item in value.items()
            if item is not None or "default" not in properties.get(key, {})
        }
        for key, child in properties.items():
            if key not in result and "default" in child:
                result[key] = with_defaults(copy.deepcopy(cast("JsonValue", child["default"])), child)
        return result
    if isinstance(value, dict) and "additionalProperties" in schema:
        values = cast("Schema", schema["additionalProperties"])
        return {key: with_defaults(item, values) for key, item in value.items()}
    if isinstance(value, list):
        items = cast("Schema", schema.get("items", {}))
        return [with_defaults(item, items) for item in value]
    return value


def problems_of(value: JsonValue, schema: Schema, path: FieldPath) -> list[FieldProblem]:
    """Return what is wrong in shape and bounds; defaults must have been filled in."""
    found: list[FieldProblem] = []
    for error in _Validator(dict(schema)).iter_errors(value):
        at = (*path, *cast("FieldPath", tuple(error.absolute_path)))
        found.extend(FieldProblem((*at, *suffix), message) for suffix, message in _say(error))
    found.extend(_repetitions(value, schema, path))
    return list(dict.fromkeys(found))  # several missing fields are as many errors, each of which names them all


def unknown_fields(value: JsonValue, schema: Schema, path: FieldPath) -> Iterator[FieldProblem]:
    """Yield the fields that the schema does not have; defaults must not have been filled in: they are no spelling."""
    for key, item, child in _children(value, schema):
        yield from unknown_fields(item, child, (*path, key))
    if not isinstance(value, dict) or "properties" not in schema:
        return
    properties = _properties(schema)
    # What is there already can't be what was meant.
    free = [name for name in properties if name not in value]
    for key in value:
        if key not in properties:
            yield FieldProblem((*path, key), f"unknown field{nearest(key, free)}")


def broken_rules(value: JsonValue, old: JsonValue, schema: Schema, path: FieldPath) -> Iterator[FieldProblem]:
    """Yield the CEL rules that do not hold; ``old`` is None on creation, where transition rules do not count.

    The value must have the schema's shape. As in an API server, items of a list have no old value here.
    """
    for rule in cast("list[Mapping[str, str]]", schema.get("x-kubernetes-validations", [])):
        transition = re.search(r"\boldSelf\b", rule["rule"]) is not None
        if transition and old is None:
            continue
        result = _compiled(rule["rule"]).eval(data={"self": value, "oldSelf": old} if transition else {"self": value})
        if result.type() != cel.Type.BOOL or result.value() is not True:
            blamed = tuple(part for part in rule.get("fieldPath", "").split(".") if part)
            yield FieldProblem((*path, *blamed), rule["message"])
    for key, item, child in _children(value, schema):
        previous = old.get(key) if isinstance(old, dict) and isinstance(key, str) else None
        yield from broken_rules(item, previous, child, (*path, key))


def _children(value: JsonValue, schema: Schema) -> Iterator[tuple[str | int, JsonValue, Schema]]:
    if isinstance(value, dict):
        properties = _properties(schema)
        for key, item in value.items():
            child = properties.get(key) or cast("Schema | None", schema.get("additionalProperties"))
            if child is not None:
                yield key, item, child
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield index, item, cast("Schema", schema["items"])


def nearest(word: str, known: list[str]) -> str:
    """Return `` (did you mean 'x'?)`` where a known word is much like this one, else nothing."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def _properties(schema: Schema) -> Mapping[str, Schema]:
    return cast("Mapping[str, Schema]", schema.get("properties", {}))


def _repetitions(value: JsonValue, schema: Schema, path: FieldPath) -> Iterator[FieldProblem]:
    for key, item, child in _children(value, schema):
        yield from _repetitions(item, child, (*path, key))
    if not isinstance(value, list):
        return
    list_type = schema.get("x-kubernetes-list-type")
    keys = cast("list[str]", schema.get("x-kubernetes-list-map-keys", []))
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        if list_type == "map" and isinstance(item, dict):
            identity = ", ".join(f"{key} {item.get(key)!r}" for key in keys)
        elif list_type == "set":
            identity = repr(item)
        else:
            continue
        first = seen.setdefault(identity, index)
        if first != index:
            yield FieldProblem((*path, index), f"{identity} is there already, as number {first + 1}")


def _pattern(validator: object, pattern: str, instance: object, schema: object) -> Iterator[ValidationError]:
    """Match as Kubernetes does: a final ``$`` is the end of the text, also before a line break."""
    del validator, schema
    if isinstance(instance, str) and not _regex(pattern).search(instance):
        yield ValidationError(f"must match {pattern}")


def _integer(_checker: object, instance: object) -> bool:
    if isinstance(instance, bool):
        return False
    whole = isinstance(instance, int) or (isinstance(instance, float) and instance.is_integer())
    return whole and _INT64_MIN <= cast("int", instance) <= _INT64_MAX


_Validator = extend(  # type: ignore[no-untyped-call]  # untyped in its stubs
    Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _integer),
)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


_ENVIRONMENT = cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})


@cache
def _compiled(rule: str) -> cel.Expression:
    return _ENVIRONMENT.compile(rule)


_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "an integer",
    "boolean": "true or false",
    "number": "a number",
}


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _as_text(value: object) -> str:
    """Say how to write what YAML has read as something else than text."""
    if isinstance(value, dict):
        return "; write it as a block, with '|'"
    return "; put it in quotes" if isinstance(value, int | float) else ""


def _say(error: ValidationError) -> Iterator[tuple[FieldPath, str]]:
    """Say an error in the words of YAML, with the path below where it was found."""
    limit = error.validator_value
    match error.validator:
        case "required":
            known = [key for key in cast("list[str]", limit) if key not in cast("dict[str, object]", error.instance)]
            yield from (((key,), "required, and missing") for key in known)
        case "type":
            hint = _as_text(error.instance) if limit == "string" else ""
            yield (), f"must be {_TYPES[str(limit)]}, not {_shown(error.instance)}{hint}"
        case "anyOf":
            hint = "; put it in quotes" if isinstance(error.instance, float | bool) else ""
            yield (), f"must be a string or an integer, not {_shown(error.instance)}{hint}"
        case "enum":
            words = [str(word) for word in cast("list[object]", limit)]
            known_words = f"one of {', '.join(words)}" if len(words) > 1 else words[0]
            yield (), f"{_shown(error.instance)} is not {known_words}{nearest(str(error.instance), words)}"
        case "pattern":
            yield (), f"{_shown(error.instance)}: {written_as(str(limit))}"
        case "minimum" | "maximum":
            yield (), f"must be at {'least' if error.validator == 'minimum' else 'most'} {limit}, not {error.instance}"
        case "minLength" | "maxLength":
            yield (), _count(error, "character", "characters")
        case _:
            yield (), _count(error, "entry", "entries")


def _count(error: ValidationError, one: str, many: str) -> str:
    bound = "least" if str(error.validator).startswith("min") else "most"
    limit = cast("int", error.validator_value)
    return f"must have at {bound} {limit} {one if limit == 1 else many}, and has {len(cast('str', error.instance))}"
