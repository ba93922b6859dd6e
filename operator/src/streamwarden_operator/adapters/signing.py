"""The key that signs the policy log: Ed25519. The private half never leaves this module but through ``private_pem``."""

import base64
import hashlib
import json

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from streamwarden_contract.signatures import PublicKeys
from typing_extensions import override

from streamwarden_operator.errors import InvalidSpecError

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


class PublisherKeys:
    """The publisher's: signs with one key, and verifies with every valid one."""

    __slots__ = ("_signing", "ring")

    def __init__(self, signing: SigningKey) -> None:
        self._signing = signing
        self.ring = KeyRing(signing.public_key)
        """What gates get."""

    @property
    def key_id(self) -> str:
        """The id of the key that signs."""
        return self._signing.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._signing.sign(message)

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature is by a valid key."""
        return self.ring.verify(key_id, signature, message)

    def knows(self, key_id: str) -> bool:
        """Tell whether a key of this id is valid."""
        return self.ring.knows(key_id)


def key_id(public_key: bytes) -> str:
    """Return the id of a raw public key."""
    return hashlib.sha256(public_key).hexdigest()[:_KEY_ID_LENGTH]
