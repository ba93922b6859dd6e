"""The stack's schema registry, which starts beside the loop and is ready some seconds after it."""

from __future__ import annotations

from streamwarden_operator.adapters.schema_registry import ConfluentRegistry
from streamwarden_operator.errors import RegistryUnavailableError
from streamwarden_operator.ports import SchemaRegistry, SubjectSchema
from typing_extensions import override


class LateRegistry(SchemaRegistry):
    """Unavailable until :meth:`ready` is called, so that nothing waits for it."""

    def __init__(self) -> None:
        self._registry: ConfluentRegistry | None = None
        self._why = "the schema registry is still starting"

    def ready(self, url: str) -> None:
        """Use the registry at this URL from now on."""
        self._registry = ConfluentRegistry(url)

    def failed(self, why: str) -> None:
        """Say from now on why there is none."""
        self._why = f"there is no schema registry: {why}"

    @override
    async def observe(self, subject: str) -> SubjectSchema | None:
        return await self._now().observe(subject)

    @override
    async def find(self, subject: str, definition: str) -> SubjectSchema | None:
        return await self._now().find(subject, definition)

    @override
    async def set_compatibility(self, subject: str, level: str) -> None:
        await self._now().set_compatibility(subject, level)

    @override
    async def register(self, subject: str, definition: str) -> SubjectSchema:
        return await self._now().register(subject, definition)

    @override
    async def delete(self, subject: str) -> None:
        await self._now().delete(subject)

    def _now(self) -> ConfluentRegistry:
        if self._registry is None:
            raise RegistryUnavailableError(self._why)
        return self._registry
