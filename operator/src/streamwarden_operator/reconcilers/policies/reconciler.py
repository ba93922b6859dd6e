"""Reports where a policy stands. It writes nothing but the status: publishing is the policy log's business."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from streamwarden_contract.models import AgentDeployment, Condition, Policy
from streamwarden_contract.models.policy import FailingRule, PolicyRef, PolicyStatus, Rollout
from streamwarden_contract.policylog import PolicyRecord, spec_digest
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.clock import utc_now
from streamwarden_operator.desired import status as conditions
from streamwarden_operator.desired.acceptance import ACCEPTED, accept_policy
from streamwarden_operator.desired.checks.agents import is_asleep
from streamwarden_operator.desired.checks.chain import decide
from streamwarden_operator.desired.checks.policies import (
    ACCEPTANCE,
    FAILING,
    PUBLICATION,
    PUBLISHED,
    ROLLED_OUT,
    ROLLOUT,
    RULES_FAILING,
    Acceptance,
    Publishing,
    RolloutState,
    status_of_unread,
)
from streamwarden_operator.desired.management import held_status, is_held
from streamwarden_operator.desired.policy_params import EffectivePolicy, with_source
from streamwarden_operator.desired.rule_checks import RuleChecks
from streamwarden_operator.desired.runnable_rules import rules_that_cannot_run
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.failing_rules import Failing, Said, said_to_fail, still_failing
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.publication import checks_of
from streamwarden_operator.plans.rollout import observe_rollout
from streamwarden_operator.ports import Cluster, GateAcks
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.result import DONE, GONE, Result

_WORTH_AN_EVENT = frozenset(
    reason.value
    for reason in (
        ConditionReason.UNTYPED_RULES,
        ConditionReason.POLICY_NOT_APPLICABLE,
        ConditionReason.REF_NOT_FOUND,
    )
)
OnRollout = Callable[[str, str, int, int, int, float], None]
"""Namespace, policy, revision, gates, of them updated, milliseconds from publication to the last gate's ack."""


