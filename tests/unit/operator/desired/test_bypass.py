"""Every way round a gate is found, and nothing else: rights of whoever is neither trusted nor its owner (X100)."""

from __future__ import annotations

from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_operator.desired.acl_index import AclIndex
from streamwarden_operator.desired.acls import agent_acls, gate_acls
from streamwarden_operator.desired.bypass import ways_round
from streamwarden_operator.ports import Acl
from support.operator_harness import agent, resolved
from typing_extensions import override

INSTALLATION = InstallationNames()
TRUSTED = frozenset({"User:streamwarden.operator", "User:admin"})
GUARD, OTHER = resolved(agent()), AgentNames("risk", "other")
OURS = gate_acls(INSTALLATION, GUARD.names, GUARD.command_topics) | agent_acls(GUARD.names, GUARD.input_topics)


def found(*acls: Acl) -> frozenset[Acl]:
    return ways_round(INSTALLATION, TRUSTED, OURS | frozenset(acls), GUARD, {OTHER.agent})


@pytest.mark.parametrize(
    "acl",
    [
        pytest.param(Acl("User:m", "TOPIC", "risk.guard.decisions", "READ"), id="X100-reads-decisions"),
        pytest.param(Acl("User:m", "TOPIC", "*", "READ"), id="reads-everything"),
        pytest.param(Acl("User:m", "TOPIC", "risk.", "ALL", "PREFIXED"), id="does-anything-in-the-namespace"),
        pytest.param(Acl("User:m", "TOPIC", "risk.guard.decisions", "DELETE"), id="deletes-decisions"),
        pytest.param(Acl("User:m", "TOPIC", "risk.streamwarden.audit", "ALTER_CONFIGS"), id="shortens-the-audit"),
        pytest.param(Acl("User:m", "TOPIC", "streamwarden.policies", "DELETE"), id="deletes-guardrails"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard.gate", "READ"), id="X100-joins-the-gates-group"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard.gate", "DELETE"), id="F36-deletes-the-gates-offsets"),
        pytest.param(Acl("User:m", "GROUP", "*", "READ"), id="joins-any-group"),
        pytest.param(Acl("User:m", "GROUP", "risk.", "ALL", "PREFIXED"), id="joins-groups-of-the-namespace"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard.gate", "ALTER_CONFIGS"), id="sets-how-the-group-works"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard.agent", "READ"), id="joins-the-agents-group"),
        pytest.param(
            Acl("User:m", "TRANSACTIONAL_ID", "risk.guard.gate.", "WRITE", "PREFIXED"), id="X100-fences-any-gate"
        ),
        pytest.param(Acl("User:m", "TRANSACTIONAL_ID", "risk.guard.gate.pod-1", "WRITE"), id="fences-one-pods-gate"),
        pytest.param(
            Acl("User:m", "TRANSACTIONAL_ID", "risk.guard.gate.pod", "ALL", "PREFIXED"), id="fences-some-pods-gates"
        ),
        pytest.param(Acl("User:m", "TRANSACTIONAL_ID", "risk.", "WRITE", "PREFIXED"), id="fences-the-namespace"),
        pytest.param(Acl("User:m", "TRANSACTIONAL_ID", "*", "WRITE"), id="fences-everybody"),
        pytest.param(Acl("User:m", "TRANSACTIONAL_ID", "risk.guard.agent.pod-1", "WRITE"), id="fences-the-agent"),
        pytest.param(Acl("User:m", "USER", "User:risk.guard.gate", "TOKENS"), id="makes-tokens-of-the-gates-user"),
        pytest.param(Acl("User:m", "USER", "User:risk.", "ALL", "PREFIXED"), id="does-anything-as-users-of-it"),
        pytest.param(Acl("User:m", "USER", "*", "TOKENS"), id="makes-tokens-of-everybody"),
        pytest.param(Acl("User:m", "UNKNOWN", "*", "ALL"), id="does-anything-as-everybody-or-with-all-tokens"),
        pytest.param(Acl("User:*", "GROUP", "risk.guard.gate", "READ"), id="everybody-joins"),
        pytest.param(Acl("User:far.guard.gate", "GROUP", "risk.guard.gate", "READ"), id="another-namespaces-gate"),
        pytest.param(Acl("User:*", "CLUSTER", "kafka-cluster", "CLUSTER_ACTION"), id="everybody-is-a-broker"),
        pytest.param(Acl("User:far.x.agent", "CLUSTER", "kafka-cluster", "ALTER_CONFIGS"), id="an-agent-sets-brokers"),
    ],
)
def test_a_right_of_a_stranger_that_loses_hides_or_fences_decisions_is_a_way_round(acl: Acl) -> None:
    assert found(acl) == {acl}


