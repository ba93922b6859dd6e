"""How far a revision has come: a policy is its namespace and its name."""

from __future__ import annotations

from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import BoundPolicyRef
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.rollout import bound_agents, observe_rollout
from support.policy_fakes import ack_of
from support.policy_records import BINDING, POLICY

GUARDRAIL = BoundPolicyRef(namespace="streamwarden", name=POLICY.name, revision=POLICY.revision, digest="b" * 64)
OWN = PolicyRef(namespace="risk", name=POLICY.name, revision=POLICY.revision)
ELSEWHERE = OWN.model_copy(update={"namespace": "streamwarden"})


def test_s09_a_policy_of_the_same_name_in_another_namespace_binds_nobody_here() -> None:
    state = LogState(bindings={"url-guard": BINDING})
    assert (bound_agents(state, OWN), bound_agents(state, ELSEWHERE)) == ({"url-guard": "uid-1"}, {})


def test_s09_a_gate_that_has_the_other_policy_of_the_name_has_not_this_one() -> None:
    both = BINDING.model_copy(update={"policies": (*BINDING.policies, GUARDRAIL)})
    state = LogState(bindings={"url-guard": both})
    other_alone = ack_of(both, policies=(ELSEWHERE,))
    found = {policy.namespace: observe_rollout(state, [other_alone], policy=policy) for policy in (OWN, ELSEWHERE)}
    assert {where: (each.gates, each.updated) for where, each in found.items()} == {
        "risk": (1, 0),
        "streamwarden": (1, 1),
    }
