"""Which parts of a JSON Schema hold together for one value.

``$ref`` and ``allOf`` add parts that hold as well; ``anyOf``, ``oneOf``, ``if`` and ``dependentSchemas`` open choices.
A *world* is one way through all choices: the parts that then hold. A value that fits the schema fits one of its worlds.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from streamwarden_contract.canonical import JsonValue

from streamwarden_judging.own_references import fragment_inside

Schema = Mapping[str, JsonValue]
World = tuple[Schema, ...]
_Group = Sequence[tuple[JsonValue, ...]]
_MAX_WORLDS = 64
_MAX_PARTS = 256
_MAX_LOOKED_AT = 1_000_000
"""Comparisons of parts in all of a schema: what is left then is not clear. What people write takes some thousand."""
_WITHOUT_SIBLINGS = ("draft-03", "draft-04", "draft-06", "draft-07")
_WITHOUT_IF = _WITHOUT_SIBLINGS[:3]


class UnclearSchemaError(Exception):
    """A schema with more choices than are looked into."""


class SchemaWorlds:
    """Reads one schema, which is valid and refers only to itself."""

    def __init__(self, root: JsonValue) -> None:
        """Take a schema as decoded JSON."""
        self._root = root
        self._looked_at = 0
        draft = str(root.get("$schema", "")) if isinstance(root, dict) else ""
        self._siblings = not any(name in draft for name in _WITHOUT_SIBLINGS)
        """Whether what stands beside a ``$ref`` counts."""
        self._conditions = not any(name in draft for name in _WITHOUT_IF)
        # Inside of an identified part, a reference starts from there, and its dialect may be another.
        self._plain = not any(_is_identified(part) for part in _below(root))

    def of(self, schemas: Sequence[JsonValue]) -> list[World]:
        """Return the worlds of a value that fits all of these schemas: none where nothing fits.

        Raises:
            UnclearSchemaError: they are too many.
        """
        if not self._plain:
            return [()]
        worlds = self._expand(schemas, ())
        return [tuple(part for part in world if not self._only_refers(part)) for world in worlds]

    def _expand(self, schemas: Sequence[JsonValue], parts: World) -> list[World]:
        pending = list(schemas)
        groups: list[_Group] = []
        while pending:
            part = pending.pop(0)
            self._looked_at += 1 + len(parts)
            if self._looked_at > _MAX_LOOKED_AT:
                raise UnclearSchemaError
            if part is False:
                return []
            if not isinstance(part, dict) or any(part is known for known in parts):
                continue
            if len(parts) >= _MAX_PARTS:
                raise UnclearSchemaError
            parts = (*parts, part)
            if isinstance(part.get("$ref"), str):
                pending.append(self._resolve(str(part["$ref"])))
            if self._only_refers(part):
                continue
            pending.extend(_listed(part, "allOf"))
            groups.extend(self._groups(part))
        worlds = [parts]
        for group in groups:
            worlds = [more for world in worlds for choice in group for more in self._expand(choice, world)]
            if len(worlds) > _MAX_WORLDS:
                raise UnclearSchemaError
        return worlds

    def _only_refers(self, part: Schema) -> bool:
        return isinstance(part.get("$ref"), str) and (len(part) == 1 or not self._siblings)

    def _groups(self, part: Schema) -> Iterator[_Group]:
        for word in ("anyOf", "oneOf"):
            choices = _listed(part, word)
            if choices:
                yield [(choice,) for choice in choices]
        if self._conditions and "if" in part and ("then" in part or "else" in part):
            yield [(part["if"], part.get("then", True)), (part.get("else", True),)]
        for word in ("dependentSchemas", "dependencies"):
            depending = part.get(word)
            if isinstance(depending, dict):
                yield from ([(schema,), ()] for schema in depending.values() if isinstance(schema, dict))

    def _resolve(self, reference: str) -> JsonValue:
        """Follow a pointer; what cannot be followed allows everything."""
        inside = fragment_inside(reference, self._root.get("$id") if isinstance(self._root, dict) else None)
        if inside is None or (inside != "#" and not inside.startswith("#/")):
            return True
        found: JsonValue = self._root
        for step in unquote(inside[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(name, True)
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return True
        return found


def _listed(part: Schema, word: str) -> list[JsonValue]:
    value = part.get(word)
    return value if isinstance(value, list) else []


def _below(value: JsonValue) -> Iterator[Schema]:
    """Yield the objects inside of a value, without the value."""
    pending = [value]
    while pending:
        part = pending.pop()
        inner = list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else []
        yield from (each for each in inner if isinstance(each, dict))
        pending.extend(inner)


def _is_identified(part: Schema) -> bool:
    return any(isinstance(part.get(word), str) for word in ("$id", "$schema"))
