from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.models.topic_contract import Access
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_operator.desired.acls import (
    access_acls,
    acls_of,
    agent_acls,
    format_acl,
    gate_acls,
    is_streamwarden_principal,
    parse_acl,
)
from streamwarden_operator.desired.bypass import bypass_acls
from streamwarden_operator.ports import Acl

INSTALLATION = InstallationNames()
TRUSTED = frozenset({"User:streamwarden.operator"})

GUARD = AgentNames("risk", "guard")
AGENT, GATE = "User:risk.guard.agent", "User:risk.guard.gate"


def test_an_agent_reads_its_inputs_and_writes_its_own_decisions_only() -> None:
    assert agent_acls(GUARD, ["risk.urls", "risk.blocked"]) == {
        Acl(AGENT, "TOPIC", "risk.urls", "READ"),
        Acl(AGENT, "TOPIC", "risk.blocked", "READ"),
        Acl(AGENT, "TOPIC", "risk.guard.decisions", "WRITE"),
        Acl(AGENT, "GROUP", "risk.guard.agent", "READ"),
        Acl(AGENT, "TRANSACTIONAL_ID", "risk.guard.agent.", "WRITE", "PREFIXED"),
    }


def test_a_gate_reads_decisions_and_policies_and_writes_commands_and_the_shared_topics() -> None:
    assert gate_acls(INSTALLATION, GUARD, ["risk.blocks"]) == {
        Acl(GATE, "TOPIC", "risk.guard.decisions", "READ"),
        Acl(GATE, "TOPIC", "risk.streamwarden.policies", "READ"),
        Acl(GATE, "TOPIC", "streamwarden.policies", "READ"),
        Acl(GATE, "TOPIC", "risk.blocks", "WRITE"),
        Acl(GATE, "TOPIC", "risk.streamwarden.audit", "WRITE"),
        Acl(GATE, "TOPIC", "risk.streamwarden.dlq", "WRITE"),
        Acl(GATE, "TOPIC", "risk.streamwarden.gates", "WRITE"),
        Acl(GATE, "GROUP", "risk.guard.gate", "READ"),
        Acl(GATE, "TRANSACTIONAL_ID", "risk.guard.gate.", "WRITE", "PREFIXED"),
    }


def test_outside_producers_write_and_outside_consumers_read_under_their_own_prefix() -> None:
    assert access_acls(INSTALLATION, "risk.urls", Access(producers=("User:web",), consumers=("User:bi",))) == {
        Acl("User:web", "TOPIC", "risk.urls", "WRITE"),
        Acl("User:web", "TRANSACTIONAL_ID", "streamwarden.ext.web.", "WRITE", "PREFIXED"),
        Acl("User:bi", "TOPIC", "risk.urls", "READ"),
        Acl("User:bi", "GROUP", "streamwarden.ext.bi.", "READ", "PREFIXED"),
    }


def test_every_prefix_ends_in_a_dot_so_that_no_name_reaches_another() -> None:
    everything = agent_acls(GUARD, ["risk.urls"]) | gate_acls(INSTALLATION, GUARD, ["risk.blocks"])
    prefixes = {acl.resource_name for acl in everything if acl.pattern_type == "PREFIXED"}
    assert prefixes
    assert all(prefix.endswith(".") for prefix in prefixes)


def test_acls_of_one_agent_are_not_those_of_another() -> None:
    other = agent_acls(AgentNames("risk", "guard-2"), [])
    assert acls_of(agent_acls(GUARD, []) | other, GUARD.agent_principal) == agent_acls(GUARD, [])


@pytest.mark.parametrize(
    ("principal", "ours"),
    [
        pytest.param("User:risk.guard.agent", True, id="an-agent"),
        pytest.param("User:risk.guard.gate", True, id="a-gate"),
        pytest.param("User:streamwarden.operator", False, id="the-operator"),
        pytest.param("User:web", False, id="an-outside-user"),
        pytest.param("User:a.b.c.agent", False, id="a-name-with-too-many-parts"),
        pytest.param("Group:risk.guard.agent", False, id="another-kind-of-principal"),
    ],
)
def test_streamwardens_principals_are_known_by_their_names(principal: str, *, ours: bool) -> None:
    assert is_streamwarden_principal(principal) is ours


