"""Policies among the agents and contracts of one folder: whether their rules check."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from streamwarden_contract.models import AgentDeployment, Kind, Policy, TopicContract
from streamwarden_operator.desired.rule_checks import (
    Governed,
    RuleChecks,
    check_rules,
    pairs_of,
)
from streamwarden_operator.plans.policy_costs import Spending

K = TypeVar("K", bound=Kind)


def checked_policies(resources: Sequence[Kind]) -> Iterator[tuple[Policy, RuleChecks]]:
    """Yield each policy with its rules checked for the agents of these resources."""
    contracts = {
        (contract.metadata.namespace, contract.metadata.name): contract
        for contract in of_kind(TopicContract, resources)
    }
    agents, policies = of_kind(AgentDeployment, resources), of_kind(Policy, resources)
    spending, found = defaultdict[str, Spending](Spending), dict[tuple[str, str], RuleChecks]()
    # By name, as the operator publishes those that come together: who comes first is served first.
    for number, policy in enumerate(sorted(policies, key=lambda policy: policy.metadata.name)):
        namespace, name = policy.metadata.namespace, policy.metadata.name
        here = [_governed(agent, contracts) for agent in agents if _same_namespace(policy, agent)]
        spent = spending[namespace].before(name, number)
        checks = found[namespace, name] = check_rules(policy.spec, pairs_of(policy.spec, here), spent=spent)
        spending[namespace].add(name, number, checks)
    for policy in policies:
        yield policy, found[policy.metadata.namespace, policy.metadata.name]


def _governed(agent: AgentDeployment, contracts: Mapping[tuple[str, str], TopicContract]) -> Governed:
    schemas: dict[str, str | None] = {}
    for decision in agent.spec.decisions:
        key = (agent.metadata.namespace, decision.command_topic_ref.name)
        if key in contracts:
            schema = contracts[key].spec.value_schema
            schemas[decision.type] = None if schema is None else schema.definition
    return Governed(agent.metadata.name, agent.metadata.labels, schemas)


def _same_namespace(one: Kind, other: Kind) -> bool:
    return one.metadata.namespace == other.metadata.namespace


def of_kind(kind: type[K], resources: Sequence[Kind]) -> list[K]:
    """Return the resources of one kind, in their order."""
    return [resource for resource in resources if isinstance(resource, kind)]
