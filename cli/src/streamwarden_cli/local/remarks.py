"""What is accepted and hardly meant: resources of a folder that have no effect together, or too little. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_operator.desired.rule_checks import listed

from streamwarden_cli.local.policy_sets import checked_policies, of_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamwarden_contract.models.base import Kind
    from streamwarden_operator.desired.yaml_nodes import FieldPath

Remark = tuple["Kind", "FieldPath", str, str]
"""The resource, the field, the message, and a word for programs."""


def remarks(resources: Iterable[Kind]) -> Iterator[Remark]:
    """Yield what deserves a warning among resources that are all accepted."""
    resources = tuple(resources)
    agents, policies = of_kind(AgentDeployment, resources), of_kind(Policy, resources)
    for policy in policies:
        if not any(_covers(policy, agent, decision.type) for agent in agents for decision in agent.spec.decisions):
            yield policy, ("spec", "match"), "covers no decision of any agent here", "CoversNothing"
        if policy.spec.failure_action == "Enforce" and not policy.spec.rules:
            yield policy, ("spec", "rules"), "an Enforce policy without rules allows all that it covers", "NoRules"
    for policy, checks in checked_policies(resources):
        if checks.not_applicable:
            message = f"does not check for {listed(checks.not_applicable)}: there it is not applicable"
            yield policy, ("spec", "rules"), message, "PolicyNotApplicable"
        if checks.dynamic:
            message = f"no name is checked in what is read through dyn(...): {', '.join(checks.dynamic)}"
            yield policy, ("spec", "rules"), message, "DynamicParts"
    enforced = [policy for policy in policies if policy.spec.failure_action == "Enforce" and policy.spec.rules]
    for agent in agents:
        for index, decision in enumerate(agent.spec.decisions):
            if not any(_covers(policy, agent, decision.type) for policy in enforced):
                path: FieldPath = ("spec", "decisions", index, "type")
                yield agent, path, f"no Enforce policy here has a rule for {decision.type!r}", "NotCovered"


def _covers(policy: Policy, agent: AgentDeployment, decision_type: str) -> bool:
    match = policy.spec.match
    return (
        policy.metadata.namespace == agent.metadata.namespace
        and match.agent_selector.selects(agent.metadata.labels)
        and (not match.decisions or decision_type in match.decisions)
    )
