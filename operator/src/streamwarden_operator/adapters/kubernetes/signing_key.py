"""The signing keys in their Secret: made at the first start, replaced when people or their age ask for it.

A lost key is never made anew in silence: gates know its public half, and refuse what another one signs.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from streamwarden_contract.signatures import PUBLIC_KEY_LENGTH
from typing_extensions import override

from streamwarden_operator.adapters.kubernetes.secrets import KeptSecret, SecretStore
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.clock import utc_now
from streamwarden_operator.desired.names import (
    BEGIN_ANEW_ANNOTATION,
    ROTATE_ANNOTATION,
    ROTATE_WITHOUT_ANNOTATION,
    ROTATION_STATUS_ANNOTATION,
    annotated_ids,
    say_missed,
)
from streamwarden_operator.errors import CannotGoOnError, InvalidSpecError, SigningKeyLostError
from streamwarden_operator.ports import KeyIds, RotationAsked, SigningKeys

SECRET_NAME = "streamwarden-signing-key"  # noqa: S105  # a name
PRIVATE_KEY = "private-key.pem"
FOLLOWING_KEY = "next-private-key.pem"
STATE = "keys.json"
"""What is known of the keys besides, all of it public."""


class _State(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    since: AwareDatetime | None = None
    previous: str = ""
    """Base64 of a public key, as each of ``retired``."""
    retired: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()
    request: str = ""


class KubernetesSigningKeys(SigningKeys):
    """Implements ``ports.SigningKeys`` over the Secret."""

    def __init__(
        self,
        secrets: SecretStore,
        namespace: str,
        keys: PublisherKeys,
        *,
        longest: timedelta | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Make one over keys that have been read.

        Args:
            secrets: the API server's.
            namespace: the operator's own.
            keys: what signs and verifies; each change goes into them once it is kept.
            longest: age at which a key is replaced; None: whenever people ask for it.
            clock: the time.
        """
        self.keys = keys
        self._secrets = secrets
        self._namespace = namespace
        self._longest = longest
        self._clock = clock

    @property
    def key_id(self) -> str:
        """The id of the key that signs."""
        return self.keys.key_id

    @property
    @override
    def ids(self) -> KeyIds:
        return self.keys.ids

    @override
    async def rotation_asked(self) -> RotationAsked:
        kept = await self._kept()
        return RotationAsked(self._due(kept), annotated_ids(kept.annotations, ROTATE_WITHOUT_ANNOTATION))

    def _due(self, kept: KeptSecret) -> str:
        held = self.keys.held
        asked = kept.annotations.get(ROTATE_ANNOTATION, "")
        if asked not in {"", held.request}:
            return f"asked for by the annotation {ROTATE_ANNOTATION}={asked!r}"
        age = self._clock() - (held.since or datetime.fromisoformat(kept.created))
        if self._longest is not None and age >= self._longest:
            return f"the key is {age.days} days old"
        return ""

    @override
    async def add_following(self) -> None:
        kept = await self._kept()
        request = kept.annotations.get(ROTATE_ANNOTATION, "") or self.keys.held.request
        await self._keep(kept, replace(self.keys.held, following=SigningKey.create(), request=request))

    @override
    async def sign_with_following(self) -> None:
        held = self.keys.held
        if held.following is not None:
            changed = replace(
                held, signing=held.following, following=None, previous=held.signing.public_key, since=self._clock()
            )
            await self._keep(await self._kept(), changed)

    @override
    async def retire_previous(self) -> None:
        held = self.keys.held
        if held.previous is not None:
            await self._keep(await self._kept(), replace(held, previous=None, retired=(*held.retired, held.previous)))

    @override
    async def show(self, progress: str) -> None:
        kept = await self._kept()
        if kept.annotations.get(ROTATION_STATUS_ANNOTATION, "") != progress:
            annotations = {ROTATION_STATUS_ANNOTATION: progress or None}
            data = _changes(self.keys.held)
            await self._secrets.write_kept(self._namespace, SECRET_NAME, data, annotations, kept.version)

    async def _kept(self) -> KeptSecret:
        """Return the Secret; one that was deleted is written again, for its key is known here.

        Raises:
            CannotGoOnError: it has another key.
        """
        kept = await self._secrets.read_kept(self._namespace, SECRET_NAME)
        if kept is None:
            await self._secrets.create(self._namespace, SECRET_NAME, write_keys(self.keys.held))
            kept = await self._secrets.read_kept(self._namespace, SECRET_NAME)
        if kept is None or read_keys(kept.data, self._namespace).signing.key_id != self.key_id:
            raise CannotGoOnError(
                f"the Secret {self._namespace}/{SECRET_NAME} no longer has the key {self.key_id}, which signs here: "
                "only a start finds out which one counts"
            )
        return kept

    async def _keep(self, kept: KeptSecret, held: HeldKeys) -> None:
        await self._secrets.write_kept(self._namespace, SECRET_NAME, _changes(held), {}, kept.version)
        self.keys.take(held)


