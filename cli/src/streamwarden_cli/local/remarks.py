"""What is accepted and hardly meant: resources of a folder that have no effect together, or too little. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_judging.schema_remarks import schema_remarks
from streamwarden_operator.desired.management import unheard
from streamwarden_operator.desired.rule_checks import listed
from streamwarden_operator.desired.rule_remarks import doubtful_rules, unchecked_names

from streamwarden_cli.local.loops import loops
from streamwarden_cli.local.policy_sets import checked_policies, of_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamwarden_contract.models import Policy
    from streamwarden_contract.models.base import Kind
    from streamwarden_operator.desired.rule_checks import RuleChecks
    from streamwarden_operator.desired.yaml_nodes import FieldPath

Remark = tuple["Kind", "FieldPath", str, str]
"""The resource, the field, the message, and a word for programs."""


def remarks(resources: Iterable[Kind]) -> Iterator[Remark]:
    """Yield what deserves a warning among resources that are all accepted."""
    resources, enforced = tuple(resources), set[tuple[str, str, str]]()
    agents = list(of_kind(AgentDeployment, resources))
    inhabited = {agent.metadata.namespace for agent in agents}
    for policy, checks in checked_policies(resources):
        yield from _of_policy(policy, checks, inhabited)
        if policy.spec.failure_action == "Enforce" and policy.spec.rules:
            enforced |= {(policy.metadata.namespace, *pair.place) for pair in checks.pairs}
    for contract in of_kind(TopicContract, resources):
        if contract.spec.value_schema is not None:
            for message in schema_remarks(contract.spec.value_schema.definition):
                yield contract, ("spec", "schema", "schema"), message, "DoubtfulSchema"
    for looping, where, message in loops(agents):
        yield looping, where, message, "Loop"
    for agent in agents:
        yield from _of_agent(agent, enforced)
    for resource in resources:
        for annotation, message in unheard(resource.metadata.annotations):
            yield resource, ("metadata", "annotations", annotation), message, "UnheardAnnotation"


def _of_agent(agent: AgentDeployment, enforced: set[tuple[str, str, str]]) -> Iterator[Remark]:
    module, _, name = agent.spec.agent.entrypoint.partition(":")
    if module.endswith(".py"):
        message = f"{module!r} is a file, where a module is named: write '{module.removesuffix('.py')}:{name}'"
        yield agent, ("spec", "agent", "entrypoint"), message, "DoubtfulEntrypoint"
    for index, decision in enumerate(agent.spec.decisions):
        if (agent.metadata.namespace, agent.metadata.name, decision.type) not in enforced:
            path: FieldPath = ("spec", "decisions", index, "type")
            yield agent, path, f"no Enforce policy here has a rule for {decision.type!r}", "NotCovered"


def _of_policy(policy: Policy, checks: RuleChecks, inhabited: set[str]) -> Iterator[Remark]:
    if not checks.pairs:
        namespace = policy.metadata.namespace
        nobody = f": it is for agents of its own namespace {namespace!r}, and there are none"
        message = f"covers no decision of any agent here{'' if namespace in inhabited else nobody}"
        yield policy, ("spec", "match"), message, "CoversNothing"
    if policy.spec.failure_action == "Enforce" and not policy.spec.rules:
        yield policy, ("spec", "rules"), "an Enforce policy without rules allows all that it covers", "NoRules"
    if checks.not_applicable:
        message = f"does not check for {listed(checks.not_applicable)}: there it is not applicable"
        yield policy, ("spec", "rules"), message, "PolicyNotApplicable"
    for index, message in doubtful_rules(checks):
        yield policy, ("spec", "rules", index, "require"), message, "DoubtfulRule"
    for message in unchecked_names(checks):
        yield policy, ("spec", "rules"), message, "DynamicParts"
