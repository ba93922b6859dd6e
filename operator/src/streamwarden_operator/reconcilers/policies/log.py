"""Keeps a namespace's policy log: reads it, plans, signs, publishes; no admin call delays an edit."""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Protocol

import structlog
from streamwarden_contract.acks import proven_epoch
from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.policylog import EpochRecord, PolicyRecord, Signer, Verifier
from streamwarden_contract.reasons import EventReason

from streamwarden_operator.desired.management import is_held
from streamwarden_operator.errors import InvalidSpecError, OperatorError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.log_plan import LogPlan
from streamwarden_operator.plans.log_state import LogState, abandoned_epochs, claimed_epochs, go_on_above, verify_log
from streamwarden_operator.plans.publication import SignedLog, Wishes, plan_publication
from streamwarden_operator.plans.rollout import bound_agents, live_gates
from streamwarden_operator.ports import Cluster, GateAcks, PolicyLog, SignedRecord
from streamwarden_operator.reconcilers.policies.log_store import LogStore, Publication, PublishedLog, note_cause
from streamwarden_operator.result import DONE, GONE, Result

_log = structlog.get_logger(__name__)
_STAYS_BACK_S = 600.0
"""For how long a log stays as older gates read it, once one has said so."""
_MOST_SHOWN = 20
"""Keys of what was published that a line of the log names."""


class Keys(Verifier, Protocol):
    """Signs, and knows its own signature again."""

    @property
    def signer(self) -> Signer:
        """What signs now; it stays the same key, whichever signs later."""
        ...

    @property
    def abandoned(self) -> frozenset[str]:
        """Ids of lost keys without which people have begun anew."""
        ...


