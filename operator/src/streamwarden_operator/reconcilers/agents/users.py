"""The users of an agent and its gate, and their Secrets: made only where nobody else has made them."""

import asyncio
import math
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.inventory import Stage, UserItem
from streamwarden_contract.names import AgentNames
from streamwarden_contract.reasons import ConditionReason, EventReason
from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, SCRAM_SHA_512

from streamwarden_operator.clock import utc_now
from streamwarden_operator.desired.credentials import (
    PASSWORD_BYTES,
    Credential,
    agent_secret_name,
    build_secret,
    find_credential,
    gate_secret_name,
)
from streamwarden_operator.desired.status import format_time
from streamwarden_operator.errors import (
    InvalidSpecError,
    KafkaUnavailableError,
    NotReadyError,
    OperatorError,
    UnavailableError,
)
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.credential_rotation import (
    is_age_known,
    other_mechanism,
    passwords_beside,
    rotation_due,
)
from streamwarden_operator.plans.inventory import Ownership, own_user
from streamwarden_operator.ports import Cluster, Logins, ScramUsers
from streamwarden_operator.reconcilers.agents.deletions import Deletions
from streamwarden_operator.reconcilers.agents.login_tries import AGAIN_S, LoginTries
from streamwarden_operator.reconcilers.inventory import Inventory

_log = structlog.get_logger(__name__)

_KNOWN_WITHIN_S, _PAUSE_S = 10.0, 0.1
"""Brokers hear of a new password some milliseconds after the controller has it."""


@dataclass(frozen=True, slots=True)
class _User:
    """One of the two, as found."""

    name: str
    secret: str
    """Name of its Secret."""
    credential: Credential | None
    """As the Secret has it."""
    ownership: Ownership
    mechanisms: frozenset[str]
    """Of which Kafka has a password."""
    is_told: bool
    """Whether Kafka has the Secret's password: it was tried, or it has been so lately."""


@dataclass(frozen=True, slots=True)
class KeptUsers:
    """The users as they are now."""

    credentials_hash: str
    """Of what the pods mount: another one replaces them."""
    beside: Mapping[str, frozenset[str]]
    """By user: mechanisms by which another password than its Secret's lets it in. Pods may still go by it."""


@dataclass(frozen=True, slots=True)
class OwnedUsers:
    """An agent's users, as they were found when it was to be brought down."""

    ours: tuple[str, ...]
    """Also those that Kafka has no more."""
    existing: frozenset[str]
    """That Kafka has, also somebody else's."""


