"""The ACLs of principals outside Streamwarden."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from streamwarden_contract.models import TopicContract
from streamwarden_contract.names import InstallationNames

from streamwarden_operator.desired.acls import access_acls, format_acl, recorded_acls
from streamwarden_operator.desired.checks.contracts import (
    ACCESS,
    ACCESS_READY,
    AccessState,
    Part,
    is_settled,
    judge_part,
)
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.plans.acls import plan_acls
from streamwarden_operator.ports import Acl, Acls

Record = Callable[[tuple[str, ...]], Awaitable[None]]
"""Writes ``status.access``."""


@dataclass(frozen=True, slots=True)
class AccessPart:
    """The ACLs of ``spec.access``: of those recorded in ``status.access`` such as a contract gives are taken back."""

    acls: Acls
    others: Collection[TopicContract]
    """Contracts beside this one that are not being deleted: some ACLs of an outside principal serve several."""
    installation: InstallationNames
    given_elsewhere: frozenset[Acl] = frozenset()
    """By contracts that cannot be read."""

    async def reconcile(self, contract: TopicContract, record: Record) -> tuple[Part, tuple[str, ...]]:
        """Make the ACLs match, and return what became of them, and what is now recorded.

        What will be given is recorded before it is given: a crash in between must not leave an ACL that nobody
        takes back.
        """
        desired = self._access_of(contract)
        recorded = self._recorded(contract)
        settled = is_settled(contract, ACCESS_READY)
        if not desired and not recorded:
            return judge_part(ACCESS_READY, ACCESS, AccessState(settled=settled, wanted=False)), ()
        either = _record_of(desired | recorded)
        try:
            observed = await self.acls.observe(lately=not settled)
            plan = plan_acls(desired, observed, self._ours(recorded - desired))
            if plan.add and set(either) != set(contract.status.access):
                await record(either)
            if plan:
                await self.acls.apply(plan)
        except OperatorError as error:
            return judge_part(ACCESS_READY, ACCESS, AccessState(settled=settled, error=error)), either
        given = ", ".join(format_acl(acl) for acl in sorted(plan.add))
        return judge_part(ACCESS_READY, ACCESS, AccessState(settled=settled, changes=given)), _record_of(desired)

    async def revoke(self, contract: TopicContract) -> None:
        """Take back everything that is recorded and that no other contract gives."""
        recorded = self._recorded(contract)
        if not recorded:
            return
        plan = plan_acls(frozenset(), await self.acls.observe(lately=True), self._ours(recorded))
        if plan:
            await self.acls.apply(plan)

    def _access_of(self, contract: TopicContract) -> frozenset[Acl]:
        return access_acls(self.installation, contract.spec.topic_name, contract.spec.access)

    def _recorded(self, contract: TopicContract) -> frozenset[Acl]:
        return recorded_acls(self.installation, contract.spec.topic_name, contract.status.access)

    def _ours(self, leaving: frozenset[Acl]) -> frozenset[Acl]:
        """Return those that no other contract gives."""
        if not leaving:
            return leaving
        wanted = {acl for other in self.others for acl in self._access_of(other)}
        return leaving - wanted - self.given_elsewhere


def _record_of(acls: Collection[Acl]) -> tuple[str, ...]:
    return tuple(sorted(format_acl(acl) for acl in acls))
