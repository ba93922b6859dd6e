"""CRD manifests from the pydantic models: ``crds/<plural>.yaml``.

A structural schema (Kubernetes' name for what a CRD may say) is a small part of JSON Schema. A keyword of the models
that has no equal there is an error here, never dropped: what the models refuse, the API server must refuse.
"""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import cast

import yaml
from pydantic.alias_generators import to_camel
from streamwarden_contract.models import GROUP, KINDS, VERSION, Kind
from streamwarden_contract.models.base import Resource
from typing_extensions import override

Schema = dict[str, object]

CATEGORY = "streamwarden"

_COPIED = (
    "type",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
)
_SPOKEN_FOR = frozenset(
    {
        "$ref",
        "title",  # repeats the field's name
        "description",
        "default",
        "const",
        "anyOf",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
    }
)
_HEADER = "# Made by 'streamwarden crds generate' from streamwarden_contract.models: edit those.\n"


class NotStructuralError(Exception):
    """A model says something that a CRD cannot say."""


def manifests() -> dict[str, str]:
    """Return the text of each manifest by file name, the same for the same models."""
    return {f"{kind.plural}.yaml": render(kind) for kind in KINDS}


def render(kind: type[Kind]) -> str:
    """Return the manifest's text, the same for the same models."""
    return _HEADER + yaml.dump(build_crd(kind), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


def build_crd(kind: type[Kind]) -> dict[str, object]:
    """Build the CustomResourceDefinition of one kind."""
    name = kind.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": kind.plural,
                "singular": name.lower(),
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column.model_dump()) for column in kind.columns],
                    "schema": {"openAPIV3Schema": structural_schema(kind)},
                }
            ],
        },
    }


@cache
def structural_schema(kind: type[Kind]) -> Schema:
    """Return the structural schema of a kind. Shared: read it only."""
    source = kind.model_json_schema(by_alias=True)
    properties = cast("dict[str, Schema]", source["properties"])
    inliner = _Inliner(cast("dict[str, Schema]", source.get("$defs", {})))
    schema: Schema = {
        "type": "object",
        "description": _text(inspect.getdoc(kind)),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always {GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"Always {kind.__name__}."},
            "metadata": {"type": "object"},
            "spec": inliner.convert(properties["spec"], "spec"),
            # The model fills in what is missing; defaults here would give each new object a status of empty fields.
            "status": without_defaults(inliner.convert(properties["status"], "status")),
        },
    }
    if kind.name_rules:
        schema["x-kubernetes-validations"] = _rules(kind.name_rules)
    return schema


def without_defaults(schema: Schema) -> Schema:
    """Return the schema without any default."""
    result = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in result:
        properties = cast("dict[str, Schema]", result["properties"])
        result["properties"] = {name: without_defaults(value) for name, value in properties.items()}
    if "items" in result:
        result["items"] = without_defaults(cast("Schema", result["items"]))
    return result


