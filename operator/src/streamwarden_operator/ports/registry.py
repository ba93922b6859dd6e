"""The schema registry."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SubjectSchema:
    """A schema of a subject."""

    subject: str
    schema_id: int
    version: int
    definition: str
    compatibility_level: str | None
    """The subject's own level; None where the registry's default holds."""


class SchemaRegistry(Protocol):
    """A registry with Confluent's API."""

    async def observe(self, subject: str) -> SubjectSchema | None:
        """Return the latest schema of a subject; None where it has none."""
        ...

    async def find(self, subject: str, definition: str) -> SubjectSchema | None:
        """Return the version of a subject that has this schema; None where none has."""
        ...

    async def set_compatibility(self, subject: str, level: str) -> None: ...

    async def register(self, subject: str, definition: str) -> SubjectSchema:
        """Register a version; the same text again gives the same version.

        Raises:
            InvalidSpecError: ``InvalidSchema``, with the registry's list of differences.
        """
        ...

    async def delete(self, subject: str) -> None: ...
