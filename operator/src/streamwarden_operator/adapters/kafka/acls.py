"""The ACLs of one Kafka cluster."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from time import monotonic

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs do not export them
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.batching import Batcher
from streamwarden_kafka.wire.acls import NumberedAcl, delete_acl, list_acls

from streamwarden_operator.adapters.kafka.acl_book import AclBook
from streamwarden_operator.adapters.kafka.errors import translated
from streamwarden_operator.adapters.kafka.unnamed_acls import UNKNOWN, is_unnamed, named, numbered
from streamwarden_operator.ports import Acl, AclPlan

_CLIENT_ID = "streamwarden-operator-acls"
_BATCH = 1000
"""ACLs of one request; the broker took 15,000 of them in 0.8 s this way."""

_LATELY_S = 5.0
"""How old a listing may be before something is given by it for the first time: those who come up together share one."""

_TYPES = {each.value: each.name for each in ResourceType} | {ResourceType.BROKER.value: "CLUSTER"}
"""Kafka's numbers; librdkafka has another name for what Kafka calls the cluster."""
_OPERATIONS = {each.value: each.name for each in AclOperation}

_Answers = Mapping[Acl, object]
"""By ACL: a ``KafkaException`` where it was refused."""


class KafkaAcls:
    """Implements ``ports.Acls``; what is asked at the same time shares requests."""

    def __init__(self, admin: KafkaAdmin, *, longest_s: float = 0.0, clock_s: Callable[[], float] = monotonic) -> None:
        """Make one; nothing is listed before somebody asks.

        Args:
            admin: sends the requests.
            longest_s: how long a listing is good for. 0: each question is a listing.
            clock_s: tells seconds.
        """
        self._admin = admin
        self._wire = admin.wire(_CLIENT_ID)
        self._longest_s = longest_s
        self._clock_s = clock_s
        self._book = AclBook()
        self._listings: Batcher[Acl, None] = Batcher(lambda _: self._list_all())
        self._removals: Batcher[Acl, _Answers] = Batcher(self._remove)
        self._additions: Batcher[Acl, _Answers] = Batcher(self._add)

    async def observe(self, *, lately: bool = False) -> AbstractSet[Acl]:
        """Return every ACL of the cluster, by the last listing where it is young enough, and what was applied since."""
        longest_s = min(self._longest_s, _LATELY_S) if lately else self._longest_s
        if not self._book.is_younger_than(longest_s, self._clock_s()):
            await self._look()
        return self._book.acls

    async def look_again(self) -> frozenset[Acl]:
        """List them, and return what others have changed since the last call."""
        if self._book.is_empty:
            return frozenset()
        await self._look()
        return self._book.take_news()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._wire.close()

    async def _look(self) -> None:
        with translated("list the ACLs"):
            await self._listings.get(())

    async def apply(self, plan: AclPlan) -> None:
        """Take away, then give, and return once the broker shows it.

        The first refusal is raised after every item of its request has an answer.
        """
        with self._book.changing(plan):
            await self._apply(plan)

    async def _apply(self, plan: AclPlan) -> None:
        for doing, requests, acls in (
            ("remove", self._removals, plan.remove),
            ("add", self._additions, plan.add),
        ):
            if acls:
                with translated(f"{doing} {len(acls)} ACLs"):
                    _raise_first(acls, await requests.get(acls))

        principals = {acl.principal for acl in plan.remove | plan.add}

        async def shown() -> bool:
            # Not all ACLs: of a thousand agents these are tens of thousands.
            lists = await asyncio.gather(*(self._list(one) for one in principals))
            found = frozenset[Acl]().union(*lists)
            return plan.add <= found and not (plan.remove - plan.add) & found

        if plan:
            with translated("list the ACLs"):
                await self._admin.until(shown, f"change of {len(plan.remove | plan.add)} ACLs")

    async def _list_all(self) -> None:
        begun_s = self._clock_s()
        with self._book.listing() as listed:
            listed(await self._list(), begun_s)

    async def _list(self, principal: str | None = None) -> frozenset[Acl]:
        return await list_acls(self._wire, _read, principal)

    async def _remove(self, acls: Collection[Acl]) -> _Answers:
        unnamed = frozenset(filter(is_unnamed, acls))
        answers: dict[Acl, object] = dict.fromkeys(unnamed)
        if unnamed:
            await self._remove_unnamed(unnamed)
        for batch in _batches(frozenset(acls) - unnamed):
            filters = [AclBindingFilter(*_write(acl)) for acl in batch]
            settled = await self._admin.settle(
                self._admin.writer.delete_acls(filters, request_timeout=self._admin.timeout_s)
            )
            answers.update(zip(batch, (settled[wanted] for wanted in filters), strict=True))
        return answers

    async def _remove_unnamed(self, acls: Collection[Acl]) -> None:
        self._admin.guard()
        for acl in acls:
            for each in numbered(acl):
                await delete_acl(self._wire, each)

    async def _add(self, acls: Collection[Acl]) -> _Answers:
        answers: dict[Acl, object] = {}
        for batch in _batches(acls):
            bindings = [AclBinding(*_write(acl)) for acl in batch]
            settled = await self._admin.settle(
                self._admin.writer.create_acls(bindings, request_timeout=self._admin.timeout_s)
            )
            answers.update(zip(batch, (settled[binding] for binding in bindings), strict=True))
        return answers


def _raise_first(acls: Iterable[Acl], answers: _Answers) -> None:
    for acl in sorted(acls):
        answer = answers[acl]
        if isinstance(answer, KafkaException):
            raise answer


def _read(found: NumberedAcl) -> Acl:
    told, doing = _TYPES.get(found.resource_type, UNKNOWN), _OPERATIONS.get(found.operation, UNKNOWN)
    resource_type, operation = named(told, found.resource_name, doing)
    return Acl(
        principal=found.principal,
        resource_type=resource_type,
        resource_name=found.resource_name,
        operation=operation,
        pattern_type=ResourcePatternType(found.pattern_type).name,
        host=found.host,
        denied=found.permission == AclPermissionType.DENY.value,
    )


def _write(
    acl: Acl,
) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
    return (
        ResourceType.BROKER if acl.resource_type == "CLUSTER" else ResourceType[acl.resource_type],
        acl.resource_name,
        ResourcePatternType[acl.pattern_type],
        acl.principal,
        acl.host,
        AclOperation[acl.operation],
        AclPermissionType.DENY if acl.denied else AclPermissionType.ALLOW,
    )


def _batches(acls: Iterable[Acl]) -> Iterator[Sequence[Acl]]:
    ordered = sorted(acls)
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]
