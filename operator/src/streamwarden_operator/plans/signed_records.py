"""Records of signed topics, the policy logs and the inventory: how one is signed, and by whom one says it is. Pure."""

from typing import NamedTuple, Protocol

from streamwarden_contract.policylog import KEY_ID_HEADER, SIGNATURE_HEADER, Signer, signed_message

from streamwarden_operator.ports import SignedRecord


class Encodable(Protocol):
    """What has a key and exact bytes."""

    @property
    def key(self) -> str: ...

    def encode(self) -> bytes: ...


def sign_record(record: Encodable, *, topic: str, cluster_id: str, signer: Signer) -> SignedRecord:
    """Encode and sign one record."""
    key, value = record.key.encode(), record.encode()
    signature = signer.sign(signed_message(cluster_id=cluster_id, topic=topic, key=key, value=value))
    return SignedRecord(key, value, ((SIGNATURE_HEADER, signature), (KEY_ID_HEADER, signer.key_id.encode())))


def key_id_of(record: SignedRecord) -> str:
    """Return the id of the key that a record says it is signed by; empty where it says none."""
    return dict(record.headers).get(KEY_ID_HEADER, b"").decode("utf-8", errors="replace")


class Signature(NamedTuple):
    """What a record says it is signed by, and what was signed; nothing of it is verified."""

    key_id: str
    signature: bytes
    message: bytes


def signature_of(record: SignedRecord, *, topic: str, cluster_id: str) -> Signature | None:
    """Return a record's signature; None where it has none, or a header twice, or is a tombstone."""
    headers = dict(record.headers)
    signature, key_id = headers.get(SIGNATURE_HEADER), key_id_of(record)
    if record.value is None or not signature or not key_id or len(headers) != len(record.headers):
        return None
    message = signed_message(cluster_id=cluster_id, topic=topic, key=record.key, value=record.value)
    return Signature(key_id, signature, message)