class PolicyLogReconciler:
    """One namespace at a time; the namespace ``streamwarden`` has the guardrail topic."""

    def __init__(
        self,
        cluster: Cluster,
        log: PolicyLog,
        acks: GateAcks,
        logs: LogStore,
        *,
        keys: Keys,
        published: Callable[[str, PublishedLog | None, PublishedLog], None],
        unread: Callable[[str], None],
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            log: the policy topics.
            acks: what gates report.
            logs: what agents want, and what is published.
            keys: the signing key and the public ones that are valid.
            published: called with the namespace, what was published before (None: nothing is known), and what is now.
            unread: called with a namespace of whose log nothing is known, once it could not be read for a reason.
        """
        self._cluster = cluster
        self._topics = log
        self._acks = acks
        self._logs = logs
        self._keys = keys
        self._published = published
        self._unread = unread

    async def reconcile(self, key: Key) -> Result:
        """Bring the namespace's log to what the resources say.

        Raises:
            UnavailableError: nothing is known to be written; the next attempt reads the log again.
        """
        namespace = key.namespace
        if namespace not in self._logs.topics_ready:
            return DONE  # the namespace's topics come first, and wake this key
        before = self._logs.published.get(namespace)
        try:
            published = await self._bring(namespace)
        except OperatorError as error:
            if before is None:
                if note_cause(self._logs.unread, namespace, error):
                    self._unread(namespace)
            elif str(before.outage) != str(error):
                self._note_published(namespace, before, replace(before, outage=error))
            raise
        self._note_published(namespace, before, published)
        return DONE if self._concerns_anybody(namespace, published.state) else GONE

    def _concerns_anybody(self, namespace: str, state: LogState) -> bool:
        """Tell whether gates go by the log, or may soon; it is read again with whatever comes into the namespace."""
        if namespace == SYSTEM or not self._logs.complete or state.bindings or state.policies:
            return True
        exists = any(self._cluster.list(kind, namespace) for kind in (AgentDeployment, Policy))
        return exists or any(key.namespace == namespace for key in self._cluster.unreadable())

    def _note_published(self, namespace: str, before: PublishedLog | None, after: PublishedLog) -> None:
        self._logs.published[namespace] = after
        self._logs.unread.pop(namespace, None)
        self._published(namespace, before, after)

    async def _bring(self, namespace: str) -> PublishedLog:
        topic = self._logs.topic_of(namespace)
        records = await self._topics.read(topic)
        cluster_id = self._topics.cluster_id
        before = self._logs.published.get(namespace)
        known = before.state if before else None
        # What goes over all agents is done beside the event loop: of a thousand each step takes tenths of a second.
        read = partial(verify_log, records, topic=topic, cluster_id=cluster_id, verifier=self._keys, known=known)
        state = await asyncio.to_thread(read)
        await self._report_refused(namespace, state)
        state = self._go_on_above(namespace, state, records)
        wishes = await self._wishes(namespace, state)
        acks = self._acks.of_namespace(namespace) if self._acks.complete(namespace) else None
        place = SignedLog(namespace, topic, cluster_id, self._logs.installation.installation, self._keys.signer)
        went_back = time.monotonic() - self._logs.went_back.get(namespace, -math.inf) < _STAYS_BACK_S
        planned = await asyncio.to_thread(plan_publication, place, wishes, state, acks, went_back=went_back)
        plan = planned.plan
        if plan:
            await self._topics.publish(topic, planned.signed)
            _log.info(
                "policy log published",
                topic=topic,
                epoch=plan.records[-1].epoch,
                records=_some(record.key for record in plan.records),
                tombstones=_some(key.decode(errors="replace") for key in plan.tombstones),
            )
            self._note(namespace, plan, planned.state)
            if state.index is not None and planned.state.index is None and planned.state.bindings:
                self._logs.went_back[namespace] = time.monotonic()
        return PublishedLog(
            planned.state, plan.withheld, planned.held_back, planned.refused, planned.spending, place.signer.key_id
        )

    def _go_on_above(self, namespace: str, state: LogState, records: Mapping[bytes, SignedRecord]) -> LogState:
        """Return the state as it is for a publisher: what gates have seen is used up, also where the log lost it."""
        used = abandoned_epochs(records, self._keys.abandoned)
        above = go_on_above(
            state, [*used, *self._seen_by_gates(namespace, state.epoch)], epoch=self._logs.seen.get(namespace, 0)
        )
        if above is not state:
            topic = self._logs.topic_of(namespace)
            _log.error(
                "policy log lost or rolled back: going on above", topic=topic, log=state.epoch, gates=above.epoch
            )
        return above

    def _seen_by_gates(self, namespace: str, beyond: int) -> list[EpochRecord]:
        """Return later epochs that gates have in force: by a signature of ours, or by that of a key that was lost."""
        topic, cluster_id = self._logs.topic_of(namespace), self._topics.cluster_id
        where = self._logs.topics_ready if namespace == SYSTEM else (namespace,)
        acks = [ack for each in where for ack in self._acks.of_namespace(each) if ack.epochs]
        if namespace == SYSTEM:
            echoes = {ack.epochs.guardrail for ack in acks if ack.epochs and ack.guardrail_epoch > beyond}
        else:
            echoes = {ack.epochs.namespace for ack in acks if ack.epochs and ack.namespace_epoch > beyond}
        found: list[EpochRecord] = []
        for echo in filter(None, echoes):
            if echo.key_id in self._keys.abandoned:
                found += claimed_epochs(echo.value.encode("utf-8", "surrogatepass"))
            elif record := proven_epoch(echo, topic=topic, cluster_id=cluster_id, verifier=self._keys):
                found.append(record)
        return found

    async def _wishes(self, namespace: str, state: LogState) -> Wishes:
        """Gather what is wanted of the log; it stays as it is while others change what they want."""
        if namespace == SYSTEM:
            return Wishes()
        every = self._cluster.list(Policy, namespace)
        unreadable = {key: it for key, it in self._cluster.unreadable().items() if key.namespace == namespace}
        _check_all_known(unreadable, every)
        held = {policy.metadata.name for policy in every if is_held(policy.metadata)}
        # What is in force of a held one stays, as of a refused one; it is not heard of before.
        left_out = {name for name in held if not _was_published(namespace, name, state)}
        policies = [
            await self._logs.params.effective(policy, self._cluster.config_map)
            for policy in every
            if policy.metadata.name not in left_out
        ]
        return Wishes(
            policies,
            held,
            tuple(self._cluster.list(AgentDeployment, namespace)),
            self._logs.bindings_of(namespace),
            self._logs.released_in(namespace),
            [it.metadata for key, it in unreadable.items() if key.kind == "AgentDeployment"],
        )

    def _note(self, namespace: str, plan: LogPlan, state: LogState) -> None:
        """Remember when each policy was published, to tell how long it took to be in force everywhere."""
        now_s = time.monotonic()
        acks = self._acks.of_namespace(namespace)
        for record in plan.records:
            if isinstance(record, PolicyRecord):
                gates = live_gates(acks, bound_agents(state, record))
                self._logs.publications[namespace, record.name] = Publication(record.revision, now_s, bool(gates))

    async def _report_refused(self, namespace: str, state: LogState) -> None:
        for key, why in state.refused.items():
            name = key.decode("utf-8", errors="replace")
            _log.error("policy log record not verified", namespace=namespace, record=name, cause=why)
            await self._cluster.record_event(
                Key("PolicyLog", namespace),
                reason=EventReason.RECORD_NOT_BELIEVED,
                message=f"{name}: {why}. It is written over; find out who may write this topic",
                warning=True,
            )


def _some(keys: Iterable[str]) -> list[str]:
    """Return the first keys, and how many more there are: an edit writes anew what binds each agent."""
    first, rest = list(islice(iterator := iter(keys), _MOST_SHOWN)), sum(1 for _ in iterator)
    return [*first, f"and {rest} more"] if rest else first


def _check_all_known(unreadable: Collection[Key], policies: Sequence[Policy]) -> None:
    """Refuse to go on without a policy that exists: to leave it out could permit what it denies.

    Raises:
        InvalidSpecError: names the policies.
    """
    unknown = {key.name for key in unreadable if key.kind == "Policy"} - {policy.metadata.name for policy in policies}
    if unknown:
        raise InvalidSpecError(
            f"the policies {', '.join(sorted(unknown))} cannot be read by this version of the operator: until they are "
            "mended or deleted nothing is published, and what is in force stays"
        )


def _was_published(namespace: str, policy: str, state: LogState) -> bool:
    """Tell whether a policy was on the log, also where somebody took it away: a binding names it."""
    is_there = policy in state.policies or f"policy/{policy}".encode() in state.refused
    return is_there or policy in state.lost or (namespace, policy) in state.bound
