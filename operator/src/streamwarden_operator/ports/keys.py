"""The signing key, by its id."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyIds:
    """Which keys there are; empty where there is none."""

    signing: str
    following: str = ""
    """Gates are told of it, and it does not sign yet."""
    previous: str = ""
    """Gates still take what it signed."""


@dataclass(frozen=True, slots=True)
class RotationAsked:
    """What is asked for of a rotation."""

    due: str = ""
    """Why the key is to be replaced: what people ask for, or its age; empty where it is not."""
    without: frozenset[str] = frozenset()
    """Gates, ``namespace/pod``, that people have it wait for no longer."""


class SigningKeys(Protocol):
    """The keys of the installation, and where they are kept. Each change is kept before it has an effect."""

    @property
    def ids(self) -> KeyIds: ...

    async def rotation_asked(self) -> RotationAsked:
        """Say whether the key is to be replaced, and what people say to it.

        Raises:
            CannotGoOnError: another key is kept than the one that signs here.
        """
        ...

    async def add_following(self) -> None:
        """Make the next key."""
        ...

    async def sign_with_following(self) -> None:
        """Let the next key sign; the one that did stays valid for gates."""
        ...

    async def retire_previous(self) -> None:
        """Let no gate take the previous key any more."""
        ...

    async def show(self, progress: str) -> None:
        """Write where a rotation stands beside the keys; empty: there is none."""
        ...
