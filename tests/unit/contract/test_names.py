"""Names of topics, groups, principals and transactional ids: none can reach another's."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import names
from streamwarden_contract.errors import NameNotAllowedError
from streamwarden_contract.models.fields import DNS_LABEL_PATTERN
from streamwarden_contract.names import AgentNames, InstallationNames, NamespaceNames

if TYPE_CHECKING:
    from collections.abc import Callable

agent_names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name != "streamwarden"
)
namespaces = agent_names
INSTALLATION = InstallationNames()


def test_what_is_named_after_an_agent() -> None:
    agent = AgentNames("risk", "url-guard")
    assert agent.decisions == "risk.url-guard.decisions"
    assert agent.agent_principal == agent.agent_group == "risk.url-guard.agent"
    assert agent.gate_principal == agent.gate_group == "risk.url-guard.gate"
    assert agent.agent_transactional_id("url-guard-0") == "risk.url-guard.agent.url-guard-0"
    assert agent.gate_transactional_id("url-guard-0") == "risk.url-guard.gate.url-guard-0"


def test_what_the_agents_of_a_namespace_share() -> None:
    shared = NamespaceNames("risk")
    assert AgentNames("risk", "url-guard").shared == shared
    assert [shared.audit, shared.approvals, shared.dead_letters, shared.policies, shared.gates] == [
        "risk.streamwarden.audit",
        "risk.streamwarden.approvals",
        "risk.streamwarden.dlq",
        "risk.streamwarden.policies",
        "risk.streamwarden.gates",
    ]


def test_what_exists_once_an_installation_begins_with_its_name() -> None:
    assert INSTALLATION.operator_principal == "streamwarden.operator"
    assert INSTALLATION.publisher_transactional_id == "streamwarden.operator.policy-log"
    assert INSTALLATION.reader_group("gate-acks") == "streamwarden.operator.gate-acks"
    assert INSTALLATION.guardrails == "streamwarden.policies"
    assert INSTALLATION.inventory == "streamwarden.inventory"
    assert INSTALLATION.external_group_prefix("web") == "streamwarden.ext.web."
    assert InstallationNames("other").guardrails == "other.policies"


def fixed_names(installation: InstallationNames) -> tuple[str, ...]:
    return (
        installation.operator_principal,
        installation.publisher_transactional_id,
        installation.guardrails,
        installation.inventory,
        installation.reader_group("gate-acks"),
        installation.external_group_prefix("web"),
    )


@given(one=st.from_regex(DNS_LABEL_PATTERN, fullmatch=True), other=st.from_regex(DNS_LABEL_PATTERN, fullmatch=True))
def test_the_names_of_two_installations_never_meet(one: str, other: str) -> None:
    mine, theirs = fixed_names(InstallationNames(one)), fixed_names(InstallationNames(other))
    assert one == other or not any(name.startswith(prefix) for name in theirs for prefix in (*mine, f"{one}."))


@given(installation=namespaces, user=st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,5}", fullmatch=True))
def test_an_installation_s_own_names_are_closed_to_everybody_else(installation: str, user: str) -> None:
    fixed = InstallationNames(installation)
    for topic in (fixed.guardrails, fixed.inventory):
        with pytest.raises(NameNotAllowedError, match="Streamwarden's own"):
            names.check_topic_name(installation, topic, installation)
    with pytest.raises(NameNotAllowedError, match="Streamwarden's own and takes no agents or contracts"):
        names.check_namespace(installation, installation)
    for principal in (installation, fixed.operator_principal, f"{installation}.{user}"):
        with pytest.raises(NameNotAllowedError, match="Streamwarden's own"):
            names.check_external_principal(f"User:{principal}", installation)


def test_the_word_streamwarden_stays_reserved_in_an_installation_of_another_name() -> None:
    checks: list[Callable[[], object]] = [
        lambda: names.check_namespace("streamwarden", "other"),
        lambda: names.check_topic_name("streamwarden", "streamwarden.policies", "other"),
        lambda: names.check_external_principal("User:streamwarden.operator", "other"),
    ]
    for refused in checks:
        with pytest.raises(NameNotAllowedError, match="Streamwarden's own"):
            refused()
    names.check_namespace("risk", "other")
    names.check_topic_name("risk", "risk.other.urls", "other")
    names.check_external_principal("User:another", "other")


@given(first=st.tuples(namespaces, agent_names), second=st.tuples(namespaces, agent_names), pod=agent_names)
def test_no_prefix_of_one_principal_covers_an_id_of_another(
    first: tuple[str, str], second: tuple[str, str], pod: str
) -> None:
    one, other = AgentNames(*first), AgentNames(*second)
    ids = {
        one.agent_principal: one.agent_transactional_id(pod),
        one.gate_principal: one.gate_transactional_id(pod),
        other.agent_principal: other.agent_transactional_id(pod),
        other.gate_principal: other.gate_transactional_id(pod),
    }
    for principal in ids:
        covered = {owner for owner, used in ids.items() if used.startswith(names.transactional_prefix(principal))}
        assert covered == {principal}


@given(namespace=namespaces, agent=agent_names, user=st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,5}", fullmatch=True))
def test_the_groups_of_an_outside_user_cover_no_groups_of_streamwarden(namespace: str, agent: str, user: str) -> None:
    prefix = INSTALLATION.external_group_prefix(user)
    agents = AgentNames(namespace, agent)
    assert not agents.agent_group.startswith(prefix)
    assert not agents.gate_group.startswith(prefix)
    assert not INSTALLATION.publisher_transactional_id.startswith(prefix)


@given(
    one=st.from_regex(names.PRINCIPAL_PATTERN, fullmatch=True),
    other=st.from_regex(names.PRINCIPAL_PATTERN, fullmatch=True),
)
def test_the_groups_of_two_outside_users_are_apart(one: str, other: str) -> None:
    mine, theirs = (INSTALLATION.external_group_prefix(user.strip().removeprefix("User:")) for user in (one, other))
    assert mine == theirs or not theirs.startswith(mine)


@given(namespace=namespaces, agent=agent_names)
def test_what_streamwarden_makes_no_contract_can_claim(namespace: str, agent: str) -> None:
    own, shared = AgentNames(namespace, agent), NamespaceNames(namespace)
    for topic in (own.decisions, shared.audit, shared.approvals, shared.dead_letters, shared.policies, shared.gates):
        with pytest.raises(NameNotAllowedError):
            names.check_topic_name(namespace, topic)


@pytest.mark.parametrize("name", ["a", "url-guard", "0", "a" * 40])
def test_an_agent_name_is_a_short_dns_label(name: str) -> None:
    names.check_agent_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("x.agent", "use a DNS label", id="a-dot-would-reach-the-id-of-another-principal"),
        pytest.param("streamwarden", "is reserved", id="reserved"),
        pytest.param("a" * 41, "at most 40", id="too-long"),
        pytest.param("", "use a DNS label", id="empty"),
        pytest.param("-a", "use a DNS label", id="starts-with-a-hyphen"),
        pytest.param("a-", "use a DNS label", id="ends-with-a-hyphen"),
        pytest.param("A", "use a DNS label", id="capitals"),
        pytest.param("a_b", "use a DNS label", id="underscore"),
        pytest.param("a\n", "use a DNS label", id="a-line-break-at-the-end"),
        pytest.param("\u0430", "use a DNS label", id="F23-cyrillic"),
    ],
)
def test_an_agent_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(NameNotAllowedError, match=message):
        names.check_agent_name(name)


def test_the_namespace_of_the_operator_takes_no_agents() -> None:
    names.check_namespace("risk")
    with pytest.raises(NameNotAllowedError, match="Streamwarden's own"):
        names.check_namespace("streamwarden")


@pytest.mark.parametrize("namespace", ["a.b", "", "A", "a" * 64, "a\n"])
def test_a_namespace_that_is_no_dns_label_is_refused(namespace: str) -> None:
    with pytest.raises(NameNotAllowedError, match="is not a DNS label"):
        names.check_namespace(namespace)


@pytest.mark.parametrize(
    "topic",
    [
        "risk.urls",
        "risk.urls.observed",
        "risk.a-b.C",
        "risk.my-streamwarden.x",
        "risk.decisions.old",
        "risk.x.audit",
        "risk.memory.usage",
        "risk.my-memory",
    ],
)
def test_a_contract_may_claim(topic: str) -> None:
    names.check_topic_name("risk", topic)


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        pytest.param("risk.url-guard.decisions", "belong to agents", id="decisions"),
        pytest.param("risk.decisions", "belong to agents", id="decisions-without-an-agent"),
        pytest.param("risk.url-guard.state", "'.state', '.memory' or '.referrals' belong to agents", id="state"),
        pytest.param("risk.url-guard.memory", "belong to agents", id="memory-that-comes-later"),
        pytest.param("risk.url-guard.referrals", "belong to agents", id="referrals-that-come-later"),
        pytest.param("risk.streamwarden.policy-history", "Streamwarden's own", id="policy-history-that-comes-later"),
        pytest.param("risk.streamwarden.arbitration", "Streamwarden's own", id="arbitration-that-comes-later"),
        pytest.param("risk.streamwarden.audit", "Streamwarden's own", id="audit"),
        pytest.param("risk.streamwarden.anything", "Streamwarden's own", id="any-topic-below-ours"),
        pytest.param("risk.streamwarden", "Streamwarden's own", id="our-word-alone"),
        pytest.param("streamwarden.policies", "must start with its namespace", id="guardrails"),
        pytest.param("bank.urls", "must start with its namespace", id="another-namespace"),
        pytest.param("riskier.urls", "must start with its namespace", id="a-namespace-that-starts-alike"),
        pytest.param("risk", "must start with its namespace", id="the-namespace-alone"),
        pytest.param("risk.my_urls", "use letters", id="F24-underscore"),
        pytest.param("risk." + "x" * 245, "use letters", id="F24-too-long"),
        pytest.param("risk.urls.", "use letters", id="a-dot-at-the-end"),
        pytest.param("risk.urls\n", "use letters", id="a-line-break-at-the-end"),
        pytest.param("risk.\u0443rls", "use letters", id="F23-cyrillic"),
    ],
)
def test_a_contract_may_not_claim(topic: str, message: str) -> None:
    with pytest.raises(NameNotAllowedError, match=message):
        names.check_topic_name("risk", topic)


def test_the_guardrail_topic_is_reserved_even_from_its_own_namespace() -> None:
    with pytest.raises(NameNotAllowedError, match="Streamwarden's own"):
        names.check_topic_name("streamwarden", "streamwarden.policies")


@pytest.mark.parametrize("principal", ["User:web-frontend", "User:Batch_2", "User:a", "User:agent", "User:gate"])
def test_access_may_name(principal: str) -> None:
    names.check_external_principal(principal)


@pytest.mark.parametrize(
    ("principal", "message"),
    [
        pytest.param("User:*", "everybody", id="everybody"),
        pytest.param("User:ANONYMOUS", "ANONYMOUS", id="anonymous"),
        pytest.param("User:anonymous", "ANONYMOUS", id="anonymous-in-small-letters"),
        pytest.param("User:risk.url-guard.agent", "Streamwarden's own", id="an-agent"),
        pytest.param("User:risk.url-guard.gate", "Streamwarden's own", id="a-gate"),
        pytest.param("User:streamwarden.operator", "Streamwarden's own", id="the-operator"),
        pytest.param("User:streamwarden", "Streamwarden's own", id="our-word"),
        pytest.param("User:a.b", "name one user without dots", id="a-dot-would-share-the-groups-of-a"),
        pytest.param("Group:web", "name one user", id="a-group"),
        pytest.param("user:web", "name one user", id="another-type-in-small-letters"),
        pytest.param("web", "name one user", id="no-type"),
        pytest.param("User:", "name one user", id="nobody"),
        pytest.param("User:a\n", "name one user", id="a-line-break-at-the-end"),
        pytest.param("User:" + "a" * 101, "name one user", id="too-long"),
    ],
)
def test_access_may_not_name(principal: str, message: str) -> None:
    with pytest.raises(NameNotAllowedError, match=message):
        names.check_external_principal(principal)
