"""Which records of a policy log wait, as gates that run could not read them.

A gate refuses its whole set for one field that it does not know, and stays on its last one: published all the same, a
tighter policy would reach none of them, and none after it. So a record waits as long as one gate runs that reads less,
and what is on the log stays in its place, as that of a refused policy does. What is there already waits for nobody.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

from streamwarden_contract.acks import GateAck
from streamwarden_contract.policylog import BY_NAME, BindingRecord, PolicyRecord, format_needed, newer_fields

from streamwarden_operator.desired.held_back import HeldBack, TooNew
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.plans.log_plan import LogPlan, written
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.policy_log import plan_log
from streamwarden_operator.plans.rollout import bound_agents, live_gates


def plan_for_gates(
    namespace: str,
    desired: DesiredLog,
    state: LogState,
    acks: Collection[GateAck] | None,
    *,
    went_back: bool = False,
) -> tuple[LogPlan, HeldBack]:
    """Compare the desired log with the verified one, and leave out what running gates could not read.

    Args:
        namespace: of the log.
        desired: what it should hold.
        state: what it holds.
        acks: what the namespace's gates said last; None while not all of it has been read: any may be too old.
        went_back: whether the log was written for an older gate not long ago: it stays so for a while.
    """
    held, by_name = HeldBack(), is_named(desired, state, acks) and not (went_back and state.index is None)
    while True:  # each round holds one thing more
        plan = plan_log(namespace, _without(desired, held), state, by_name=by_name)
        found = reduce(or_, _too_new(plan, state, written(state, plan), acks), HeldBack())
        if found.policies.keys() <= held.policies.keys() and found.bindings.keys() <= held.bindings.keys():
            return plan, held
        held |= found


def is_named(desired: DesiredLog, state: LogState, acks: Collection[GateAck] | None) -> bool:
    """Tell whether bindings are to name policies without their revisions: where gates run, and all of them read that.

    Unlike what a record says, it takes nothing away to write it as older gates read it: where one comes, all is.

    Args:
        desired: what the log should hold: without a binding there is no index.
        state: the log: while nobody says anything it stays as it is.
        acks: what the namespace's gates said last; None while not all of it has been read.
    """
    if not desired.bindings and not desired.unready & state.bindings.keys():
        return False
    running = [ack.reads.policy_log for ack in acks or () if ack.state != "Stopped"]
    if acks is None or not running:
        return state.index is not None
    return min(running) >= BY_NAME


def is_past(held: TooNew, acks: Iterable[GateAck]) -> bool:
    """Tell whether one of the gates for which something is held back runs no more.

    Args:
        held: what it is held back for.
        acks: what gates said last whose pods exist.
    """
    running = {f"{ack.agent}/{ack.pod}" for ack in acks if ack.state != "Stopped"}
    return not running.issuperset(held.gates)


def _without(desired: DesiredLog, held: HeldBack) -> DesiredLog:
    waiting = {agent: wanted for agent, wanted in desired.bindings.items() if agent in held.bindings}
    return replace(
        desired,
        valid={name: spec for name, spec in desired.valid.items() if name not in held.policies},
        invalid={**desired.invalid, **{name: desired.valid[name] for name in held.policies}},
        bindings={agent: wanted for agent, wanted in desired.bindings.items() if agent not in held.bindings},
        unready=desired.unready | held.bindings.keys(),
        labels={**desired.labels, **{agent: wanted.labels for agent, wanted in waiting.items()}},
        older=frozenset(held.bindings),
    )


def _too_new(plan: LogPlan, state: LogState, result: LogState, acks: Collection[GateAck] | None) -> Iterator[HeldBack]:
    """Find what of a plan somebody could not read, policies first: a binding may be too new for one of them alone."""
    written = [record for record in plan.records if isinstance(record, PolicyRecord)]
    readers = {record.name: _new_readers(record, state, result) for record in written}
    for policy in written:
        older = _older_gates(acks, readers[policy.name], [policy])
        if older:
            yield HeldBack({policy.name: _in_one([policy], older)}, {}, older)
    for binding in plan.records:
        if not isinstance(binding, BindingRecord):
            continue
        agent, known = {binding.agent: binding.agent_uid}, _last_binding(state, binding.agent, binding.agent_uid)
        if known is None or format_needed(binding) > format_needed(known):
            older = _older_gates(acks, agent, [binding])
            apart = {name for names in binding.not_applicable.values() for name in names} & readers.keys()
            if older:
                yield HeldBack(dict.fromkeys(apart, _in_one([binding], older)), {} if apart else older, older)
        older = _older_gates(acks, agent, _newly_named(binding, known, result, readers))
        if older:
            yield HeldBack({}, older, older)


def _new_readers(policy: PolicyRecord, state: LogState, result: LogState) -> Mapping[str, str]:
    """Return the agents, uid by name, whose gates get a format with this record that they had no need of before.

    Where the policy needed it before, these are those that it selects by the labels that they had: one that has other
    labels, or none yet, is bound to it by its own binding, which can wait alone.
    """
    known, selects = state.policies.get(policy.name), policy.spec.match.agent_selector.selects
    bound = bound_agents(result, policy)
    if known is None or format_needed(policy) > format_needed(known):
        return bound
    earlier = {agent: _last_binding(state, agent, uid) for agent, uid in bound.items()}
    return {
        agent: bound[agent]
        for agent, binding in earlier.items()
        if binding is not None and policy.name not in binding.policy_names and selects(dict(binding.labels))
    }


def _last_binding(state: LogState, agent: str, uid: str) -> BindingRecord | None:
    """Return the binding of this very agent: what an earlier one of its name was bound to, its own gates were not."""
    binding = state.bindings.get(agent)
    return binding if binding is not None and binding.agent_uid == uid else None


def _newly_named(
    binding: BindingRecord, known: BindingRecord | None, result: LogState, readers: Mapping[str, Collection[str]]
) -> list[PolicyRecord]:
    """Return the policies that a binding names and its last one did not, but those that wait themselves if they must.

    Args:
        binding: as it would be written.
        known: as it is; None where there is none.
        result: the log with it.
        readers: by policy that is written with it: the agents for which the policy is to wait, not the binding.
    """
    new = binding.policy_names - (known.policy_names if known is not None else frozenset())
    there = new & result.policies.keys()
    return [result.policies[name] for name in sorted(there) if binding.agent not in readers.get(name, ())]


def _in_one(records: Sequence[PolicyRecord | BindingRecord], older: Mapping[str, TooNew]) -> TooNew:
    """Return what the gates of several agents cannot read as one."""
    why = TooNew(_fields(records), ())
    for found in older.values():
        why |= found
    return why


def _fields(records: Iterable[PolicyRecord | BindingRecord]) -> tuple[str, ...]:
    return tuple(sorted({name for record in records for name in newer_fields(record)}))


def _older_gates(
    acks: Collection[GateAck] | None, agents: Mapping[str, str], records: Sequence[PolicyRecord | BindingRecord]
) -> dict[str, TooNew]:
    """Return by agent (uid by name) its running gates that could not read records; named none where nobody knows."""
    needed = max(map(format_needed, records), default=1)
    if needed == 1:
        return {}
    fields = _fields(records)
    if acks is None:
        return {agent: TooNew(fields, ()) for agent in agents}
    found: dict[str, TooNew] = {}
    for agent, uid in agents.items():
        pods = sorted(ack.pod for ack in live_gates(acks, {agent: uid}) if ack.reads.policy_log < needed)
        if pods:
            found[agent] = TooNew(fields, tuple(f"{agent}/{pod}" for pod in pods))
    return found
