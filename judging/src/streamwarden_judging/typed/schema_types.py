"""From a JSON Schema to the types of its values, as far as the schema says them for sure.

What allows several types, or nothing that CEL could name (an array of arrays), is ``Untyped``. Keywords that only
narrow values (``pattern``, ``minimum``) are left to the validator.
"""

from collections.abc import Iterator, Sequence

from streamwarden_contract.canonical import JsonValue

from streamwarden_judging.typed.schema_worlds import Schema, SchemaWorlds, UnclearSchemaError, World
from streamwarden_judging.typed.types import (
    UNTYPED,
    ListType,
    MapType,
    ObjectRef,
    Scalar,
    ScalarType,
    Types,
    ValueType,
    as_nullable,
    join,
)

_SCALARS = {"string": Scalar.STRING, "integer": Scalar.INT, "number": Scalar.DOUBLE, "boolean": Scalar.BOOL}
_NULL = "null"
_ONLY_OBJECTS: JsonValue = {"type": "object"}
_MAX_DEPTH = 32
_MAX_READS = 5_000
"""Values that are looked into; the types of all others are left open. No schema that a person wrote has so many."""


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
        self._worlds = SchemaWorlds(schema)
        self._types = types
        self._place = place
        self._known: dict[frozenset[frozenset[int]], ObjectRef] = {}
        self._reads = 0

    def read(self) -> ValueType:
        """Return the type of the schema's values, which are objects."""
        return self._type((self._root, _ONLY_OBJECTS), self._place, 0)

    def _type(self, schemas: Sequence[JsonValue], place: str, depth: int) -> ValueType:
        """Return the type of a value that fits all of these schemas."""
        self._reads += 1
        if depth > _MAX_DEPTH or self._reads > _MAX_READS:
            return UNTYPED
        try:
            worlds = self._worlds.of(schemas)
        except UnclearSchemaError:
            return UNTYPED
        named = [(world, names) for world in worlds if (names := _type_names(world)) != set()]
        if any(names is None for _, names in named):
            return UNTYPED
        names = set[str]().union(*(names for _, names in named if names is not None))
        nullable = _NULL in names
        kinds = names - {_NULL}
        worlds = [world for world, said in named if said != {_NULL}]
        if kinds == {"integer", "number"}:
            kinds = {"number"}
        return as_nullable(self._of_kind(kinds, worlds, place, depth), nullable=nullable)

    def _of_kind(self, kinds: set[str], worlds: list[World], place: str, depth: int) -> ValueType:
        if len(kinds) != 1:
            return UNTYPED
        (kind,) = kinds
        if kind in _SCALARS:
            return join(_scalar(_SCALARS[kind], world) for world in worlds)
        if kind == "array":
            return join(self._list(world, place, depth) for world in worlds)
        if any(_properties(part) for world in worlds for part in world):
            return self._object(worlds, place, depth)
        return join(self._map(world, place, depth) for world in worlds)

    def _list(self, world: World, place: str, depth: int) -> ValueType:
        given = [part["items"] for part in world if "items" in part]
        # The first items may have types of their own.
        uneven = any("prefixItems" in part for part in world) or any(isinstance(items, list) for items in given)
        items = UNTYPED if uneven or not given else self._type(given, f"{place}[]", depth + 1)
        # A message can hold no list of lists or maps, and the checker takes its types from messages.
        return ListType(items if isinstance(items, ScalarType | ObjectRef) else UNTYPED, _smallest(world, "maxItems"))

    def _object(self, worlds: list[World], place: str, depth: int) -> ObjectRef:
        key = frozenset(frozenset(map(id, world)) for world in worlds)
        if key in self._known:
            return self._known[key]
        ref, fields = self._types.add(place)
        self._known[key] = ref
        for name in dict.fromkeys(name for world in worlds for part in world for name in _properties(part)):
            fields[name] = self._field(name, worlds, f"{place}.{name}", depth)
        demanded = {name for world in worlds for part in world for name in _demanded(part)}
        self._types.optional[ref.name] = tuple(name for name in fields if name not in demanded)
        return ref

    def _field(self, name: str, worlds: list[World], place: str, depth: int) -> ValueType:
        ways: dict[tuple[int, ...], list[JsonValue]] = {}
        for world in worlds:
            said = [_properties(part)[name] for part in world if name in _properties(part)]
            if not any(_closed(part, name) for part in world):
                ways[tuple(map(id, said))] = said
        return UNTYPED if not all(ways.values()) else join(self._type(said, place, depth + 1) for said in ways.values())

    def _map(self, world: World, place: str, depth: int) -> ValueType:
        """Return the type of an object without known fields: a map, or one that can have none."""
        if any(_closed(part, "") for part in world):
            return self._object([world], place, depth)
        given = [part["additionalProperties"] for part in world if isinstance(part.get("additionalProperties"), dict)]
        if not given or any("patternProperties" in part for part in world):
            return UNTYPED
        values = self._type(given, f"{place}[]", depth + 1)
        if not isinstance(values, ScalarType | ObjectRef):
            return UNTYPED
        return MapType(values, _smallest(world, "maxProperties"))