class _Inliner:
    """Turns pydantic's JSON Schema into a structural one, with every ``$ref`` replaced by what it points to."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._models = _models()

    def convert(self, schema: Schema, path: str) -> Schema:
        """Convert one schema; ``path`` is for error messages."""
        model: type[Resource] | None = None
        if "$ref" in schema:
            name = str(schema["$ref"]).removeprefix("#/$defs/")
            model = self._models.get(name)
            schema = {**self._definitions[name], **{key: value for key, value in schema.items() if key != "$ref"}}
        schema = _without_null(schema)
        if "$ref" in schema:  # an optional model
            return self.convert(schema, path)
        if strange := schema.keys() - _SPOKEN_FOR - set(_COPIED):
            raise NotStructuralError(f"{path}: {', '.join(sorted(strange))} cannot be said in a CRD")
        result: Schema = {}
        if "anyOf" in schema:
            result.update(_int_or_string(schema, path))
        result.update({key: schema[key] for key in _COPIED if key in schema})
        if "const" in schema:
            result["enum"] = [schema["const"]]
        if description := _text(cast("str | None", schema.get("description"))):
            result["description"] = description
        if schema.get("default") is not None:
            # What is inside has defaults of its own.
            result["default"] = {} if isinstance(schema["default"], dict) else schema["default"]
        result.update(self._list(schema, path))
        result.update(self._map(schema, path))
        if "properties" in schema:
            result.update(self._object(schema, model, path))
        return result

    def _object(self, schema: Schema, model: type[Resource] | None, path: str) -> Iterator[tuple[str, object]]:
        if model is None or schema.get("additionalProperties") is not False:
            raise NotStructuralError(f"{path}: an object must be a Resource, which takes nothing undeclared")
        keys = {
            model.model_fields[field].alias or field: [to_camel(name) for name in names]
            for field, names in model.list_map_keys.items()
        }
        properties: dict[str, Schema] = {}
        for name, value in cast("dict[str, Schema]", schema["properties"]).items():
            properties[name] = self.convert(value, f"{path}.{name}")
            if name in keys:
                properties[name] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys[name]}
        if "required" in schema:
            yield "required", schema["required"]
        yield "properties", properties
        if model.cel_rules:
            yield "x-kubernetes-validations", _rules(model.cel_rules, properties)

    def _list(self, schema: Schema, path: str) -> Iterator[tuple[str, object]]:
        if schema.get("type") != "array":
            return
        if "maxItems" not in schema:
            raise NotStructuralError(f"{path}: a list must have a maximum length")
        items = self.convert(cast("Schema", schema["items"]), f"{path}[]")
        yield "items", items
        yield "x-kubernetes-list-type", "atomic" if items.get("type") == "object" else "set"

    def _map(self, schema: Schema, path: str) -> Iterator[tuple[str, object]]:
        if schema.get("type") != "object" or "properties" in schema:
            return
        if "maxProperties" not in schema:
            raise NotStructuralError(f"{path}: a map must have a maximum size")
        if "x-kubernetes-preserve-unknown-fields" in schema:
            return
        patterns = cast("dict[str, Schema]", schema.get("patternProperties", {}))
        names = cast("Schema", schema.get("propertyNames", {}))
        if len(patterns) > 1 or names.keys() - {"minLength", "maxLength"}:
            raise NotStructuralError(f"{path}: the keys of a map can have one pattern and a length, no more")
        values = next(iter(patterns.values()), None) or cast("Schema", schema["additionalProperties"])
        yield "additionalProperties", self.convert(values, f"{path}.*")
        # Structural schemas cannot speak of keys; CEL can.
        rules = [(f"self.all(k, k.matches({pattern!r}))", f"each key must match {pattern}") for pattern in patterns]
        if "minLength" in names:
            least = names["minLength"]
            rules.append((f"self.all(k, k.size() >= {least})", f"each key must have at least {least} characters"))
        if "maxLength" in names:
            most = names["maxLength"]
            rules.append((f"self.all(k, k.size() <= {most})", f"each key must have at most {most} characters"))
        if rules:
            yield "x-kubernetes-validations", _rules(tuple(rules))


def _models() -> dict[str, type[Resource]]:
    """Return all models by the name that pydantic gives their definitions."""
    found: dict[str, type[Resource]] = {}
    pending: list[type[Resource]] = [Resource]
    while pending:
        for model in pending.pop().__subclasses__():
            found[model.__name__] = model
            pending.append(model)
    return found


def _without_null(schema: Schema) -> Schema:
    """Turn "this or null" into "this": in YAML, an optional field is left out."""
    branches = cast("list[Schema] | None", schema.get("anyOf"))
    if branches is None or {"type": "null"} not in branches:
        return schema
    rest = [branch for branch in branches if branch != {"type": "null"}]
    union: Schema = rest[0] if len(rest) == 1 else {"anyOf": rest}
    return {**union, **{key: value for key, value in schema.items() if key != "anyOf"}}


def _int_or_string(schema: Schema, path: str) -> Schema:
    """Say "a string or an integer", the one union that structural schemas have."""
    branches = {str(branch.get("type")): branch for branch in cast("list[Schema]", schema["anyOf"])}
    if branches.keys() != {"integer", "string"}:
        raise NotStructuralError(f"{path}: the only union that a CRD can say is that of integer and string")
    bounds = {
        key: value for branch in branches.values() for key, value in branch.items() if key not in {"type", "title"}
    }
    if strange := bounds.keys() - set(_COPIED):
        raise NotStructuralError(f"{path}: {', '.join(sorted(strange))} cannot be said in a CRD")
    return {"anyOf": [{"type": "integer"}, {"type": "string"}], **bounds, "x-kubernetes-int-or-string": True}


def _rules(rules: tuple[tuple[str, str], ...], properties: Collection[str] = ()) -> list[dict[str, str]]:
    """Say rules in the CRD's way; a broken one is shown at the first field that it speaks of.

    One on which of several fields are there has none to be shown at.
    """
    result: list[dict[str, str]] = []
    for rule, message in rules:
        first = re.search(r"\bself\.(\w+)", re.sub(r"^\[has\(.*?\]", "", rule))
        blamed = {"fieldPath": f".{first[1]}"} if first and first[1] in properties else {}
        result.append({"rule": rule, "message": message, **blamed})
    return result


def _column(column: dict[str, object]) -> dict[str, object]:
    result = {"name": column["name"], "type": column["type"], "jsonPath": column["json_path"]}
    return result | ({"priority": column["priority"]} if column["priority"] else {})


def _text(docstring: str | None) -> str:
    """Turn a docstring into a description: one paragraph, code in single backticks."""
    return " ".join((docstring or "").split()).replace("``", "`")


class _Dumper(yaml.SafeDumper):
    """Writes shared values in full: no anchors."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True
