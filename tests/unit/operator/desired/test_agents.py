"""An agent resolved: what it and its contracts say, in one value."""

import pytest
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models import AgentDeployment, Condition
from streamwarden_contract.names import AgentNames
from streamwarden_contract.policylog import BindingRecord, CommandTarget, SchemaRecord
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic
from streamwarden_operator.desired.agents import ResolvedAgent, awaited_schemas, keep_schemas, resolve_agent
from support.operator_harness import contract
from support.policy_log import binding_record

SCHEMA = '{"type": "object"}'
CONTRACTS = {
    "pages": contract("pages", topicName="risk.z.pages"),
    "blocked": contract("blocked"),
    "commands": contract("commands", schema={"schema": SCHEMA}),
    "notes": contract("notes", key="None"),
    "unused": contract("unused"),
}
GUARD = AgentDeployment.model_validate(
    {
        "metadata": {"name": "guard", "namespace": "risk"},
        "spec": {
            "image": "guard:1",
            "agent": {"entrypoint": "guard:agent"},
            "inputs": [
                {"name": "seen", "topicRef": {"name": "pages"}, "types": ["page.seen"]},
                {"name": "again", "topicRef": {"name": "pages"}},
            ],
            "outcomes": [{"name": "blocked", "topicRef": {"name": "blocked"}}],
            "decisions": [
                {"type": "block", "commandTopicRef": {"name": "commands"}},
                {"type": "note", "commandTopicRef": {"name": "notes"}},
                {"type": "allow", "commandTopicRef": {"name": "commands"}},
            ],
        },
    }
)


def test_an_agent_is_resolved_into_the_topics_of_its_contracts() -> None:
    found = resolve_agent(GUARD, CONTRACTS)
    commands = CommandTarget(topic="risk.commands", keyed=True, schema_sha256=sha256_hex(SCHEMA.encode()))
    assert found.resource is GUARD
    assert found.names == AgentNames("risk", "guard")
    assert found.contracts == tuple(CONTRACTS[name] for name in ("pages", "blocked", "commands", "notes"))
    assert found.sources == (
        SourceTopic(name="seen", topic="risk.z.pages", types=("page.seen",)),
        SourceTopic(name="again", topic="risk.z.pages"),
        SourceTopic(name="blocked", topic="risk.blocked", outcome=True),
    )
    assert found.input_topics == ("risk.blocked", "risk.z.pages")
    assert list(found.targets.items()) == [
        ("block", commands),
        ("note", CommandTarget(topic="risk.notes", keyed=False, schema_sha256=None)),
        ("allow", commands),
    ]
    assert found.command_topics == ("risk.commands", "risk.notes")
    assert found.schemas == {sha256_hex(SCHEMA.encode()): SCHEMA}


@pytest.mark.parametrize(
    ("said", "expires_after_ms"),
    [
        pytest.param("5m", None, id="the-default-is-left-to-gates"),
        pytest.param("300s", None, id="the-default-in-other-words"),
        pytest.param("1s", 1_000, id="a-second"),
        pytest.param("24h", 86_400_000, id="a-day"),
    ],
)
def test_how_long_commands_hold_is_bound_only_where_it_is_not_the_default(
    said: str, expires_after_ms: int | None
) -> None:
    (first, *rest) = GUARD.spec.decisions
    decisions = (first.model_copy(update={"expires_after": said}), *rest)
    agent = GUARD.model_copy(update={"spec": GUARD.spec.model_copy(update={"decisions": decisions})})
    target = resolve_agent(agent, CONTRACTS).targets["block"]
    assert target.expires_after_ms == expires_after_ms
    assert ("expires_after_ms" in target.model_dump()) is (expires_after_ms is not None)


def test_the_same_agent_and_contracts_are_the_same_value() -> None:
    assert resolve_agent(GUARD, CONTRACTS) == resolve_agent(GUARD, dict(reversed(CONTRACTS.items())))


def test_the_runtime_is_told_how_events_are_written_and_what_they_must_fit() -> None:
    told = CONTRACTS | {
        "pages": contract("pages", topicName="risk.z.pages", schema={"schema": SCHEMA}, eventType="page.seen"),
        "blocked": contract("blocked", framing="Confluent"),
    }
    sha256 = sha256_hex(SCHEMA.encode())
    assert resolve_agent(GUARD, CONTRACTS).inputs == AgentInputs()
    assert resolve_agent(GUARD, told).inputs == AgentInputs(
        topics={
            "risk.blocked": InputTopic(framing="Confluent"),
            "risk.z.pages": InputTopic(event_type="page.seen", schema_sha256=sha256),
        },
        schemas={sha256: SCHEMA},
    )


# --- the schema in force (X12) ---------------------------------------------------------------------------------------

OLD = '{"type": "object", "maxProperties": 1}'
OLD_SHA, NEW_SHA = sha256_hex(OLD.encode()), sha256_hex(SCHEMA.encode())
ON_THE_LOG = {OLD_SHA: SchemaRecord(epoch=1, sha256=OLD_SHA, definition=OLD)}


