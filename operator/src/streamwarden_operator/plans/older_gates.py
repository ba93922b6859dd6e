"""Which records of a policy log wait, as gates that run could not read them.

A gate refuses its whole set for one field that it does not know, and stays on its last one: published all the same, a
tighter policy would reach none of them, and none after it. So a record waits as long as one gate runs that reads less,
and what is on the log stays in its place, as that of a refused policy does. What is there already waits for nobody.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from streamwarden_contract.acks import GateAck
from streamwarden_contract.policylog import BindingRecord, PolicyRecord, format_needed, newer_fields

from streamwarden_operator.desired.held_back import HeldBack, TooNew
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.policy_log import LogPlan, after, plan_log
from streamwarden_operator.plans.rollout import bound_agents, live_gates


def plan_for_gates(
    namespace: str, desired: DesiredLog, state: LogState, acks: Collection[GateAck] | None
) -> tuple[LogPlan, HeldBack]:
    """Compare the desired log with the verified one, and leave out what running gates could not read.

    Args:
        namespace: of the log.
        desired: what it should hold.
        state: what it holds.
        acks: what the namespace's gates said last; None while not all of it has been read: any may be too old.
    """
    held = HeldBack()
    while True:  # each round holds one thing more
        plan = plan_log(namespace, _without(desired, held), state)
        result = after(state, plan)
        found = HeldBack()
        for each in _too_new(plan, state, result, acks):
            found |= each
        if found.policies.keys() <= held.policies.keys() and found.bindings.keys() <= held.bindings.keys():
            return plan, held
        held |= found


def _without(desired: DesiredLog, held: HeldBack) -> DesiredLog:
    return replace(
        desired,
        valid={name: spec for name, spec in desired.valid.items() if name not in held.policies},
        invalid={**desired.invalid, **{name: desired.valid[name] for name in held.policies}},
        bindings={agent: wanted for agent, wanted in desired.bindings.items() if agent not in held.bindings},
        unready=desired.unready | held.bindings.keys(),
    )


def _too_new(plan: LogPlan, state: LogState, result: LogState, acks: Collection[GateAck] | None) -> Iterator[HeldBack]:
    """Find what of a plan somebody could not read, policies first: a binding may be too new for one of them alone."""
    new = {record.name for record in plan.records if isinstance(record, PolicyRecord)}
    for record in plan.records:
        match record:
            case PolicyRecord():
                known: PolicyRecord | BindingRecord | None = state.policies.get(record.name)
                agents = bound_agents(result, record)
                held = {record.name}
            case BindingRecord():
                known, agents = state.bindings.get(record.agent), {record.agent: record.agent_uid}
                held = {name for names in record.not_applicable.values() for name in names} & new
            case _:
                continue
        if format_needed(record) <= (format_needed(known) if known is not None else 1):
            continue
        older = {agent: _older_gates(acks, agent, uid, format_needed(record)) for agent, uid in agents.items()}
        apart = {agent: TooNew(newer_fields(record), gates) for agent, gates in older.items() if gates is not None}
        if not apart:
            continue
        why = TooNew(newer_fields(record), ())
        for found in apart.values():
            why |= found
        yield HeldBack(dict.fromkeys(held, why), {} if held else apart, apart)


def _older_gates(acks: Collection[GateAck] | None, agent: str, uid: str, needed: int) -> tuple[str, ...] | None:
    """Return the running gates of an agent that read less; empty where nobody knows, None where there are none."""
    if acks is None:
        return ()
    gates = live_gates(acks, {agent: uid})
    return tuple(sorted(f"{agent}/{ack.pod}" for ack in gates if ack.reads.policy_log < needed)) or None
