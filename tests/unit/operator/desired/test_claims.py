"""What can be told of a manifest that cannot be read, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest
from streamwarden_operator.desired.claims import claimed_topic, commanded_contracts, given_access
from streamwarden_operator.ports import Acl

TO_COMMANDS = {"type": "block", "commandTopicRef": {"name": "commands"}, "novelty": 1}


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        pytest.param([], frozenset(), id="an-agent-that-decides-nothing"),
        pytest.param(
            [TO_COMMANDS, {"commandTopicRef": {"name": "notes"}}], frozenset({"commands", "notes"}), id="two-contracts"
        ),
        pytest.param([TO_COMMANDS, {"topicRef": {"name": "notes"}}], None, id="one-refers-in-words-of-another-version"),
        pytest.param([{"commandTopicRef": {"name": 7}}], None, id="a-name-that-is-none"),
        pytest.param(["block"], None, id="a-decision-that-is-no-object"),
        pytest.param({"block": "commands"}, None, id="decisions-that-are-no-list"),
        pytest.param(None, None, id="no-decisions"),
    ],
)
def test_an_agent_s_commands_go_where_it_says_or_nobody_can_tell(
    decisions: object, expected: frozenset[str] | None
) -> None:
    assert commanded_contracts({"spec": {"decisions": decisions, "novelty": 1}}) == expected


@pytest.mark.parametrize("manifest", [{}, {"spec": None}, {"spec": "text"}, {"spec": {"topicName": ["a"]}}])
def test_of_a_manifest_without_form_nothing_is_told(manifest: dict[str, Any]) -> None:
    assert (commanded_contracts(manifest), claimed_topic(manifest), list(given_access(manifest))) == (None, None, [])


def test_a_contract_claims_its_topic_and_what_it_has_given() -> None:
    recorded = ["allow User:web WRITE TOPIC LITERAL risk.urls *", "nonsense", 7]
    manifest = {"spec": {"topicName": "risk.urls", "novelty": 1}, "status": {"access": recorded}}
    assert claimed_topic(manifest) == "risk.urls"
    assert list(given_access(manifest)) == [Acl("User:web", "TOPIC", "risk.urls", "WRITE")]
    assert list(given_access({**manifest, "status": {"access": "all of it"}})) == []
