"""The public keys of the policy log, read from a file that may change while the gate runs."""

import base64
import binascii
from pathlib import Path

from streamwarden_contract import canonical
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.signatures import PUBLIC_KEY_LENGTH, PublicKeys

from streamwarden_gate.errors import ConfigError


class PublicKeyFile:
    """Ed25519 keys by id. A file that has become unreadable changes nothing: the keys known before stay valid."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigError: missing, or not an object of key ids and 32 bytes in base64.
        """
        self._path = path
        self._stamp = self._current_stamp()
        self._keys = _parse(path)

    def refresh(self) -> bool:
        """Read the file again if it was replaced or written, and tell whether the keys are others than before.

        Raises:
            ConfigError: it was changed and is not valid now.
        """
        stamp = self._current_stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before, self._keys = self._keys, _parse(self._path)
        return before.raw != self._keys.raw

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the keys that are valid now."""
        return tuple(sorted(self._keys.raw))

    def knows(self, key_id: str) -> bool:
        """Tell whether a key of this id is valid now."""
        return key_id in self._keys.raw

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature is by a known key; an unknown key is False."""
        return self._keys.verify(key_id, signature, message)

    def _current_stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _parse(path: Path) -> PublicKeys:
    try:
        found = canonical.decode(path.read_bytes())
    except (OSError, MalformedEventError) as error:
        raise ConfigError(f"cannot read the public keys in {path}: {error}") from error
    if not isinstance(found, dict) or not found:
        raise ConfigError(f"{path} must hold an object of key ids and base64 public keys, and at least one")
    return PublicKeys({key_id: _key(path, key_id, text) for key_id, text in found.items()})


def _key(path: Path, key_id: str, text: object) -> bytes:
    try:
        raw = base64.b64decode(str(text), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ConfigError(_not_a_key(path, key_id)) from error
    if len(raw) != PUBLIC_KEY_LENGTH:
        raise ConfigError(_not_a_key(path, key_id))
    return raw


def _not_a_key(path: Path, key_id: str) -> str:
    return f"{path}: the key {key_id[:64]!r} is not {PUBLIC_KEY_LENGTH} bytes in base64"
