"""What a change wakes."""

import pytest
from streamwarden_contract.policylog import BindingRecord, BoundPolicyRef
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.reconcilers.dependents import dependents_of, dependents_of_publication
from streamwarden_operator.reconcilers.policies.log_book import PublishedLog
from support.operator_harness import agent, contract, policy

RIVAL = contract("rival", topicName="risk.pages")
CONTRACTS = (contract("pages"), RIVAL, contract("unused"), contract("commands"))


def key(kind: str, name: str = "") -> Key:
    return Key(kind, "risk", name)  # type: ignore[arg-type]  # one of the kinds


@pytest.mark.parametrize(
    ("changed", "woken"),
    [
        pytest.param(
            key("TopicContract", "pages"),
            {key("AgentDeployment", "guard"), key("TopicContract", "rival")},
            id="a-contract-wakes-agents-that-refer-to-it-and-rivals-for-its-topic",
        ),
        pytest.param(key("TopicContract", "unused"), set(), id="an-unused-contract-wakes-nobody"),
        pytest.param(
            key("TopicContract", "gone"),
            {key("TopicContract", c.metadata.name) for c in CONTRACTS},
            id="a-deleted-contract-wakes-all-others-since-one-may-have-waited-for-its-topic",
        ),
        pytest.param(key("Policy", "strict"), {key("PolicyLog")}, id="a-policy-wakes-the-log"),
        pytest.param(
            key("AgentDeployment", "guard"),
            {key("Namespace"), key("TopicContract", "pages"), key("TopicContract", "commands")},
            id="an-agent-wakes-its-contracts-which-may-not-have-producers-now",
        ),
        pytest.param(
            key("PolicyLog"),
            {key("Policy", "strict"), key("AgentDeployment", "guard")},
            id="the-log-wakes-all-it-binds",
        ),
        pytest.param(key("Namespace"), {key("AgentDeployment", "guard")}, id="shared-topics-wake-agents"),
    ],
)
def test_a_change_wakes_what_depends_on_it(changed: Key, woken: set[Key]) -> None:
    assert dependents_of(changed, [agent()], [policy("strict")], CONTRACTS) == woken


def bound(name: str, *policies: str) -> BindingRecord:
    """Return a binding that names these policies, all else the same."""
    refs = tuple(BoundPolicyRef.model_construct(namespace="risk", name=policy, revision=1) for policy in policies)
    return BindingRecord.model_construct(agent=name, agent_uid=f"uid-{name}", policies=refs)


def log(*bindings: BindingRecord, withheld: tuple[str, ...] = ()) -> PublishedLog:
    state = LogState(bindings={record.agent: record for record in bindings})
    return PublishedLog(state, dict.fromkeys(withheld, ("strict",)))


@pytest.mark.parametrize(
    ("before", "after", "woken"),
    [
        pytest.param(log(bound("a", "x")), log(bound("a", "x")), set(), id="the-same-again-wakes-nobody"),
        pytest.param(
            log(bound("a", "x")),
            log(bound("a", "x"), bound("b", "y")),
            {key("AgentDeployment", "b"), key("Policy", "y")},
            id="a-new-binding-wakes-its-agent-and-its-policies-and-no-other-agent",
        ),
        pytest.param(
            log(bound("a", "x")),
            log(),
            {key("AgentDeployment", "a"), key("Policy", "x")},
            id="a-binding-that-is-gone-wakes-whom-it-named",
        ),
        pytest.param(
            log(bound("a", "x")),
            log(bound("a", "y")),
            {key("AgentDeployment", "a"), key("Policy", "x"), key("Policy", "y")},
            id="policies-that-are-bound-no-more-are-woken-too",
        ),
        pytest.param(log(withheld=("a",)), log(), {key("AgentDeployment", "a")}, id="what-is-withheld-no-more-is-news"),
    ],
)
def test_a_publication_wakes_whom_it_concerns(before: PublishedLog, after: PublishedLog, woken: set[Key]) -> None:
    assert dependents_of_publication("risk", before, after) == woken