@dataclass(frozen=True, slots=True)
class AgentUsers:
    """Makes them and takes them back; what it does not own, it leaves alone."""

    cluster: Cluster
    users: ScramUsers
    logins: Logins
    inventory: Inventory
    bootstrap_servers: str
    """As the pods reach Kafka."""
    tries: LoginTries = field(default_factory=LoginTries)
    longest: timedelta | None = None
    """Age at which passwords are replaced; None: whenever people ask for it."""
    now: Callable[[], datetime] = utc_now
    deletions: Deletions = field(default_factory=Deletions)
    not_kept: set[tuple[str, str]] = field(default_factory=set)
    """Agents (namespace and name) whose users were not kept at the last look: refused, held, or somebody else's."""
    unproven: dict[tuple[str, str], float] = field(default_factory=dict)
    """Likewise, those whose users are not ours: when that was tried (seconds on the clock of ``tries``)."""

    async def prove(self, names: AgentNames, owner_uid: str) -> bool:
        """Note an agent's users as made where they are ours, and tell that; nothing else of it is changed.

        Where they are not, nobody logs in again for a while: all agents of the namespace may ask. Raises as ``keep``.
        """
        who, now_s = (names.namespace, names.agent), self.tries.clock_s()
        if now_s - self.unproven.get(who, -math.inf) < AGAIN_S:
            return False
        found = await self._find(names)
        if any(user.ownership is not Ownership.OURS for user in found):
            self.unproven[who] = now_s
            return False
        self.unproven.pop(who, None)
        await self.inventory.note([_item(names, owner_uid, user, Stage.MADE) for user in found])
        return True

    async def keep(
        self,
        names: AgentNames,
        owner_uid: str,
        *,
        granted: Collection[str] = (),
        doubted: bool = False,
        rotation: str = "",
    ) -> KeptUsers:
        """Make what is missing, put right what was altered, and begin to replace passwords where that is due.

        Each user's password is tried once by each process, and again by each look that is not soon after the last.

        The order is: intent, Secret, user, inventory. Wherever that ends, the next pass tells by the Secret's own login
        whether the user is ours.

        Args:
            names: the agent's.
            owner_uid: of its AgentDeployment.
            granted: users that have ACLs: one may log in by another mechanism, and is then no SCRAM user.
            doubted: whether pods cannot work, for which a wrong password may be the reason.
            rotation: what people ask for: each new value for one rotation.

        Raises:
            NotReadyError: ``ResourceConflict``, a user is somebody else's, or somebody deletes it again and again;
                neither it nor anything of this agent's is changed.
        """
        found = await self._find(names, granted, doubted=doubted)
        foreign = [user.name for user in found if user.ownership is Ownership.FOREIGN]
        if foreign:
            self.not_kept.add((names.namespace, names.agent))
            raise NotReadyError(_not_ours(foreign), reason=ConditionReason.RESOURCE_CONFLICT)
        await self._note_deleted(names, found)
        new = [user for user in found if user.ownership is Ownership.NEW]
        await self.inventory.note([_item(names, owner_uid, user, Stage.INTENT) for user in new])
        kept = [await self._keep(names, user, rotation) for user in found]
        await self.inventory.note([_item(names, owner_uid, user, Stage.MADE) for user in found])
        self.not_kept.discard((names.namespace, names.agent))
        hashes = "".join(each.credentials_hash for each in kept)
        beside = {user: mechanisms for each in kept for user, mechanisms in each.beside.items()}
        return KeptUsers(sha256_hex(hashes.encode()), beside)

    async def take_passwords_beside(self, names: AgentNames, kept: KeptUsers) -> None:
        """Let only the Secrets' passwords open the door; no pod may go by another one any more."""
        for user, mechanisms in kept.beside.items():
            for mechanism in sorted(mechanisms):
                await self.users.delete(user, mechanism)
        if kept.beside:
            taken = ", ".join(f"{user} ({', '.join(sorted(kept.beside[user]))})" for user in sorted(kept.beside))
            message = f"only the passwords in the Secrets are valid from now on; others were taken away of {taken}"
            await self._tell(names, EventReason.CREDENTIALS_ROTATED, message)

    async def owned(self, names: AgentNames) -> OwnedUsers:
        """Find those of the agent's users that are ours; also where Kafka has them no more.

        Where the inventory says so no Secret is read: in a namespace that is being deleted the right to may be gone.
        """
        await self.inventory.open()
        existing = await self.users.observe(_wanted(names))
        unsettled = [user for user in _wanted(names) if user in existing and not self._is_made(user)]
        found = await self._find(names) if unsettled else []
        opened = {user.name for user in found if user.ownership is Ownership.OURS}
        known = {user for user in _wanted(names) if self.inventory.user(user) is not None and user not in unsettled}
        ours = tuple(user for user in _wanted(names) if user in opened | known)
        return OwnedUsers(ours, frozenset(existing.keys() & _wanted(names).keys()))

    async def take(self, names: AgentNames, owned: OwnedUsers) -> None:
        """Take back the users that are ours, and both Secrets; what is gone already is success."""
        self.not_kept.discard((names.namespace, names.agent))
        self.unproven.pop((names.namespace, names.agent), None)
        for user in owned.ours:
            if user in owned.existing:
                await self._end_tokens_of_gone(names, user)
                await self.users.delete(user)
            self.tries.forget(user)
            self.deletions.forget(user)
        for left in sorted(owned.existing - set(owned.ours)):
            _log.warning("a user of this name is not ours: left as it is", user=left)
        for secret in (agent_secret_name(names.agent), gate_secret_name(names.agent)):
            await self.cluster.delete_secret(names.namespace, secret)

    async def forget(self, owned: Collection[str]) -> None:
        """Take users out of the inventory: they are gone, and so is all that went with them."""
        await self.inventory.forget([item for user in owned if (item := self.inventory.user(user)) is not None])

    def forget_swept(self, item: UserItem) -> None:
        """Remember nothing more of a user that was swept, as its agent went without being brought down."""
        self.not_kept.discard((item.namespace, item.agent))
        self.unproven.pop((item.namespace, item.agent), None)
        self.tries.forget(item.user)
        self.deletions.forget(item.user)

    async def _note_deleted(self, names: AgentNames, found: Collection[_User]) -> None:
        """Say that somebody has deleted users that are ours, and go no further where that is so again and again."""
        deleted = [user.name for user in found if _is_deleted(user)]
        if deleted:
            self.deletions.check(deleted)
            gone = (
                f"somebody has deleted Kafka's users {', '.join(deleted)}, which are this agent's: they are made again"
            )
            await self._tell(names, EventReason.USERS_DELETED, gone, warning=True)

    async def _find(self, names: AgentNames, granted: Collection[str] = (), *, doubted: bool = False) -> list[_User]:
        await self.inventory.open()
        existing = await self.users.observe(_wanted(names))
        due = self.tries.due(_wanted(names), doubted=doubted)
        found = []
        for user, secret in _wanted(names).items():
            credential = find_credential(await self.cluster.read_secret(names.namespace, secret), user)
            mechanisms = existing.get(user, frozenset())
            is_told = (
                credential is not None
                and credential.mechanism in mechanisms
                and await self._is_told(names, user, credential, is_due=user in due)
            )
            exists = bool(mechanisms) or user in granted
            ownership = own_user(self.inventory.user(user), exists=exists, logs_in=is_told)
            found.append(_User(user, secret, credential, ownership, mechanisms, is_told))
        return found

    async def _is_told(self, names: AgentNames, user: str, credential: Credential, *, is_due: bool) -> bool:
        """Tell whether Kafka has this password of a user; of one that is ours it is tried where that is due."""
        is_made = self._is_made(user)
        if is_made and not is_due:
            return True
        if is_made:
            self.tries.note(user)
        else:
            self.tries.forget(user)  # adopted while Kafka has another password, it is tried once more
        try:
            is_told = await self.logins.check(user, credential.password, credential.mechanism)
        except OperatorError as error:
            if not is_made:
                raise
            _log.warning("a user's password could not be tried: taken for right", user=user, error=str(error))
            return True
        if is_told:
            self.tries.note(user)
        if is_made and not is_told:
            message = f"Kafka has another password of the user {user} than its Secret: it is set again"
            await self._tell(names, EventReason.PASSWORD_ALTERED, message, warning=True)
        if is_made and is_told:
            await self._end_tokens(names, user, credential)
        return is_told

    def _is_made(self, user: str) -> bool:
        item = self.inventory.user(user)
        return item is not None and item.stage is Stage.MADE

    async def _keep(self, names: AgentNames, user: _User, rotation: str) -> KeptUsers:
        """Keep one user and its Secret, and return a hash of what the pod mounts."""
        beside = passwords_beside(user.credential.mechanism, user.mechanisms) if user.credential else frozenset()
        credential = user.credential
        if credential is None:
            credential = self._new_credential(rotation)
        elif user.ownership is Ownership.OURS and not beside:
            credential = await self._rotated(names, user, credential, rotation)
        data = build_secret(user.name, credential, self.bootstrap_servers)
        is_told = user.is_told and user.credential is not None and credential.password == user.credential.password
        if not is_told:
            self.tries.forget(user.name)  # wherever this ends, the next pass tries it
        # The Secret first: what Kafka is told, and nobody remembers, cannot be told from a stranger's.
        await self.cluster.apply_secret(names.namespace, user.secret, data)
        if not is_told:
            await self.users.upsert(user.name, credential.password, credential.mechanism)
            if _is_deleted(user):
                self.deletions.note(user.name)
            if user.mechanisms:
                await self._until_let_in(user.name, credential)
            self.tries.note(user.name)
            if user.ownership is Ownership.NEW:  # one of this name that was before may have left some
                await self._end_tokens(names, user.name, credential)
            beside = user.mechanisms - {credential.mechanism}
        hashed = sha256_hex(data[CLIENT_PROPERTIES_FILE].encode())
        return KeptUsers(hashed, {user.name: beside} if beside else {})

    async def _rotated(self, names: AgentNames, user: _User, credential: Credential, rotation: str) -> Credential:
        """Return the password that a user is to have: another one where that is due."""
        now = self.now()
        why = rotation_due(credential, rotation, user=user.name, longest=self.longest, now=now)
        if not why:
            counts = self.longest is None or is_age_known(credential, now)
            return credential if counts else replace(credential, since=format_time(now))
        mechanism = other_mechanism(credential.mechanism)
        how = f"by {mechanism}; the one before is valid until no pod goes by it"
        try:
            offered = await self.logins.offers(user.name, mechanism)
        except InvalidSpecError as error:
            # Else nobody could tell whether pods get in before they are replaced.
            message = f"the user {user.name} keeps its password, though another one is due ({why}): {error}"
            await self._tell(names, EventReason.CREDENTIALS_ROTATION_REFUSED, message, warning=True)
            return credential
        if not offered:
            how = (
                f"in place, as Kafka takes no logins by {mechanism}: pods of before keep their connections, and open "
                "no new ones until they are replaced"
            )
            mechanism = credential.mechanism
        message = f"the user {user.name} gets a new password ({why}), {how}"
        await self._tell(names, EventReason.CREDENTIALS_ROTATION_BEGUN, message)
        return self._new_credential(rotation or credential.request, mechanism)

    def _new_credential(self, rotation: str, mechanism: str = SCRAM_SHA_512) -> Credential:
        return Credential(secrets.token_urlsafe(PASSWORD_BYTES), mechanism, rotation, format_time(self.now()))

    async def _until_let_in(self, user: str, credential: Credential) -> None:
        """Replace no pod before a broker takes the password.

        Raises:
            KafkaUnavailableError: none does.
        """
        deadline_s = self.tries.clock_s() + _KNOWN_WITHIN_S
        while not await self._lets_in(user, credential):
            if self.tries.clock_s() > deadline_s:
                why = f"Kafka took a new password of the user {user}, and does not let it in by that"
                raise KafkaUnavailableError(f"{why} after {_KNOWN_WITHIN_S:g} s: no pod is replaced for it")
            await asyncio.sleep(_PAUSE_S)

    async def _end_tokens(self, names: AgentNames, user: str, credential: Credential) -> None:
        """End the delegation tokens of a user of ours: we make none, and each lets in as the password does."""
        try:
            ended = await self.logins.end_tokens(user, credential.password, credential.mechanism)
        except (InvalidSpecError, UnavailableError) as error:
            _log.warning("delegation tokens could not be looked at", user=user, error=str(error))
            return
        if ended:
            message = (
                f"the user {user} had {ended} delegation tokens, by which somebody could act as it: they are ended"
            )
            await self._tell(names, EventReason.DELEGATION_TOKENS_ENDED, message, warning=True)

    async def _end_tokens_of_gone(self, names: AgentNames, user: str) -> None:
        """End those of an agent that goes: they would let in who has one when an agent of its name is made again."""
        try:
            secret = await self.cluster.read_secret(names.namespace, _wanted(names)[user])
        except OperatorError as error:  # the right to may be gone with the namespace
            _log.warning("delegation tokens could not be looked at", user=user, error=str(error))
            return
        if (credential := find_credential(secret, user)) is not None:
            await self._end_tokens(names, user, credential)

    async def _lets_in(self, user: str, credential: Credential) -> bool:
        try:
            return await self.logins.check(user, credential.password, credential.mechanism)
        except InvalidSpecError as error:  # the operator logs in by other means, and cannot try passwords
            _log.warning("a user's password could not be tried: taken for right", user=user, error=str(error))
            return True

    async def _tell(self, names: AgentNames, reason: str, message: str, *, warning: bool = False) -> None:
        _log.info("credentials", namespace=names.namespace, agent=names.agent, reason=reason, detail=message)
        key = Key("AgentDeployment", names.namespace, names.agent)
        await self.cluster.record_event(key, reason=reason, message=message, warning=warning)


def _is_deleted(user: _User) -> bool:
    return user.ownership is Ownership.OURS and not user.mechanisms


def _wanted(names: AgentNames) -> dict[str, str]:
    """Return the agent's users, each with the name of its Secret."""
    return {
        names.agent_principal: agent_secret_name(names.agent),
        names.gate_principal: gate_secret_name(names.agent),
    }


def _item(names: AgentNames, owner_uid: str, user: _User, stage: Stage) -> UserItem:
    return UserItem(user=user.name, namespace=names.namespace, agent=names.agent, owner_uid=owner_uid, stage=stage)


def _not_ours(users: Collection[str]) -> str:
    return (
        f"Kafka has the users {', '.join(users)}, and this installation has not made them: they are left as they are, "
        "and no pod runs. If they are nobody's, delete them; if an earlier start of this installation made them, put "
        "their Secrets back"
    )