@pytest.mark.parametrize(
    "acl",
    [
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "WRITE"), id="F36-a-foreign-writer"),
        pytest.param(Acl("User:*", "TOPIC", "risk.blocks", "WRITE"), id="everybody"),
        pytest.param(Acl(AGENT, "TOPIC", "risk.blocks", "WRITE"), id="the-agent-itself"),
        pytest.param(Acl("User:web", "TOPIC", "risk.", "WRITE", "PREFIXED"), id="a-prefix-that-covers-it"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "WRITE", "PREFIXED"), id="a-prefix-equal-to-it"),
        pytest.param(Acl("User:web", "TOPIC", "*", "WRITE"), id="the-wildcard"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "ALL"), id="all-operations"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "ALTER"), id="new-partitions"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "ALTER_CONFIGS"), id="another-retention"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "DELETE"), id="deletion"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "WRITE", host="10.0.0.1"), id="from-one-host"),
        pytest.param(
            Acl("User:risk.other.gate", "TOPIC", "risk.blocks", "WRITE"), id="a-gate-that-does-not-command-it"
        ),
        pytest.param(Acl(AGENT, "CLUSTER", "kafka-cluster", "ALTER"), id="an-agent-that-may-write-acls"),
        pytest.param(Acl("User:*", "CLUSTER", "kafka-cluster", "ALL"), id="everybody-may-write-acls"),
    ],
)
def test_acls_that_lead_round_the_gate_are_found(acl: Acl) -> None:
    ours = gate_acls(INSTALLATION, GUARD, ["risk.blocks"])
    assert bypass_acls(TRUSTED, ours | {acl}, ["risk.blocks"], [GUARD.gate_principal]) == {acl}


@pytest.mark.parametrize(
    "acl",
    [
        pytest.param(Acl(GATE, "TOPIC", "risk.blocks", "WRITE"), id="the-gate"),
        pytest.param(Acl("User:streamwarden.operator", "TOPIC", "*", "ALL"), id="the-operator"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "READ"), id="a-reader"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks-2", "WRITE"), id="another-topic"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks.", "WRITE", "PREFIXED"), id="a-longer-prefix"),
        pytest.param(Acl("User:web", "GROUP", "*", "ALL"), id="another-kind-of-resource"),
        pytest.param(Acl("User:web", "TOPIC", "risk.blocks", "WRITE", denied=True), id="a-deny"),
        pytest.param(Acl("User:admin", "CLUSTER", "kafka-cluster", "ALTER"), id="a-named-administrator"),
    ],
)
def test_acls_that_lead_nowhere_are_not_reported(acl: Acl) -> None:
    assert bypass_acls(TRUSTED, frozenset({acl}), ["risk.blocks"], [GUARD.gate_principal]) == frozenset()


def test_acls_name_the_installation() -> None:
    other = InstallationNames("other")
    read = {acl.resource_name for acl in gate_acls(other, GUARD, []) if acl.operation == "READ"}
    assert read == {"risk.guard.decisions", "risk.streamwarden.policies", "other.policies", "risk.guard.gate"}
    given = access_acls(other, "risk.urls", Access(producers=("User:web",), consumers=("User:bi",)))
    assert {acl.resource_name for acl in given if acl.pattern_type == "PREFIXED"} == {"other.ext.web.", "other.ext.bi."}


def test_the_operator_of_another_installation_is_a_stranger() -> None:
    acls = frozenset(
        Acl(f"User:{name}.operator", "TOPIC", "risk.blocks", "WRITE") for name in ("streamwarden", "other")
    )
    found = bypass_acls(frozenset({"User:other.operator"}), acls, ["risk.blocks"], [GUARD.gate_principal])
    assert found == {Acl("User:streamwarden.operator", "TOPIC", "risk.blocks", "WRITE")}


def test_a_recorded_acl_reads_as_a_sentence() -> None:
    acl = Acl("User:web", "TRANSACTIONAL_ID", "streamwarden.ext.web.", "WRITE", "PREFIXED")
    assert format_acl(acl) == "allow User:web WRITE TRANSACTIONAL_ID PREFIXED streamwarden.ext.web. *"


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1)


@pytest.mark.slow
@given(st.builds(Acl, WORD, WORD, WORD, WORD, WORD, WORD, st.booleans()))
def test_a_recorded_acl_is_read_back(acl: Acl) -> None:
    assert parse_acl(format_acl(acl)) == acl


@pytest.mark.parametrize("text", ["", "allow", "maybe User:web READ TOPIC LITERAL orders *", "allow  a b c d e f g"])
def test_what_is_not_understood_is_not_taken_back(text: str) -> None:
    assert parse_acl(text) is None
