"""The public keys of the policy log: Ed25519, by id. Needs the extra ``signatures``, which the SDK does without."""

from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PUBLIC_KEY_LENGTH = 32


class PublicKeys:
    """Implements ``policylog.Verifier`` with the keys that are valid now: one, and two during a rotation."""

    __slots__ = ("_keys", "_raw")

    def __init__(self, raw: Mapping[str, bytes]) -> None:
        """Take the keys.

        Args:
            raw: by id, each of ``PUBLIC_KEY_LENGTH`` bytes.

        Raises:
            ValueError: a key has another length.
        """
        self._raw = dict(raw)
        self._keys = {key_id: Ed25519PublicKey.from_public_bytes(key) for key_id, key in self._raw.items()}

    @property
    def raw(self) -> Mapping[str, bytes]:
        """The bytes of the keys, by id."""
        return self._raw

    def knows(self, key_id: str) -> bool:
        """Tell whether a key of this id is among them."""
        return key_id in self._keys

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature is by a known key; an unknown key is False."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
