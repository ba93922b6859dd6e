"""The keys that sign policy logs and inventory: Ed25519.

The private half never leaves this module but through ``private_pem``.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from streamwarden_contract.signatures import PublicKeys
from typing_extensions import override

from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.ports import KeyIds

_KEY_ID_LENGTH = 16


class SigningKey:
    """Signs. Its repr shows the key id only."""

    __slots__ = ("_key", "_key_id", "_public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()
        self._key_id = key_id(self._public)

    @classmethod
    def create(cls) -> "SigningKey":
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Read an unencrypted PKCS #8 PEM.

        Raises:
            InvalidSpecError: not a PEM with an Ed25519 key.
        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InvalidSpecError("the signing key is no unencrypted PEM (PKCS #8) with an Ed25519 key") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidSpecError("the signing key is not an Ed25519 key")
        return cls(key)

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of the public key's SHA-256."""
        return self._key_id

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._key.sign(message)

    def private_pem(self) -> bytes:
        """Return the private key as unencrypted PKCS #8 PEM; for a Secret or a file of mode 0600 only."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @override
    def __repr__(self) -> str:
        return f"SigningKey(key_id={self._key_id!r})"


class KeyRing(PublicKeys):
    """The public keys that are valid now, as gates get them."""

    __slots__ = ()

    def __init__(self, *public_keys: bytes) -> None:
        super().__init__({key_id(raw): raw for raw in public_keys})

    def public_keys_json(self) -> str:
        """Write ``public-keys.json`` for the gates."""
        keys = {name: base64.b64encode(raw).decode() for name, raw in sorted(self.raw.items())}
        return json.dumps(keys, indent=2)


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """All that is kept of keys. Its repr shows key ids only."""

    signing: SigningKey
    """Signs now."""
    following: SigningKey | None = None
    """Gates are told of it, and it signs once all of them know it."""
    previous: bytes | None = field(default=None, repr=False)
    """Public half of the one that signed before: gates take it until all of them have what the new one signed."""
    retired: tuple[bytes, ...] = field(default=(), repr=False)
    """Public halves of earlier ones: gates take none of them. The operator verifies by them what it finds, as in a log
    that was restored."""
    abandoned: frozenset[str] = frozenset()
    """Ids of lost keys without which people have begun anew: what they signed cannot be verified by anybody."""
    since: datetime | None = None
    """When ``signing`` was made; None: not known."""
    request: str = ""
    """The last rotation that was asked for and begun."""


class PublisherKeys:
    """The publisher's: signs with one key, and verifies with every one that it has ever had."""

    __slots__ = ("_held", "_known", "_public_keys_json")

    def __init__(self, held: HeldKeys) -> None:
        self.take(held)

    def take(self, held: HeldKeys) -> None:
        """Go on with these."""
        following = () if held.following is None else (held.following.public_key,)
        self._held = held
        self._known = KeyRing(*held.retired, *self._previous(held), held.signing.public_key, *following)
        self._public_keys_json = KeyRing(held.signing.public_key, *following, *self._previous(held)).public_keys_json()

    @property
    def held(self) -> HeldKeys:
        """All of them."""
        return self._held

    @property
    def ids(self) -> KeyIds:
        """Their ids."""
        held = self._held
        previous = next((key_id(raw) for raw in self._previous(held)), "")
        return KeyIds(held.signing.key_id, held.following.key_id if held.following else "", previous)

    @property
    def key_id(self) -> str:
        """The id of the key that signs."""
        return self._held.signing.key_id

    @property
    def signer(self) -> SigningKey:
        """The key that signs."""
        return self._held.signing

    @property
    def abandoned(self) -> frozenset[str]:
        """Ids of keys that are lost, and whose records are ours all the same: people have said so."""
        return self._held.abandoned

    def public_keys_json(self) -> str:
        """Write ``public-keys.json`` for the gates: one key, and two while one is replaced."""
        return self._public_keys_json

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._held.signing.sign(message)

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature is by a key of ours."""
        return self._known.verify(key_id, signature, message)

    def knows(self, key_id: str) -> bool:
        """Tell whether a key of this id is, or was, ours."""
        return self._known.knows(key_id) or key_id in self._held.abandoned

    @staticmethod
    def _previous(held: HeldKeys) -> tuple[bytes, ...]:
        return () if held.previous is None else (held.previous,)


def key_id(public_key: bytes) -> str:
    """Return the id of a raw public key."""
    return hashlib.sha256(public_key).hexdigest()[:_KEY_ID_LENGTH]