def _closed(part: Schema, name: str) -> bool:
    """Whether a part allows no field of this name."""
    return (
        part.get("additionalProperties") is False and name not in _properties(part) and "patternProperties" not in part
    )


def _type_names(world: World) -> set[str] | None:
    """Return the JSON types that all parts allow; None where no part says."""
    allowed: set[str] | None = None
    for part in world:
        for said in (_said_types(part), _listed_types(part)):
            if said is not None:
                allowed = said if allowed is None else _both(allowed, said)
    return allowed


def _said_types(part: Schema) -> set[str] | None:
    said = part.get("type")
    if isinstance(said, str):
        return {said}
    return {name for name in said if isinstance(name, str)} if isinstance(said, list) else None


def _listed_types(part: Schema) -> set[str] | None:
    values = _listed(part)
    return None if values is None else {_json_type(value) for value in values}


def _both(one: set[str], other: set[str]) -> set[str]:
    both = one & other
    if ("number" in one and "integer" in other) or ("integer" in one and "number" in other):
        both = (both - {"number"} if not {"number"} <= one & other else both) | {"integer"}
    return both


def _json_type(value: JsonValue) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return _NULL if value is None else names[type(value)]


def _listed(part: Schema) -> list[JsonValue] | None:
    """Return all values that a part allows, where it lists them."""
    if "const" in part:
        return [part["const"]]
    values = part.get("enum")
    return values if isinstance(values, list) else None


def _scalar(kind: Scalar, world: World) -> ScalarType:
    if kind is not Scalar.STRING:
        return ScalarType(kind)
    listed = [values for part in world if (values := _listed(part)) is not None]
    if not listed:
        return ScalarType(kind, max_length=_smallest(world, "maxLength"))
    texts = tuple(value for value in listed[0] if isinstance(value, str) and all(value in rest for rest in listed))
    return ScalarType(kind, max_length=max(map(len, texts), default=0), values=texts)


def _smallest(world: World, word: str) -> int | None:
    bounds = [int(bound) for part in world if isinstance(bound := part.get(word), int | float)]
    return min(bounds, default=None)


def _demanded(part: Schema) -> Iterator[JsonValue]:
    """Yield the names of fields that a part demands, be it only beside another."""
    for word in ("dependentRequired", "dependencies"):
        depending = part.get(word)
        for names in depending.values() if isinstance(depending, dict) else ():
            yield from names if isinstance(names, list) else ()
    names = part.get("required")
    yield from names if isinstance(names, list) else ()


def _properties(part: Schema) -> Schema:
    properties = part.get("properties")
    return properties if isinstance(properties, dict) else {}
