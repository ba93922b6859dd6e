"""The signing key in its Secret: made at the first start, never written again, never logged."""

from streamwarden_operator.adapters.kubernetes.secrets import SecretStore
from streamwarden_operator.adapters.signing import SigningKey
from streamwarden_operator.errors import InvalidSpecError

SECRET_NAME = "streamwarden-signing-key"  # noqa: S105  # a name
PRIVATE_KEY = "private-key.pem"


async def keep_signing_key(secrets: SecretStore, namespace: str) -> SigningKey:
    """Return the key of the Secret, which is made where there is none.

    Raises:
        InvalidSpecError: the Secret holds no key. It is left as it is: gates know its public half.
        KubernetesUnavailableError: the Secret could not be read or made.
    """
    held = await secrets.read_any(namespace, SECRET_NAME)
    if held is None:
        key = SigningKey.create()
        if await secrets.create(namespace, SECRET_NAME, {PRIVATE_KEY: key.private_pem().decode()}):
            return key
        held = await secrets.read_any(namespace, SECRET_NAME) or {}  # another one was faster: its key counts
    if PRIVATE_KEY not in held:
        raise InvalidSpecError(f"the Secret {namespace}/{SECRET_NAME} has no entry {PRIVATE_KEY!r}")
    return SigningKey.from_pem(held[PRIVATE_KEY].encode())
