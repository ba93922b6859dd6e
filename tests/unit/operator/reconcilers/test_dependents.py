"""What a change wakes."""

import pytest
from streamwarden_operator.keys import Key
from streamwarden_operator.reconcilers.dependents import dependents_of
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
