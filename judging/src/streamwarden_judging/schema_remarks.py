"""What a valid JSON Schema says and hardly means: words that are no keywords, objects that can never be right. Pure."""

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Final

from referencing.jsonschema import DRAFT202012
from streamwarden_contract import canonical
from streamwarden_contract.errors import MalformedEventError

_KEYWORDS: Final = (
    *("$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema", "$vocabulary"),
    *("additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains", "contentEncoding"),
    *("contentMediaType", "contentSchema", "default", "definitions", "dependencies", "dependentRequired"),
    *("dependentSchemas", "deprecated", "description", "else", "enum", "examples", "exclusiveMaximum"),
    *("exclusiveMinimum", "format", "if", "items", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum"),
    *("minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern"),
    *("patternProperties", "prefixItems", "properties", "propertyNames", "readOnly", "required", "then", "title"),
    *("type", "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "writeOnly", "$recursiveRef"),
    "$recursiveAnchor",
)
_NOTES: Final = frozenset(
    {"$comment", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"}
)
"""They check nothing: what is like one of them may be another tool's note, as OpenAPI's ``example``."""
_BY_LOWER: Final = {keyword.lower(): keyword for keyword in _KEYWORDS if keyword not in _NOTES}
_LIKE = 0.8
"""How alike a word must be to be taken for a slip: any other word is somebody's annotation."""
_MAX_REMARKS = 8


def schema_remarks(definition: str) -> list[str]:
    """Return what a schema that can be used hardly means, at most eight sentences."""
    try:
        schema = canonical.decode(definition.encode("utf-8", errors="surrogatepass"))
    except MalformedEventError:
        return []
    return list(dict.fromkeys(islice(_remarks(schema), _MAX_REMARKS)))


def _remarks(schema: canonical.JsonValue) -> Iterator[str]:
    pending = [DRAFT202012.create_resource(schema)]
    while pending:
        resource = pending.pop()
        if isinstance(resource.contents, dict):
            pending.extend(resource.subresources())
            yield from _misspelt(resource.contents)
            yield from _impossible(resource.contents)


def _misspelt(schema: dict[str, canonical.JsonValue]) -> Iterator[str]:
    for word in schema:
        close = [] if word in _KEYWORDS else get_close_matches(word[:64].lower(), _BY_LOWER, n=1, cutoff=_LIKE)
        if close:
            yield f"{word!r} is no keyword of JSON Schema, and checks nothing; did you mean {_BY_LOWER[close[0]]!r}?"


def _impossible(schema: dict[str, canonical.JsonValue]) -> Iterator[str]:
    """Find what is required and forbidden at once: every decision would be a dead letter."""
    required, properties = schema.get("required"), schema.get("properties", {})
    if schema.get("additionalProperties") is not False or schema.get("patternProperties"):
        return
    if not isinstance(required, list) or not isinstance(properties, dict):
        return
    for name in required:
        if isinstance(name, str) and name not in properties:
            close = get_close_matches(name, properties, n=1, cutoff=0.5)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            yield f"no object can be right: {name!r} is required, and additionalProperties: false forbids it{meant}"
