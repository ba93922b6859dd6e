"""The users of an agent and its gate, and their Secrets: made only where nobody else has made them."""

import math
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.inventory import Stage, UserItem
from streamwarden_contract.names import AgentNames
from streamwarden_contract.reasons import ConditionReason
from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE
from streamwarden_kafka.redaction import Secret

from streamwarden_operator.desired.credentials import (
    PASSWORD_BYTES,
    agent_secret_name,
    build_secret,
    find_password,
    gate_secret_name,
)
from streamwarden_operator.errors import NotReadyError, OperatorError
from streamwarden_operator.plans.inventory import Ownership, own_user
from streamwarden_operator.ports import Cluster, Logins, ScramUsers
from streamwarden_operator.reconcilers.inventory import Inventory

_log = structlog.get_logger(__name__)

_TRY_AGAIN_S = 60.0
"""A login takes some milliseconds of CPU, of broker and operator, and a new agent is looked at several times."""


@dataclass(frozen=True, slots=True)
class _User:
    """One of the two, as found."""

    name: str
    secret: str
    """Name of its Secret."""
    password: str | None
    """As the Secret has it."""
    ownership: Ownership
    is_told: bool
    """Whether Kafka has the Secret's password: it was tried, or it has been so lately."""


@dataclass(frozen=True, slots=True)
class AgentUsers:
    """Makes them and takes them back; what it does not own, it leaves alone."""

    cluster: Cluster
    users: ScramUsers
    logins: Logins
    inventory: Inventory
    bootstrap_servers: str
    """As the pods reach Kafka."""
    clock_s: Callable[[], float] = time.monotonic
    tried: dict[str, float] = field(default_factory=dict, repr=False)
    """By user: when its password was told to Kafka or tried last, in the clock's seconds."""

    async def keep(
        self, names: AgentNames, owner_uid: str, *, granted: Collection[str] = (), doubted: bool = False
    ) -> str:
        """Make what is missing, put right what was altered, and return a hash of what the pods mount.

        Each user's password is tried once by each process, and again now and then while it is doubted.

        The order is: intent, Secret, user, inventory. Wherever that ends, the next pass tells by the Secret's own login
        whether the user is ours.

        Args:
            names: the agent's.
            owner_uid: of its AgentDeployment.
            granted: users that have ACLs: one may log in by another mechanism, and is then no SCRAM user.
            doubted: whether pods cannot work, for which a wrong password may be the reason.

        Raises:
            NotReadyError: ``ResourceConflict``, a user is somebody else's; neither it nor anything of this agent's is
                changed.
        """
        found = await self._find(names, granted, _TRY_AGAIN_S if doubted else math.inf)
        foreign = [user.name for user in found if user.ownership is Ownership.FOREIGN]
        if foreign:
            raise NotReadyError(_not_ours(foreign), reason=ConditionReason.RESOURCE_CONFLICT)
        new = [user for user in found if user.ownership is Ownership.NEW]
        await self.inventory.note([_item(names, owner_uid, user, Stage.INTENT) for user in new])
        hashes = [await self._keep(names, user) for user in found]
        await self.inventory.note([_item(names, owner_uid, user, Stage.MADE) for user in found])
        return sha256_hex("".join(hashes).encode())

    async def owned(self, names: AgentNames) -> tuple[str, ...]:
        """Return those of the agent's users that are ours; also where Kafka has them no more.

        Where the inventory says so no Secret is read: in a namespace that is being deleted the right to may be gone.
        """
        await self.inventory.open()
        existing = await self.users.observe()
        unsettled = [user for user in _wanted(names) if user in existing and not self._is_made(user)]
        found = await self._find(names) if unsettled else []
        opened = {user.name for user in found if user.ownership is Ownership.OURS}
        known = {user for user in _wanted(names) if self.inventory.user(user) is not None and user not in unsettled}
        return tuple(user for user in _wanted(names) if user in opened | known)

    async def take(self, names: AgentNames, owned: Collection[str]) -> None:
        """Take back the users that are ours, and both Secrets; what is gone already is success."""
        existing = await self.users.observe()
        for user in owned:
            if user in existing:
                await self.users.delete(user)
            self.tried.pop(user, None)
        for left in sorted({names.agent_principal, names.gate_principal} & existing - set(owned)):
            _log.warning("a user of this name is not ours: left as it is", user=left)
        for secret in (agent_secret_name(names.agent), gate_secret_name(names.agent)):
            await self.cluster.delete_secret(names.namespace, secret)

    async def forget(self, owned: Collection[str]) -> None:
        """Take users out of the inventory: they are gone, and so is all that went with them."""
        await self.inventory.forget([item for user in owned if (item := self.inventory.user(user)) is not None])

    async def _find(self, names: AgentNames, granted: Collection[str] = (), again_s: float = math.inf) -> list[_User]:
        await self.inventory.open()
        existing = await self.users.observe()
        found = []
        for user, secret in _wanted(names).items():
            password = find_password(await self.cluster.read_secret(names.namespace, secret), user)
            is_told = user in existing and password is not None and await self._is_told(user, password, again_s)
            exists = user in existing or user in granted
            ownership = own_user(self.inventory.user(user), exists=exists, logs_in=is_told)
            found.append(_User(user, secret, password, ownership, is_told))
        return found

    async def _is_told(self, user: str, password: str, again_s: float) -> bool:
        """Tell whether Kafka has this password of a user; of one that is ours it is tried now and then."""
        is_made = self._is_made(user)
        if is_made and not self._is_due(user, again_s):
            return True
        self.tried[user] = self.clock_s()
        try:
            is_told = await self.logins.check(user, password)
        except OperatorError as error:
            if not is_made:
                raise
            _log.warning("a user's password could not be tried: taken for right", user=user, error=str(error))
            return True
        if is_made and not is_told:
            _log.warning("a user's password is not that of its Secret: it is set again", user=user)
        return is_told

    def _is_made(self, user: str) -> bool:
        item = self.inventory.user(user)
        return item is not None and item.stage is Stage.MADE

    def _is_due(self, user: str, again_s: float) -> bool:
        last = self.tried.get(user)
        return last is None or self.clock_s() - last > again_s

    async def _keep(self, names: AgentNames, user: _User) -> str:
        """Keep one user and its Secret, and return a hash of what the pod mounts."""
        password = Secret(user.password or secrets.token_urlsafe(PASSWORD_BYTES))
        data: Mapping[str, str] = build_secret(user.name, password, self.bootstrap_servers)
        # The Secret first: what Kafka is told, and nobody remembers, cannot be told from a stranger's.
        await self.cluster.apply_secret(names.namespace, user.secret, data)
        if not user.is_told:
            await self.users.upsert(user.name, password)
            self.tried[user.name] = self.clock_s()
        return sha256_hex(data[CLIENT_PROPERTIES_FILE].encode())


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
