"""What is published on a namespace's log, from what is known of it: all of a reconcile that needs nobody else. Pure.

It goes over all agents, and with a thousand of them takes tenths of a second: whoever asks does so in a thread.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from streamwarden_contract.acks import GateAck
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.base import Metadata
from streamwarden_contract.policylog import PolicyRecord, Signer, spec_digest

from streamwarden_operator.desired.acceptance import accept_policy, accepted
from streamwarden_operator.desired.held_back import HeldBack
from streamwarden_operator.desired.policy_log import DesiredBinding, DesiredLog, build_log
from streamwarden_operator.desired.policy_params import EffectivePolicy
from streamwarden_operator.desired.rule_checks import Governed, RuleChecks
from streamwarden_operator.plans.log_plan import LogPlan, after, sign_plan, with_signed_anew
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.older_gates import plan_for_gates
from streamwarden_operator.plans.policy_costs import NEWEST, Spending
from streamwarden_operator.plans.policy_rules import check_policy, governed_by, spending_of
from streamwarden_operator.ports import SignedRecord


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people and agents want of a namespace's log. Empty for the guardrail topic: it holds its epoch alone."""

    policies: Sequence[EffectivePolicy] = ()
    """All but those that are held and were not heard of before."""
    held: AbstractSet[str] = frozenset()
    """Policies of which what is in force stays."""
    agents: Sequence[AgentDeployment] = ()
    bindings: Mapping[str, DesiredBinding] = field(default_factory=dict)
    """By agent that is ready for one."""
    released: AbstractSet[str] = frozenset()
    """Uids of agents that are being deleted and need their binding no more."""
    unreadable: Sequence[Metadata] = ()
    """Of agents that exist and cannot be read."""


@dataclass(frozen=True, slots=True)
class SignedLog:
    """Which log it is, and who signs."""

    namespace: str
    topic: str
    cluster_id: str
    """Kafka's."""
    installation: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Planned:
    """What there is to publish, and what came of the wishes."""

    plan: LogPlan
    signed: tuple[SignedRecord, ...]
    state: LogState
    """The log's, once that is written."""
    held_back: HeldBack
    """What is not written as gates that run could not read it."""
    refused: Mapping[str, str]
    """By policy that is not accepted: why."""
    spending: Spending
    """What policies take of the agents' decisions, once that is written."""


def plan_publication(
    log: SignedLog, wishes: Wishes, state: LogState, acks: Sequence[GateAck] | None, *, went_back: bool = False
) -> Planned:
    """Compare what is wanted with the verified log, and sign what there is to write.

    Args:
        log: which.
        wishes: what is wanted of it.
        state: what it holds.
        acks: what the namespace's gates said last; None while not all of it has been read.
        went_back: whether the log was written for an older gate not long ago.
    """
    desired, refused, spending = _desired(log.installation, wishes, state)
    plan, held_back = plan_for_gates(log.namespace, desired, state, acks, went_back=went_back)
    plan = with_signed_anew(plan, state, log.signer.key_id)
    signed = sign_plan(plan, topic=log.topic, cluster_id=log.cluster_id, signer=log.signer) if plan else ()
    for record in plan.records:
        if isinstance(record, PolicyRecord) and record.name in spending.checks:
            spending.add(record.name, record.revision, spending.checks[record.name])
    return Planned(plan, signed, after(state, plan, signed), held_back, refused, spending)


def checks_of(
    found: EffectivePolicy, agents: Callable[[], Sequence[Governed]], state: LogState, spending: Spending | None
) -> tuple[RuleChecks, bool]:
    """Return what is known of a policy's rules, and whether it is published as it is. What was checked once is kept.

    Args:
        found: the policy.
        agents: gives those of its namespace, if they are needed.
        state: what is published.
        spending: what was checked with it.
    """
    name, spec = found.policy.metadata.name, found.policy.spec
    known = state.policies.get(name)
    is_published = known is not None and known.digest == spec_digest(spec)
    if is_published and spending is not None and name in spending.checks:
        return spending.checks[name], True
    return check_policy(name, spec, agents(), state, spending), is_published


def _desired(installation: str, wishes: Wishes, state: LogState) -> tuple[DesiredLog, dict[str, str], Spending]:
    """Return what the log should hold; by policy why one is refused; and what those that are accepted take."""
    agents = governed_by(wishes.bindings, state)
    living = {found.policy.metadata.name for found in wishes.policies}
    known = {**state.lost, **state.policies}
    spending = spending_of([known[name] for name in living & known.keys()], agents, state)
    asking = [found for found in wishes.policies if found.policy.metadata.name not in wishes.held]
    refused = _refused(installation, asking, agents, state, spending)
    desired = build_log(
        [each.policy for each in wishes.policies],
        wishes.agents,
        wishes.bindings,
        refused=refused.keys() | wishes.held,
        released=wishes.released,
        unreadable=wishes.unreadable,
    )
    return desired, refused, spending


def _refused(
    installation: str,
    policies: Sequence[EffectivePolicy],
    agents: Sequence[Governed],
    state: LogState,
    spending: Spending,
) -> dict[str, str]:
    """Find the policies that are not accepted, by name: who comes first is served first, whatever order they have.

    Each that is accepted and not published yet is added to ``spending``, so that the next is held against it. Those
    that are refused are asked again where another then takes less.
    """
    waiting = sorted(policies, key=lambda found: found.policy.metadata.name)
    while True:
        reasons = {
            found.policy.metadata.name: _refusal(installation, found, agents, state, spending) for found in waiting
        }
        refused = {name: why for name, why in reasons.items() if why}
        if len(refused) in {0, len(waiting)}:
            return refused
        waiting = [found for found in waiting if found.policy.metadata.name in refused]


def _refusal(
    installation: str, found: EffectivePolicy, agents: Sequence[Governed], state: LogState, spending: Spending
) -> str:
    """Say why a policy is refused; empty where it is not."""
    if found.fault is not None:
        return accepted([found.fault]).message
    checks, is_published = checks_of(found, lambda: agents, state, spending)
    refusals = accept_policy(found.policy, installation, checks)
    if refusals:
        return accepted(refusals).message
    if not is_published:
        spending.add(found.policy.metadata.name, NEWEST, checks)
    return ""
