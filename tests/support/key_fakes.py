"""Where signing keys are kept, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from streamwarden_operator.adapters.kubernetes.secrets import KeptSecret, SecretStore
from streamwarden_operator.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping


class FakeKeptSecrets:
    """One Secret, as an API server keeps it."""

    def __init__(self, data: Mapping[str, str] | None = None, created: str = "2026-01-01T00:00:00Z") -> None:
        self.data = None if data is None else dict(data)
        self.annotations: dict[str, str] = {}
        """What people say."""
        self.shown: dict[str, str] = {}
        """What the operator says."""
        self.created = created
        self.version = 1

    @property
    def store(self) -> SecretStore:
        return cast("SecretStore", self)

    async def create(self, _namespace: str, _name: str, data: Mapping[str, str]) -> bool:
        if self.data is not None:
            return False
        self.data, self.version = dict(data), self.version + 1
        return True

    async def read_kept(self, _namespace: str, _name: str) -> KeptSecret | None:
        if self.data is None:
            return None
        return KeptSecret(dict(self.data), self.annotations | self.shown, str(self.version), self.created)

    async def write_kept(
        self, _namespace: str, _name: str, data: Mapping[str, str], annotations: Mapping[str, str], version: str
    ) -> KeptSecret:
        if version != str(self.version):
            raise ConflictError("it was changed meanwhile")
        self.data, self.shown, self.version = dict(data), dict(annotations), self.version + 1
        return KeptSecret(self.data, self.annotations | self.shown, str(self.version), self.created)