class PolicyReconciler:
    """One policy at a time, from memory alone: an ack becomes a status at once, of many gates within half a second."""

    def __init__(
        self,
        cluster: Cluster,
        acks: GateAcks,
        logs: LogStore,
        *,
        on_rollout: OnRollout,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            acks: what gates report.
            logs: what is published.
            on_rollout: called once when a revision is in force in every gate that it binds.
            clock: the time for conditions.
        """
        self._cluster = cluster
        self._acks = acks
        self._logs = logs
        self._on_rollout = on_rollout
        self._clock = clock
        self._failing: dict[tuple[str, str], Failing] = {}
        """By namespace and policy: of the revision in force."""

    async def reconcile(self, key: Key) -> Result:
        """Write the policy's status."""
        policy = self._cluster.get(Policy, key.namespace, key.name)
        if policy is None:
            self._failing.pop((key.namespace, key.name), None)
            self._logs.publications.pop((key.namespace, key.name), None)
            self._logs.params.forget(key.namespace, key.name)
            return GONE
        if self._is_told_already(policy):  # woken once its log has been read, or cannot be
            status = status_of_unread(policy.status, self._logs.why_not_begun(key.namespace), now=self._clock())
            if status != policy.status:
                await self._cluster.write_status(policy, status)
            return DONE  # nothing waits for these words: the log's next try comes in its own time
        if is_held(policy.metadata):
            self._failing.pop((key.namespace, key.name), None)
            status = held_status(policy.metadata, policy.status, now=self._clock())
        else:
            status = self._status(policy, await self._logs.params.effective(policy, self._cluster.config_map))
        if status != policy.status:
            await self._cluster.write_status(policy, status)
            await self._warn(key, policy.status, status)
        wait = self._failing.get((key.namespace, key.name), Failing()).forgets_after(self._clock())
        return Result(
            requeue_after_s=None if wait is None else wait.total_seconds(), status_changed=status != policy.status
        )

    def _is_told_already(self, policy: Policy) -> bool:
        """Tell whether nothing is known yet but what the status has: of an earlier process, which had read the log."""
        namespace, generation = policy.metadata.namespace, policy.metadata.generation
        unread = namespace not in self._logs.published and namespace not in self._logs.taken
        return unread and policy.status.observed_generation == generation and not is_held(policy.metadata)

    async def _warn(self, key: Key, before: PolicyStatus, now: PolicyStatus) -> None:
        """Make an Event of what holds and is hardly meant, or fails: nobody looks at a condition that holds."""
        await self._warn_of_failing(key, before, now)
        found = conditions.find_condition(now.conditions, ACCEPTED)
        known = conditions.find_condition(before.conditions, ACCEPTED)
        if found is None or found.reason not in _WORTH_AN_EVENT:
            return
        if known is None or (known.reason, known.message) != (found.reason, found.message):
            await self._cluster.record_event(key, reason=found.reason, message=found.message, warning=True)

    async def _warn_of_failing(self, key: Key, before: PolicyStatus, now: PolicyStatus) -> None:
        """Make an Event of each rule that begins to fail. Counts are the condition's: they would be a new one each."""
        known = {rule.name for rule in before.failing_rules if before.revision == now.revision}
        for rule in now.failing_rules:
            if rule.name not in known:
                message = f"rule {rule.name!r} of revision {now.revision} fails for some decisions: {rule.message}"
                await self._cluster.record_event(key, reason=ConditionReason.RULE_ERROR, message=message, warning=True)

    def _status(self, policy: Policy, effective: EffectivePolicy) -> PolicyStatus:
        namespace, name = policy.metadata.namespace, policy.metadata.name
        log = self._logs.published.get(namespace)
        known = log.state if log else LogState()
        wanted, acceptance = self._judge(policy, effective, known)
        accepted = decide(ACCEPTED, ACCEPTANCE, acceptance)
        record = self._logs.policy(namespace, name)
        new = [accepted, self._published(wanted, record, refused=bool(acceptance.refusals))]
        failing: tuple[FailingRule, ...] = ()
        revision, digest, rollout = policy.status.revision, policy.status.digest, policy.status.rollout
        known_to_fail = self._failing.pop((namespace, name), Failing())  # noted again where a rule still is
        if record is None:
            new.append(conditions.pending(ROLLED_OUT, "nothing is published yet"))
            failing = () if log else policy.status.failing_rules
        else:
            state = self._logs.published[namespace].state
            acks = self._acks.of_namespace(namespace)
            ref = PolicyRef(namespace=namespace, name=name, revision=record.revision)
            found = observe_rollout(
                state,
                acks,
                policy=ref,
                is_asleep=partial(self._is_asleep, namespace),
                settled=_is_settled(policy, record.revision),
            )
            rollout = self._rollout(policy, record, found)
            revision, digest = record.revision, record.digest
            new.append(decide(ROLLED_OUT, ROLLOUT, found))
            failing = self._rules_that_fail(policy, ref, known_to_fail, said_to_fail(state, acks, ref))
        generation = policy.metadata.generation
        besides = [decide(RULES_FAILING, FAILING, failing)] if failing else []
        stamped = conditions.build_conditions(
            policy.status.conditions,
            [*new, *besides, conditions.summarize(new)],
            generation=generation,
            now=self._clock(),
        )
        return PolicyStatus(
            observed_generation=generation,
            conditions=stamped,
            revision=revision,
            digest=digest,
            rollout=rollout,
            failing_rules=failing,
        )

    def _rules_that_fail(self, policy: Policy, ref: PolicyRef, known: Failing, said: Said) -> tuple[FailingRule, ...]:
        """Return the rules that fail; what the status says of the same revision outlives gates and this process."""
        is_same = policy.status.revision == ref.revision
        before = replace(known, rules=policy.status.failing_rules) if is_same else Failing()
        found = still_failing(before, said, self._clock())
        if before.rules or found.rules:
            self._failing[ref.namespace, ref.name] = found
        return found.rules

    def _judge(self, policy: Policy, found: EffectivePolicy, known: LogState) -> tuple[Policy, Acceptance]:
        """Return the policy as it would be published, and what is known of its rules."""
        namespace, wanted, spec = policy.metadata.namespace, found.policy, found.policy.spec
        if found.fault is not None:
            return wanted, Acceptance(spec, [found.fault], RuleChecks())
        log = self._logs.published.get(namespace)
        spending = log.spending if log else None
        checks, _ = checks_of(found, partial(self._logs.governed, namespace, known), known, spending)
        refusals = with_source(accept_policy(wanted, self._logs.installation.installation, checks), policy.spec)
        cannot_run = rules_that_cannot_run(spec) if checks.untyped else ()
        return wanted, Acceptance(spec, refusals, checks, cannot_run)

    def _is_asleep(self, namespace: str, agent: str) -> bool:
        found = self._cluster.get(AgentDeployment, namespace, agent)
        return found is not None and is_asleep(found.status)

    def _published(self, policy: Policy, record: PolicyRecord | None, *, refused: bool) -> Condition:
        namespace, name = policy.metadata.namespace, policy.metadata.name
        log, too_new = self._logs.published.get(namespace), self._logs.held_back(namespace).policies.get(name)
        outage = log.outage if log else self._logs.why_not_begun(namespace)
        gathered = Publishing(spec_digest(policy.spec), refused, record, outage, too_new)
        return decide(PUBLISHED, PUBLICATION, gathered)

    def _rollout(self, policy: Policy, record: PolicyRecord, found: RolloutState) -> Rollout:
        """Count the gates. Time to convergence is reported once a revision: a gate that joins later changes nothing."""
        namespace, name = policy.metadata.namespace, policy.metadata.name
        same = policy.status.revision == record.revision
        took = policy.status.rollout.converged_after if same else ""
        publication = self._logs.publications.get((namespace, name))
        if found.converged and publication and publication.revision == record.revision and not publication.reported:
            publication.reported = True
            if publication.measured and not took:
                elapsed_ms = publication.took_ms(time.monotonic())
                took = f"{elapsed_ms:.0f}ms"
                self._on_rollout(namespace, name, record.revision, found.gates, found.updated, elapsed_ms)
        return Rollout(gates=found.gates, updated=found.updated, rejected=found.rejected, converged_after=took)


def _is_settled(policy: Policy, revision: int) -> bool:
    """Tell whether all gates had this revision already: by the status, which outlives this process."""
    found = conditions.find_condition(policy.status.conditions, ROLLED_OUT)
    same = policy.status.revision == revision
    return same and found is not None and (found.status, found.reason) == ("True", ConditionReason.OK)
