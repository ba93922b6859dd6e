"""Who may have signed what is on a policy log."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from streamwarden_contract.signatures import PUBLIC_KEY_LENGTH, PublicKeys

OLD, NEW = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
RAW = {"old": OLD.public_key().public_bytes_raw(), "new": NEW.public_key().public_bytes_raw()}
KEYS = PublicKeys(RAW)


@pytest.mark.parametrize(
    ("key_id", "signature", "message", "expected"),
    [
        pytest.param("old", OLD.sign(b"m"), b"m", True, id="one-of-two-keys"),
        pytest.param("new", NEW.sign(b"m"), b"m", True, id="the-other-one"),
        pytest.param("old", NEW.sign(b"m"), b"m", False, id="by-another-key-than-it-says"),
        pytest.param("old", OLD.sign(b"m"), b"n", False, id="of-another-message"),
        pytest.param("gone", OLD.sign(b"m"), b"m", False, id="by-a-key-that-is-not-valid"),
        pytest.param("old", b"short", b"m", False, id="no-signature-at-all"),
    ],
)
def test_a_signature(key_id: str, signature: bytes, message: bytes, expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    assert KEYS.verify(key_id, signature, message) is expected


def test_the_keys_are_shown_as_they_were_given() -> None:
    assert KEYS.raw == RAW


@pytest.mark.parametrize("length", [0, PUBLIC_KEY_LENGTH - 1, PUBLIC_KEY_LENGTH + 1])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PublicKeys({"k": b"x" * length})
