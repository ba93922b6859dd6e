"""Which policies judge which pairs of agent and decision type: what no longer checks and was in force goes on."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.policylog import BindingRecord, CommandTarget, PolicyRecord, SchemaRecord, spec_digest

from streamwarden_operator.desired.policy_log import DesiredBinding
from streamwarden_operator.desired.rule_checks import Governed, Pair, RuleChecks, check_rules, listed, pairs_of
from streamwarden_operator.plans.log_state import LogState


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


def in_force(name: str, digest: str, pairs: Iterable[Pair], state: LogState) -> frozenset[tuple[str, str]]:
    """Return agent and type of the pairs that the published bindings judge by exactly this policy and schema."""
    return frozenset(pair.place for pair in pairs if _is_in_force(name, digest, pair, state))


def check_policy(name: str, spec: PolicySpec, agents: Iterable[Governed], state: LogState) -> RuleChecks:
    """Check a policy for the agents that it selects; what the log has in force goes on."""
    pairs = pairs_of(spec, agents)
    return check_rules(spec, pairs, in_force(name, spec_digest(spec), pairs, state))


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
    for name, bindings in sorted(bound.items()):
        record = policies[name]
        checks = check_policy(name, record.spec, governed(bindings, texts, state.schemas), state)
        for pair in checks.not_applicable:
            types = found.setdefault(pair.agent, {})
            types[pair.decision_type] = (*types.get(pair.decision_type, ()), name)
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
    found: dict[str, dict[Pair, str]] = {}
    for name, record in sorted(state.policies.items()):
        if record.spec.failure_action != "Enforce":
            continue
        fails = {pair.place for pair in check_rules(record.spec, pairs_of(record.spec, now)).not_applicable}
        would = check_rules(record.spec, pairs_of(record.spec, to_come)).not_applicable
        broken = {pair: said for pair, said in would.items() if pair.place not in fails}
        if broken:
            found[name] = broken
    return found


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


def _is_in_force(name: str, digest: str, pair: Pair, state: LogState) -> bool:
    binding = state.bindings.get(pair.agent)
    target = binding.decisions.get(pair.decision_type) if binding is not None else None
    if binding is None or target is None or name in binding.not_applicable.get(pair.decision_type, ()):
        return False
    schema = state.schemas.get(target.schema_sha256) if target.schema_sha256 is not None else None
    same = (schema.definition if schema is not None else None) == pair.schema
    return same and any(ref.name == name and ref.digest == digest for ref in binding.policies)