async def _nobody() -> frozenset[str]:
    return frozenset()


async def keep_signing_key(
    secrets: SecretStore,
    namespace: str,
    *,
    signers: Callable[[], Awaitable[frozenset[str]]] = _nobody,
    begin_anew: frozenset[str] = frozenset(),
    longest: timedelta | None = None,
) -> KubernetesSigningKeys:
    """Return the keys of the Secret, which is made where there is none and nothing has been signed yet.

    Args:
        secrets: the API server's.
        namespace: the operator's own.
        signers: returns the ids of the keys by which what this installation has in Kafka is signed.
        begin_anew: ids of lost keys without which people want to go on.
        longest: see ``KubernetesSigningKeys``.

    Raises:
        SigningKeyLostError: there is no Secret, and something is signed.
        InvalidSpecError: the Secret holds no key. It is left as it is: gates know its public half.
        KubernetesUnavailableError: the Secret could not be read or made.
    """
    kept = await secrets.read_kept(namespace, SECRET_NAME)
    if kept is None:
        lost = await signers()
        if lost - begin_anew:
            raise SigningKeyLostError(lost_key_message(namespace, lost, begin_anew))
        held = HeldKeys(SigningKey.create(), abandoned=lost, since=utc_now())
        if await secrets.create(namespace, SECRET_NAME, write_keys(held)):
            return KubernetesSigningKeys(secrets, namespace, PublisherKeys(held), longest=longest)
        kept = await secrets.read_kept(namespace, SECRET_NAME)  # another one was faster: its key counts
    held = read_keys({} if kept is None else kept.data, namespace)
    keys = PublisherKeys(held)
    if kept is not None and (given_up := frozenset(each for each in begin_anew if not keys.knows(each))):
        held = replace(held, abandoned=held.abandoned | given_up)
        await secrets.write_kept(namespace, SECRET_NAME, _changes(held), {}, kept.version)
        keys.take(held)
    return KubernetesSigningKeys(secrets, namespace, keys, longest=longest)


async def is_new(secrets: SecretStore, namespace: str) -> bool:
    """Tell whether nobody can have worked here yet: who leads makes the Secret, or finds it, before all else."""
    return await secrets.read_kept(namespace, SECRET_NAME) is None


def lost_key_message(namespace: str, lost: frozenset[str], begin_anew: frozenset[str]) -> str:
    """Say what to do about a lost key, and whether people have named another one."""
    ids = ",".join(sorted(lost))
    return (
        f"the Secret {namespace}/{SECRET_NAME} is gone, and policy logs are signed by {ids}: nothing is done, and "
        f"gates go on by what is in force. Put the Secret back from its backup. Where it is lost for good, begin anew "
        f"with another key. {say_missed(BEGIN_ANEW_ANNOTATION, begin_anew - lost)}Say so: "
        f"kubectl annotate namespace {namespace} --overwrite {BEGIN_ANEW_ANNOTATION}={ids}"
    )


def read_keys(data: Mapping[str, str], namespace: str) -> HeldKeys:
    """Read the Secret's values.

    Raises:
        InvalidSpecError: no key, or something that is none.
    """
    if PRIVATE_KEY not in data:
        raise InvalidSpecError(f"the Secret {namespace}/{SECRET_NAME} has no entry {PRIVATE_KEY!r}")
    try:
        state = _State.model_validate_json(data.get(STATE) or "{}")
        previous = _public(state.previous) if state.previous else None
        retired = tuple(_public(text) for text in state.retired)
    except (ValidationError, ValueError):
        raise InvalidSpecError(f"the Secret {namespace}/{SECRET_NAME}: {STATE} cannot be read") from None
    following = data.get(FOLLOWING_KEY)
    return HeldKeys(
        SigningKey.from_pem(data[PRIVATE_KEY].encode()),
        SigningKey.from_pem(following.encode()) if following else None,
        previous,
        retired,
        frozenset(state.abandoned),
        state.since,
        state.request,
    )


def write_keys(held: HeldKeys) -> dict[str, str]:
    """Return the Secret's values."""
    state = _State(
        since=held.since,
        previous=_text(held.previous) if held.previous else "",
        retired=tuple(map(_text, held.retired)),
        abandoned=tuple(sorted(held.abandoned)),
        request=held.request,
    )
    data = {PRIVATE_KEY: held.signing.private_pem().decode(), STATE: state.model_dump_json(exclude_defaults=True)}
    if held.following is not None:
        data[FOLLOWING_KEY] = held.following.private_pem().decode()
    return data


def _changes(held: HeldKeys) -> dict[str, str | None]:
    """Return the Secret's values, and None for those that it must not have: a key of before, for one."""
    return {**dict.fromkeys((PRIVATE_KEY, FOLLOWING_KEY, STATE)), **write_keys(held)}


def _text(public_key: bytes) -> str:
    return base64.b64encode(public_key).decode()


def _public(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if len(raw) != PUBLIC_KEY_LENGTH:
        raise ValueError("no public key")
    return raw
