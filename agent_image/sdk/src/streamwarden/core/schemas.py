"""The schema that a contract promises for its events' data, and what an event breaks of it."""

import json
from collections.abc import Iterable, Iterator, Sequence

from streamwarden_contract import canonical
from streamwarden_contract.schemas import compile_schema

_MAX_SHOWN = 80


class EventSchema:
    """A compiled JSON Schema, whose words on a mismatch repeat nothing of the data."""

    def __init__(self, definition: str) -> None:
        """Compile it.

        Raises:
            ValueError: it is no JSON Schema that refers only to itself.
        """
        self._compiled = compile_schema(definition)
        self._schema: canonical.JsonValue = json.loads(definition)
        self._names = frozenset(_declared(self._schema))

    def mismatch(self, data: canonical.JsonValue) -> str | None:
        """Return the place in the data and what the schema demands there, as in ``$.score: type: "number"``, or None.

        Names that the schema does not declare are data too, and become ``?``.
        """
        error = self._compiled.first_error(data)
        if error is None:
            return None
        keyword = str(error.schema_path[-1]) if error.schema_path else "false"
        return f"{self._place(error.instance_path)}: {keyword}{self._demanded(error.schema_path)}"

    def _place(self, path: Iterable[str | int]) -> str:
        return "$" + "".join(
            f"[{part}]" if isinstance(part, int) else f".{part if part in self._names else '?'}" for part in path
        )

    def _demanded(self, path: Sequence[str | int]) -> str:
        found = self._schema
        for part in path:
            if isinstance(found, dict) and part in found:
                found = found[str(part)]
            elif isinstance(found, list) and isinstance(part, int) and part < len(found):
                found = found[part]
            else:
                return ""  # behind a reference
        shown = json.dumps(found, ensure_ascii=False)
        return f": {shown}" if len(shown) <= _MAX_SHOWN else ""


def _declared(schema: canonical.JsonValue) -> Iterator[str]:
    """Go through all names of properties that a schema declares, at any depth."""
    pending = [schema]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            properties = found.get("properties")
            if isinstance(properties, dict):
                yield from properties
            pending.extend(found.values())
        elif isinstance(found, list):
            pending.extend(found)
