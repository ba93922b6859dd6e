"""Events are judged by the schema in force, as decisions are (X12)."""

from __future__ import annotations

from typing import Any

import pytest
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.base import Condition
from streamwarden_contract.runtime_config import AgentInputs, InputTopic
from streamwarden_operator.desired.agents import ResolvedAgent, resolve_agent
from streamwarden_operator.desired.event_schemas import keep_event_schemas
from support.manifests import agent, contract

OLD, NEW = '{"type": "object", "maxProperties": 1}', '{"type": "object"}'
OLD_SHA, NEW_SHA = sha256_hex(OLD.encode()), sha256_hex(NEW.encode())
PAGES = "risk.pages"


def reading(status: str, *, reason: str = "R", generation: int = 1, event_type: str | None = None) -> ResolvedAgent:
    more: dict[str, Any] = {} if event_type is None else {"eventType": event_type}
    pages = contract("pages", topicName=PAGES, schema={"schema": NEW}, **more)
    condition = Condition.model_validate({"type": "SchemaReady", "status": status, "reason": reason})
    seen = pages.status.model_copy(update={"conditions": (condition,), "observed_generation": 1})
    metadata = pages.metadata.model_copy(update={"generation": generation})
    contracts = {
        "pages": pages.model_copy(update={"status": seen, "metadata": metadata}),
        "commands": contract("commands", topicName="risk.commands"),
    }
    guard = agent(
        "guard",
        inputs=[{"name": "pages", "topicRef": {"name": "pages"}}],
        decisions=[{"type": "block", "commandTopicRef": {"name": "commands"}}],
    )
    return resolve_agent(guard, contracts)


def judged_by(sha256: str, text: str) -> AgentInputs:
    return AgentInputs(topics={PAGES: InputTopic(schema_sha256=sha256)}, schemas={sha256: text})


@pytest.mark.parametrize(
    ("resolved", "earlier", "inputs"),
    [
        pytest.param(reading("True"), {PAGES: OLD}, judged_by(NEW_SHA, NEW), id="X12-the-new-one-is-registered"),
        pytest.param(reading("False"), {PAGES: OLD}, judged_by(OLD_SHA, OLD), id="X12-the-registry-refuses-it"),
        pytest.param(
            reading("True", generation=2), {PAGES: OLD}, judged_by(OLD_SHA, OLD), id="X12-the-registry-took-another"
        ),
        pytest.param(reading("False"), {}, AgentInputs(), id="X12-the-first-one-is-refused"),
        pytest.param(reading("Unknown", reason="Pending"), {}, judged_by(NEW_SHA, NEW), id="nobody-has-asked-yet"),
        pytest.param(
            reading("False", reason="RegistryUnavailable"), {}, judged_by(NEW_SHA, NEW), id="the-registry-is-away"
        ),
        pytest.param(reading("False"), {"risk.commands": OLD}, AgentInputs(), id="X12-another-topics-is-not-meant"),
    ],
)
def test_events_are_judged_by_what_is_in_force(
    resolved: ResolvedAgent, earlier: dict[str, str], inputs: AgentInputs
) -> None:
    assert keep_event_schemas(resolved, earlier).inputs == inputs


def test_how_events_are_written_is_the_contract_s_word_whichever_schema_judges() -> None:
    kept = keep_event_schemas(reading("False", event_type="page.seen"), {PAGES: OLD})
    assert kept.inputs == AgentInputs(
        topics={PAGES: InputTopic(event_type="page.seen", schema_sha256=OLD_SHA)}, schemas={OLD_SHA: OLD}
    )