def bound(sha256: str | None, topic: str = "risk.commands") -> BindingRecord:
    target = CommandTarget(topic=topic, keyed=True, schema_sha256=sha256)
    return binding_record("risk", "guard", [], {"block": target, "gone": target})


def registered(status: str, *, generation: int = 1, reason: str = "R") -> ResolvedAgent:
    commands = CONTRACTS["commands"]
    condition = Condition.model_validate({"type": "SchemaReady", "status": status, "reason": reason})
    seen = commands.status.model_copy(update={"conditions": (condition,), "observed_generation": 1})
    metadata = commands.metadata.model_copy(update={"generation": generation})
    made = commands.model_copy(update={"status": seen, "metadata": metadata})
    return resolve_agent(GUARD, {**CONTRACTS, "commands": made})


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(registered("False"), id="X12-the-registry-refuses-the-new-one"),
        pytest.param(registered("Unknown"), id="X12-the-registry-does-not-answer"),
        pytest.param(registered("True", generation=2), id="X12-the-registry-took-an-earlier-one"),
    ],
)
def test_a_schema_that_is_not_registered_reaches_no_gate_that_has_one(agent: ResolvedAgent) -> None:
    kept = keep_schemas(agent, bound(OLD_SHA), ON_THE_LOG)
    assert (kept.targets["block"].schema_sha256, kept.targets["allow"].schema_sha256) == (OLD_SHA, NEW_SHA)
    assert kept.schemas == {OLD_SHA: OLD, NEW_SHA: SCHEMA}


def test_no_schema_in_force_stays_none_until_the_new_one_is_registered() -> None:
    kept = keep_schemas(registered("False"), bound(None), {})
    assert kept.targets["block"].schema_sha256 is None


@pytest.mark.parametrize(
    ("agent", "binding"),
    [
        pytest.param(registered("True"), bound(OLD_SHA), id="it-is-registered"),
        pytest.param(registered("False"), None, id="there-is-no-binding-yet"),
        pytest.param(registered("False"), bound(OLD_SHA, "risk.other"), id="another-topic-was-bound"),
        pytest.param(registered("False"), bound("b" * 64), id="the-one-in-force-is-nowhere-to-be-had"),
    ],
)
def test_the_contract_s_schema_judges(agent: ResolvedAgent, binding: BindingRecord | None) -> None:
    assert keep_schemas(agent, binding, ON_THE_LOG) == agent


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(registered("False", reason="BreaksPolicies"), id="X01-it-breaks-policies"),
        pytest.param(registered("Unknown", reason="Pending"), id="X01-nobody-has-looked-yet"),
        pytest.param(registered("Unknown", reason="RegistryUnavailable", generation=2), id="X01-that-was-another"),
    ],
)
def test_without_a_registry_the_schema_in_force_stays_until_the_new_one_is_accepted(agent: ResolvedAgent) -> None:
    kept = keep_schemas(agent, bound(OLD_SHA), ON_THE_LOG, has_registry=False)
    assert kept.targets["block"].schema_sha256 == OLD_SHA


def test_without_a_registry_an_accepted_schema_is_taken() -> None:
    agent = registered("Unknown", reason="RegistryUnavailable")
    assert keep_schemas(agent, bound(OLD_SHA), ON_THE_LOG, has_registry=False) == agent
    assert awaited_schemas(agent, None, {}, has_registry=False) == ()


BOTH = registered("False", reason="InvalidSchema")


@pytest.mark.parametrize(
    ("agent", "binding", "waits"),
    [
        pytest.param(BOTH, None, ["commands"], id="X12-the-registry-refuses-the-first-one"),
        pytest.param(BOTH, bound(OLD_SHA, "risk.other"), ["commands"], id="X12-what-is-in-force-is-of-another-topic"),
        pytest.param(BOTH, bound("b" * 64), ["commands"], id="X12-the-one-in-force-is-nowhere-to-be-had"),
        pytest.param(registered("Unknown", reason="Pending"), None, ["commands"], id="X12-nobody-has-asked-yet"),
        pytest.param(registered("True", generation=2), None, ["commands"], id="X12-that-was-an-earlier-one"),
        pytest.param(registered("True"), None, [], id="it-is-registered"),
        pytest.param(registered("Unknown", reason="RegistryUnavailable"), None, [], id="the-registry-is-away"),
    ],
)
def test_a_first_schema_is_awaited(agent: ResolvedAgent, binding: BindingRecord | None, waits: list[str]) -> None:
    awaited = awaited_schemas(agent, binding, ON_THE_LOG)
    assert [contract.metadata.name for contract in awaited] == waits


def test_nobody_waits_for_a_type_that_has_a_schema_in_force() -> None:
    target = CommandTarget(topic="risk.commands", keyed=True, schema_sha256=OLD_SHA)
    both = binding_record("risk", "guard", [], {"block": target, "allow": target})
    assert awaited_schemas(BOTH, both, ON_THE_LOG) == ()
