"""From a JSON Schema to the types of its values, as far as the schema says them for sure.

What allows several types, or nothing that CEL could name (an array of arrays), is ``Untyped``. Keywords that only narrow
values (``pattern``, ``minimum``) are left to the validator.
"""

from collections.abc import Mapping, Sequence

from streamwarden_contract.canonical import JsonValue

from streamwarden_judging.typed.types import (
    UNTYPED,
    ListType,
    MapType,
    ObjectRef,
    Scalar,
    ScalarType,
    Types,
    Untyped,
    ValueType,
)

_SCALARS = {"string": Scalar.STRING, "integer": Scalar.INT, "number": Scalar.DOUBLE, "boolean": Scalar.BOOL}
_MAX_DEPTH = 64
Schema = Mapping[str, JsonValue]


class SchemaTypes:
    """Reads one schema into a table of types."""

    def __init__(self, schema: JsonValue, types: Types, place: str) -> None:
        """Take a schema that is valid and refers only to itself.

        Args:
            schema: as decoded JSON.
            types: where objects are added.
            place: how rules write its value: ``decision.parameters``.
        """
        self._root = schema
        self._types = types
        self._place = place
        self._known: dict[int, ObjectRef] = {}

    def read(self) -> ValueType:
        """Return the type of the schema's values."""
        return self._type(self._root, self._place, 0)

    def _type(self, schema: JsonValue, place: str, depth: int) -> ValueType:
        parts = self._parts(schema)
        if parts is None or depth > _MAX_DEPTH:
            return UNTYPED
        names = _type_names(parts)
        nullable = "null" in names
        match sorted(names - {"null"}):
            case [name] if name in _SCALARS:
                return _scalar(_SCALARS[name], parts, nullable=nullable)
            case ["integer", "number"]:
                return ScalarType(Scalar.DOUBLE, nullable)
            case ["array"]:
                return self._list(parts, place, depth)
            case ["object"]:
                return self._object(parts, place, depth)
        return UNTYPED

    def _list(self, parts: Sequence[Schema], place: str, depth: int) -> ValueType:
        given = [part["items"] for part in parts if "items" in part]
        if len(given) != 1 or isinstance(given[0], list) or any("prefixItems" in part for part in parts):
            return UNTYPED
        items = self._type(given[0], f"{place}[]", depth + 1)
        # A message can hold no list of lists or maps, and the checker takes its types from messages.
        return ListType(items, _smallest(parts, "maxItems")) if isinstance(items, ScalarType | ObjectRef) else UNTYPED

    def _object(self, parts: Sequence[Schema], place: str, depth: int) -> ValueType:
        if not any(_properties(part) for part in parts):
            return self._map(parts, place, depth)
        seen = next(id(part) for part in parts if _properties(part))
        if seen in self._known:
            return self._known[seen]
        ref = ObjectRef(self._types.new_name(place))
        self._known[seen] = ref
        self._types.shown[ref.name] = place
        fields = self._types.objects[ref.name] = {}
        for part in parts:
            for name, schema in _properties(part).items():
                kind = self._type(schema, f"{place}.{name}", depth + 1)
                fields[name] = kind if fields.get(name, kind) == kind else UNTYPED
        return ref

    def _map(self, parts: Sequence[Schema], place: str, depth: int) -> ValueType:
        given = [part["additionalProperties"] for part in parts if isinstance(part.get("additionalProperties"), dict)]
        if len(given) != 1 or any("patternProperties" in part for part in parts):
            return UNTYPED
        values = self._type(given[0], f"{place}[]", depth + 1)
        return (
            MapType(values, _smallest(parts, "maxProperties"))
            if isinstance(values, ScalarType | ObjectRef)
            else UNTYPED
        )

    def _parts(self, schema: JsonValue) -> list[Schema] | None:
        """Return the schemas that all hold for a value, references followed; None where there is no telling."""
        parts: list[Schema] = []
        pending, seen = [schema], set[int]()
        while pending:
            part = pending.pop(0)
            if id(part) in seen:
                continue
            if not isinstance(part, dict):
                return None
            seen.add(id(part))
            parts.append(part)
            reference = part.get("$ref")
            if isinstance(reference, str):
                pending.append(self._resolve(reference))
            if "$dynamicRef" in part or "$recursiveRef" in part:
                return None
            every = part.get("allOf")
            pending.extend(every if isinstance(every, list) else ())
            for word in ("anyOf", "oneOf"):
                choices = part.get(word)
                if isinstance(choices, list):
                    chosen = _same_kind(choices)
                    if chosen is None:
                        return None
                    parts.extend(chosen)
            for word in ("if", "then", "else"):
                if isinstance(part.get(word), dict) and _properties(part[word]):  # type: ignore[arg-type]
                    parts.append({"properties": _properties(part[word])})  # type: ignore[arg-type,dict-item]
        return parts

    def _resolve(self, reference: str) -> JsonValue:
        found: JsonValue = self._root
        if not reference.startswith("#"):
            return None
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                return None
        return found


