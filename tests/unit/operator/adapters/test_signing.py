"""The signing key shows its id and nothing else."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.errors import InvalidSpecError


def test_a_signature_verifies_with_the_key_of_its_id_only() -> None:
    key, other = SigningKey.create(), SigningKey.create()
    ring = KeyRing(key.public_key, other.public_key)
    signature = key.sign(b"m")
    assert len(signature) == 64
    assert ring.verify(key.key_id, signature, b"m")
    assert not ring.verify(key.key_id, signature, b"n")
    assert not ring.verify(other.key_id, signature, b"m")
    assert not ring.verify("unknown", signature, b"m")
    assert not ring.verify(key.key_id, b"short", b"m")


def test_a_key_survives_its_pem() -> None:
    key = SigningKey.create()
    again = SigningKey.from_pem(key.private_pem())
    assert (again.key_id, again.public_key) == (key.key_id, key.public_key)


def test_the_gates_get_public_keys_by_id() -> None:
    key = SigningKey.create()
    assert json.loads(KeyRing(key.public_key).public_keys_json()) == {
        key.key_id: base64.b64encode(key.public_key).decode()
    }
    assert key.key_id == hashlib.sha256(key.public_key).hexdigest()[:16]


def test_repr_keeps_the_secret() -> None:
    key = SigningKey.create()
    assert repr(key) == f"SigningKey(key_id='{key.key_id}')"


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"garbage", id="no-pem"),
        pytest.param(
            generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            id="another-algorithm",
        ),
    ],
)
def test_a_strange_key_is_refused_without_showing_it(pem: bytes) -> None:
    with pytest.raises(InvalidSpecError, match="Ed25519") as caught:
        SigningKey.from_pem(pem)
    assert caught.value.__cause__ is None
