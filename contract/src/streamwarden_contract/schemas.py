"""JSON Schemas as they are run: compiled once, nothing fetched, regular expressions in linear time.

Wants the extra ``schemas``: whoever only names schemas does without the engine.
"""

from typing import NoReturn

import jsonschema_rs


def compile_schema(definition: str) -> jsonschema_rs.Validator:
    """Compile the text of a JSON Schema.

    Raises:
        ValueError: not JSON, not a valid schema, or a reference that leads outside it.
    """
    return jsonschema_rs.validator_for(definition, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions())


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema may refer only to itself, not to {uri[:200]}")