def _type_names(parts: Sequence[Schema]) -> set[str]:
    """Return the JSON types that all parts allow; nothing where no part says."""
    allowed: set[str] | None = None
    for part in parts:
        said = _said_types(part)
        if said is None:
            continue
        allowed = said if allowed is None else _both(allowed, said)
    if allowed is None:
        return {"object"} if any(_properties(part) for part in parts) else set()
    return allowed


def _said_types(part: Schema) -> set[str] | None:
    said = part.get("type")
    if isinstance(said, str):
        return {said}
    if isinstance(said, list):
        return {name for name in said if isinstance(name, str)}
    values = _listed(part)
    return None if values is None else {_json_type(value) for value in values}


def _both(one: set[str], other: set[str]) -> set[str]:
    both = one & other
    if ("number" in one and "integer" in other) or ("integer" in one and "number" in other):
        both = (both - {"number"}) | {"integer"}
    return both


def _json_type(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _listed(part: Schema) -> list[JsonValue] | None:
    """Return all values that a part allows, where it lists them."""
    if "const" in part:
        return [part["const"]]
    values = part.get("enum")
    return values if isinstance(values, list) else None


def _scalar(kind: Scalar, parts: Sequence[Schema], *, nullable: bool) -> ScalarType:
    listed = [values for part in parts if (values := _listed(part)) is not None]
    if kind is not Scalar.STRING:
        return ScalarType(kind, nullable)
    texts: tuple[str, ...] | None = None
    if listed:
        texts = tuple(value for value in listed[0] if isinstance(value, str) and all(value in rest for rest in listed))
    longest = _smallest(parts, "maxLength")
    if texts is not None:
        longest = max((len(text) for text in texts), default=0)
    return ScalarType(kind, nullable, longest, texts)


def _smallest(parts: Sequence[Schema], word: str) -> int | None:
    bounds = [int(bound) for part in parts if isinstance(bound := part.get(word), int | float)]
    return min(bounds, default=None)


def _properties(part: Schema) -> Mapping[str, JsonValue]:
    properties = part.get("properties")
    return properties if isinstance(properties, dict) else {}


def _same_kind(choices: Sequence[JsonValue]) -> list[Schema] | None:
    """Return one part that stands for all choices; None where they are of several types.

    Of objects all fields of all choices may be there; of texts all listed values.
    """
    schemas = [choice for choice in choices if isinstance(choice, dict)]
    if len(schemas) < len(choices) or any("$ref" in schema or "allOf" in schema for schema in schemas):
        return None
    kinds = [_type_names([schema]) for schema in schemas]
    named = set[str]().union(*kinds)
    if any(not kind for kind in kinds) or len(named - {"null"}) != 1:
        return None
    schemas = [schema for schema, kind in zip(schemas, kinds, strict=True) if kind != {"null"}]
    if len(schemas) == 1:
        return [{**schemas[0], "type": sorted(named)}]
    if named - {"null"} == {"object"}:
        return [{"properties": _properties(schema), "type": sorted(named)} for schema in schemas]
    listed = [_listed(schema) for schema in schemas]
    if all(values is not None for values in listed):
        return [{"type": sorted(named), "enum": [value for values in listed for value in values or ()]}]
    return [{"type": sorted(named)}]
