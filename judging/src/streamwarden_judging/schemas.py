"""JSON Schemas as they judge a decision's parameters."""

from typing import Protocol

from streamwarden_contract.schemas import compile_schema

_MAX_MESSAGE_LENGTH = 500


class Schema(Protocol):
    """What the parameters of a decision must fit."""

    def mismatch(self, parameters: object) -> str | None:
        """Say what does not fit, in at most 500 characters, or None."""
        ...


class JsonSchema:
    """A compiled JSON Schema. It fetches nothing, and its regular expressions take linear time."""

    __slots__ = ("_schema",)

    def __init__(self, definition: str) -> None:
        """Compile ``definition``.

        Raises:
            ValueError: not JSON, not a valid schema, or a reference that leads outside it.
        """
        self._schema = compile_schema(definition)

    def mismatch(self, parameters: object) -> str | None:
        """Say what does not fit, in at most 500 characters, or None."""
        error = self._schema.first_error(parameters)
        if error is None:
            return None
        where = "/".join(str(part) for part in error.instance_path)
        return f"parameters/{where}: {error.message}"[:_MAX_MESSAGE_LENGTH]
