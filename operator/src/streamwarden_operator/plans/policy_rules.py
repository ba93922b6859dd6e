"""Which policies judge which pairs of agent and decision type: what no longer checks and was in force goes on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.policylog import BindingRecord, CommandTarget, PolicyRecord, SchemaRecord, spec_digest

from streamwarden_operator.desired.policy_log import DesiredBinding
from streamwarden_operator.desired.rule_checks import Governed, Pair, RuleChecks, check_rules, listed, pairs_of
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.policy_costs import NEWEST, Spending


def governed(
    bindings: Iterable[DesiredBinding | BindingRecord], texts: Mapping[str, str], published: Mapping[str, SchemaRecord]
) -> tuple[Governed, ...]:
    """Return the agents of these bindings. A type whose schema is nowhere to be had is left out: its gate fails closed.

    Args:
        bindings: of the agents.
        texts: schemas by SHA-256, as they are wanted.
        published: schemas as they are on the log.
    """
    known = {sha256: record.definition for sha256, record in published.items()} | dict(texts)
    return tuple(Governed(binding.agent, binding.labels, _schemas(binding.decisions, known)) for binding in bindings)


def governed_by(wanted: Mapping[str, DesiredBinding], state: LogState) -> tuple[Governed, ...]:
    """Return a namespace's agents as policies go by them: as they want to be bound, or else are.

    Args:
        wanted: by agent that is ready for a binding.
        state: what is published.
    """
    bound = [record for agent, record in state.bindings.items() if agent not in wanted]
    texts = {sha256: text for binding in wanted.values() for sha256, text in binding.schemas.items()}
    return governed([*wanted.values(), *bound], texts, state.schemas)


def in_force(name: str, digest: str, pairs: Iterable[Pair], state: LogState) -> frozenset[tuple[str, str]]:
    """Return agent and type of the pairs that the published bindings judge by exactly this policy and schema."""
    pairs = tuple(pairs)
    bound = {agent for agent in {pair.agent for pair in pairs} if (agent, name, digest) in state.judging}
    return frozenset(pair.place for pair in pairs if pair.agent in bound and _is_in_force(name, pair, state))


def check_policy(
    name: str, spec: PolicySpec, agents: Iterable[Governed], state: LogState, spending: Spending | None = None
) -> RuleChecks:
    """Check a policy for the agents that it selects; what the log has in force goes on.

    Args:
        name: of the policy.
        spec: what it says now.
        agents: those of its namespace.
        state: the log as it is.
        spending: what is in force takes of the agents' decisions; left out, nothing is held against it.
    """
    pairs, digest, known = pairs_of(spec, agents), spec_digest(spec), state.policies.get(name)
    revision = known.revision if known is not None and known.digest == digest else NEWEST
    spent = (spending or Spending()).before(name, revision)
    return check_rules(spec, pairs, in_force(name, digest, pairs, state), spent)


def spending_of(policies: Iterable[PolicyRecord], agents: Sequence[Governed], state: LogState) -> Spending:
    """Return what policies take of the agents' decisions, those that are in force the longest before all others.

    Args:
        policies: as published; deleted ones are left out.
        agents: those of the namespace.
        state: the log as it is.
    """
    spending = Spending()
    for record in _oldest_first(policies):
        spending.add(record.name, record.revision, check_policy(record.name, record.spec, agents, state, spending))
    return spending


def not_applicable(
    drafts: Mapping[str, BindingRecord], policies: Mapping[str, PolicyRecord], texts: Mapping[str, str], state: LogState
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return by agent and decision type the policies of its binding that do not check for it.

    Args:
        drafts: the bindings to come, by agent.
        policies: as they will be on the log, by name.
        texts: schemas by SHA-256, as they are wanted.
        state: the log as it is.
    """
    bound: dict[str, list[BindingRecord]] = {}
    for draft in drafts.values():
        for ref in draft.policies:
            bound.setdefault(ref.name, []).append(draft)
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    spending = Spending()
    agents = {agent.name: agent for agent in governed(drafts.values(), texts, state.schemas)}
    for record in _oldest_first(policies[name] for name in bound if name in policies):
        name = record.name
        pairs = pairs_of(record.spec, [agents[draft.agent] for draft in bound[name]])
        judging = in_force(name, spec_digest(record.spec), pairs, state)
        checks = check_rules(record.spec, pairs, judging, spending.before(name, record.revision))
        spending.add(name, record.revision, checks)
        for pair in checks.not_applicable:
            types = found.setdefault(pair.agent, {})
            types[pair.decision_type] = tuple(sorted((*types.get(pair.decision_type, ()), name)))
    return found


def broken_by(topic: str, schema: str | None, state: LogState) -> dict[str, dict[Pair, str]]:
    """Return by policy what a new schema would break: pairs for which Enforce rules check now, and would not with it.

    Args:
        topic: the topic of commands.
        schema: what its contract says now; None where it says nothing any more.
        state: the log as it is: what is in force.
    """
    now = governed(state.bindings.values(), {}, state.schemas)
    to_come = tuple(
        replace(
            agent, schemas=dict(agent.schemas) | dict.fromkeys(_types_of(topic, state.bindings[agent.name]), schema)
        )
        for agent in now
    )
    if to_come == now:
        return {}
    fails, would = _unfit(state, now), _unfit(state, to_come)
    found: dict[str, dict[Pair, str]] = {}
    for name, record in sorted(state.policies.items()):
        known = {pair.place for pair in fails[name]}
        broken = {pair: said for pair, said in would[name].items() if pair.place not in known}
        if broken and record.spec.failure_action == "Enforce":
            found[name] = broken
    return found


def _unfit(state: LogState, agents: Sequence[Governed]) -> dict[str, Mapping[Pair, str]]:
    """Return by policy the pairs for which its rules do not check, or come too dear, with why."""
    spending, found = Spending(), dict[str, Mapping[Pair, str]]()
    for record in _oldest_first(state.policies.values()):
        pairs = pairs_of(record.spec, agents)
        checks = check_rules(record.spec, pairs, spent=spending.before(record.name, record.revision))
        spending.add(record.name, record.revision, checks)
        found[record.name] = checks.not_applicable
    return found


def _oldest_first(policies: Iterable[PolicyRecord]) -> list[PolicyRecord]:
    return sorted(policies, key=lambda record: record.revision)


def broken_rules(broken: Mapping[str, Mapping[Pair, str]]) -> str:
    """Say which policies break, at which place of which rule, and for whom; empty where none does."""
    return "; ".join(f"policy {name!r} for {listed(pairs)}" for name, pairs in sorted(broken.items()))


def _types_of(topic: str, binding: BindingRecord) -> list[str]:
    return [decision_type for decision_type, target in binding.decisions.items() if target.topic == topic]


def _schemas(decisions: Mapping[str, CommandTarget], texts: Mapping[str, str]) -> dict[str, str | None]:
    return {
        decision_type: texts[target.schema_sha256] if target.schema_sha256 is not None else None
        for decision_type, target in decisions.items()
        if target.schema_sha256 is None or target.schema_sha256 in texts
    }


def _is_in_force(name: str, pair: Pair, state: LogState) -> bool:
    binding = state.bindings.get(pair.agent)
    target = binding.decisions.get(pair.decision_type) if binding is not None else None
    if binding is None or target is None or name in binding.not_applicable.get(pair.decision_type, ()):
        return False
    schema = state.schemas.get(target.schema_sha256) if target.schema_sha256 is not None else None
    return (schema.definition if schema is not None else None) == pair.schema
