"""Whether the JSON Schema of a contract can be used: by the registry, and by gates that fetch nothing."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from json import JSONDecodeError

import jsonschema_rs
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import Draft7Validator, Draft201909Validator, Draft202012Validator
from referencing import Registry, Specification
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, DRAFT201909, DRAFT202012
from streamwarden_contract import canonical
from streamwarden_contract.errors import MalformedEventError

from streamwarden_judging.own_references import fragment_inside
from streamwarden_judging.schemas import JsonSchema

_DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DRAFTS = {
    _DEFAULT_DRAFT: (Draft202012Validator, DRAFT202012),
    "https://json-schema.org/draft/2019-09/schema": (Draft201909Validator, DRAFT201909),
    "http://json-schema.org/draft-07/schema": (Draft7Validator, DRAFT7),
}
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_MAX_FAULTS = 8
_MOST_EXPLAINED = 64
"""Above so many parts of the value that is wrong the engine's own words do."""
_MAX_WORDS = 500
_MAX_KEPT = 1_000  # answers: one for each contract, however often it is reconciled


def schema_faults(definition: str) -> list[str]:
    """Return what is wrong with the text of a JSON Schema, at most eight sentences; nothing where it can be used."""
    return list(_faults(definition))


@lru_cache(maxsize=_MAX_KEPT)
def _faults(definition: str) -> list[str]:
    try:
        schema = canonical.decode(definition.encode("utf-8", errors="surrogatepass"))
    except MalformedEventError as error:
        return [f"{error}{_line(error.__cause__)}"]
    if not isinstance(schema, dict):
        return ["a JSON Schema of a topic must be a JSON object"]
    draft = schema.get("$schema", _DEFAULT_DRAFT)
    known = _DRAFTS.get(draft.removesuffix("#")) if isinstance(draft, str) else None
    if known is None:
        return [f"$schema must be one of {', '.join(_DRAFTS)}"]
    validator, specification = known
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        return [f"{_pointer(error.instance_path)}: {_in_words(schema, error, validator)}"]
    return list(islice(_reference_faults(schema, specification), _MAX_FAULTS)) or _engine_faults(definition)


def _in_words(schema: canonical.JsonValue, error: jsonschema_rs.ValidationError, validator: type[Validator]) -> str:
    """Say what the engine has against a schema in words that help more than its own.

    They are asked of the one value that it names, with what stands around it left out: for a whole schema of 64 KiB
    the library that has them takes minutes, and the operator asks in its event loop.
    """
    found, around = schema, list[str | None]()
    for step in error.instance_path:  # of a name in digits the engine says that it is a number
        if isinstance(found, dict):
            around.append(name := str(step))
            found = found[name]
        elif isinstance(found, list):
            around.append(None)
            found = found[int(step)]
    if isinstance(found, dict | list) and len(found) > _MOST_EXPLAINED:
        return error.message[:_MAX_WORDS]
    for each in reversed(around):
        found = [found] if each is None else {each: found}
    worst = best_match(validator(validator.META_SCHEMA).iter_errors(found))
    if worst is None:
        return error.message[:_MAX_WORDS]
    # "not valid under any of the given schemas" helps nobody: name the words that would fit.
    shown = next((part for part in worst.context or () if part.validator == "enum"), worst)
    return str(shown.message)


def _line(cause: BaseException | None) -> str:
    """Say where in a schema of several lines it is no JSON: people do not count characters."""
    if not isinstance(cause, JSONDecodeError) or "\n" not in cause.doc.strip():
        return ""
    return f" (line {cause.lineno}, column {cause.colno} of the schema)"


def _engine_faults(definition: str) -> list[str]:
    """Return why the engine of the gate does not take a schema that is valid: it knows fewer regular expressions."""
    try:
        JsonSchema(definition)
    except jsonschema_rs.ValidationError as error:
        hint = "; gates match in linear time: no look-around, no back-references" if "regex" in error.message else ""
        return [f"{_pointer(error.instance_path)}: {error.message}{hint}"]
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return [f"gates cannot use it: {error}"]
    return []


def _pointer(path: Iterable[str | int]) -> str:
    return "#" + "".join(f"/{part}" for part in path)


def _reference_faults(
    schema: dict[str, canonical.JsonValue], specification: Specification[canonical.JsonValue]
) -> Iterator[str]:
    root = specification.create_resource(schema)
    resolver = Registry().with_resource("", root).resolver_with_root(root)
    pending = [root]
    while pending:
        resource = pending.pop()
        pending.extend(resource.subresources())
        contents = resource.contents
        if not isinstance(contents, dict):
            continue
        if resource is not root and "$id" in contents:
            yield "$id: only the whole schema may have one, since it changes what $ref means"
            continue
        for keyword in _REFERENCES:
            target = contents.get(keyword)
            if not isinstance(target, str):
                continue
            inside = fragment_inside(target, schema.get("$id"))
            if inside is None:
                yield f"{keyword}: {target[:100]!r} points outside the schema; gates fetch nothing"
                continue
            try:
                resolver.lookup(inside)
            except Unresolvable:
                yield f"{keyword}: {target[:100]!r} points to nothing in the schema"
