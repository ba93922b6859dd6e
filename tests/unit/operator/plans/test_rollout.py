"""How far a revision has come: a policy is its namespace and its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import BindingRecord, BoundPolicyRef
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.rollout import bound_agents, observe_rollout
from support.policy_fakes import ack_of
from support.policy_records import BINDING, POLICY
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import ValuesView

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


class Counted(dict[str, BindingRecord]):
    """Counts how often all bindings are looked at."""

    looks = 0

    @override
    def values(self) -> ValuesView[BindingRecord]:  # type: ignore[override]  # the same, by its abstract name
        self.looks += 1
        return super().values()


def test_bindings_are_looked_at_once_however_many_policies_they_name() -> None:
    refs = tuple(
        BoundPolicyRef(namespace="risk", name=f"p-{n}", revision=1, digest=BINDING.policies[0].digest)
        for n in range(50)
    )
    bindings = Counted({f"a-{n}": BINDING.model_copy(update={"agent": f"a-{n}", "policies": refs}) for n in range(5)})
    state = LogState(bindings=bindings)
    for ref in refs:
        found = bound_agents(state, PolicyRef(namespace=ref.namespace, name=ref.name, revision=1))
        assert found == dict.fromkeys(bindings, BINDING.agent_uid)
    assert bindings.looks == 1
