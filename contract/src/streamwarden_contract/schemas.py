"""JSON Schemas as they are run: compiled once, nothing fetched, regular expressions in linear time.

Wants the extra ``schemas``: whoever only names schemas does without the engine.
"""

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import jsonschema_rs

_BRANCHES = frozenset({"anyOf", "oneOf"})
_MAX_VALUES = 500
"""Above so many values in a document nobody asks what each branch of a schema has against it."""


class SchemaError(NamedTuple):
    """What does not fit."""

    instance_path: Sequence[str | int]
    """To the value."""
    schema_path: Sequence[str | int]
    """To what the schema demands of it."""
    message: str
    """In the engine's words: they repeat the value."""


class CompiledSchema:
    """A schema that can be asked often, at a cost that grows with the document alone."""

    __slots__ = ("_branches", "_validator")

    def __init__(self, validator: jsonschema_rs.Validator, *, branches: bool) -> None:
        """Take it as the engine has it.

        Args:
            validator: the engine's.
            branches: whether it has any ``anyOf`` or ``oneOf``.
        """
        self._validator = validator
        self._branches = branches

    def first_error(self, value: object) -> SchemaError | None:
        """Return the first that does not fit, or None.

        The engine gathers all errors before ``iter_errors`` gives one, and so do the branches of a schema for
        ``validate``, which ends at the first otherwise. Each error copies its part of the document: 57 kB of names that
        ``propertyNames`` refuses took 36 s and 9 GB.
        """
        if self._validator.is_valid(value):
            return None
        if self._branches and not _is_small(value):
            return SchemaError((), (), "does not fit, and is too large to say where")
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return SchemaError(error.instance_path, error.schema_path, error.message)
        return SchemaError((), (), "does not fit")


def compile_schema(definition: str) -> CompiledSchema:
    """Compile the text of a JSON Schema.

    Raises:
        ValueError: not JSON, not a valid schema, or a reference that leads outside it.
    """
    validator = jsonschema_rs.validator_for(definition, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions())
    return CompiledSchema(validator, branches=any(f'"{name}"' in definition for name in _BRANCHES))


def _is_small(value: object) -> bool:
    pending, seen = [value], 1
    while pending:
        found = pending.pop()
        inside = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
        seen += len(inside)
        if seen > _MAX_VALUES:
            return False
        pending.extend(inside)
    return True


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema may refer only to itself, not to {uri[:200]}")