@pytest.mark.parametrize(
    "acl",
    [
        pytest.param(Acl("User:admin", "TRANSACTIONAL_ID", "*", "ALL"), id="a-trusted-one"),
        pytest.param(Acl("User:streamwarden.operator", "GROUP", "*", "ALL"), id="the-operator"),
        pytest.param(Acl("User:m", "USER", "User:risk.web", "TOKENS"), id="makes-tokens-of-somebody-else"),
        pytest.param(Acl("User:m", "DELEGATION_TOKEN", "Q3f0", "DESCRIBE"), id="sees-a-token-of-its-own"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard.gate", "DESCRIBE"), id="sees-the-lag"),
        pytest.param(Acl("User:m", "TOPIC", "risk.guard.decisions", "DESCRIBE"), id="sees-the-ends"),
        pytest.param(Acl("User:m", "TOPIC", "risk.streamwarden.audit", "READ"), id="reads-the-audit"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard.gates", "READ"), id="a-group-of-a-longer-name"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard", "READ"), id="a-group-of-a-shorter-name"),
        pytest.param(Acl("User:m", "TRANSACTIONAL_ID", "risk.guard.gate", "WRITE"), id="an-id-without-the-dot"),
        pytest.param(Acl("User:m", "TRANSACTIONAL_ID", "risk.guards.", "WRITE", "PREFIXED"), id="ids-of-another"),
        pytest.param(Acl("User:m", "GROUP", "risk.guard.gate", "READ", denied=True), id="a-deny"),
        pytest.param(Acl("User:ops", "CLUSTER", "kafka-cluster", "ALTER_CONFIGS"), id="a-named-administrator"),
        pytest.param(Acl("User:risk.other.gate", "GROUP", "risk.guard.gate", "READ"), id="a-neighbours-gate-too-much"),
    ],
)
def test_what_loses_hides_and_fences_nothing_is_no_way_round(acl: Acl) -> None:
    assert found(acl) == frozenset()


NAMES = ["*", "", "r", "r.g.gate", "r.g.gate.", "r.g.gate.p", "r.g.gatex", "r.g.agent", "s"]
ACLS = st.frozensets(
    st.builds(
        Acl,
        st.sampled_from(["User:a", "User:b"]),
        st.sampled_from(["GROUP", "TRANSACTIONAL_ID"]),
        st.sampled_from(NAMES),
        st.sampled_from(["READ", "WRITE", "ALL", "DESCRIBE"]),
        st.sampled_from(["LITERAL", "PREFIXED"]),
        st.just("*"),
        st.booleans(),
    ),
    max_size=20,
)


def covers(acl: Acl, name: str) -> bool:
    """Tell whether an ACL holds for a name, as Kafka does."""
    if acl.pattern_type == "PREFIXED":
        return name.startswith(acl.resource_name)
    return acl.resource_name in {"*", name}


@given(ACLS)
def test_groups_and_ids_are_covered_as_kafka_does(acls: frozenset[Acl]) -> None:
    index = AclIndex(acls)
    allowed = [acl for acl in acls if not acl.denied]
    joining = {acl for acl in allowed if acl.resource_type == "GROUP" and acl.operation in {"READ", "ALL"}}
    assert set(index.members("r.g.gate")) == {acl for acl in joining if covers(acl, "r.g.gate")}
    # A prefix is covered in part where an ACL holds for any name that begins so: of those that are drawn, these.
    begun = ("r.g.gate.", "r.g.gate.p", "r.g.gate.q")
    producing = {
        acl for acl in allowed if acl.resource_type == "TRANSACTIONAL_ID" and acl.operation in {"WRITE", "ALL"}
    }
    expected = {acl for acl in producing if any(covers(acl, name) for name in begun)}
    assert set(index.producers("r.g.gate.")) == expected


class Living(frozenset[str]):
    """Names that are asked for, and never walked: there are as many as agents, and each agent asks."""

    @override
    def __iter__(self) -> NoReturn:
        raise AssertionError("all agents of the namespace were walked for one of them")


def test_whose_rights_are_the_namespaces_own_is_told_without_walking_all_of_its_agents() -> None:
    gates = [AgentNames("risk", name) for name in ("guard", "other", "gone")]
    acls = frozenset().union(*(gate_acls(INSTALLATION, names, GUARD.command_topics) for names in gates))
    found = ways_round(INSTALLATION, TRUSTED, acls, GUARD, Living({"guard", "other"}))
    assert {acl.principal for acl in found} == {"User:risk.gone.gate"}
    assert {acl.resource_name for acl in found} >= {*GUARD.command_topics, "risk.streamwarden.audit"}
