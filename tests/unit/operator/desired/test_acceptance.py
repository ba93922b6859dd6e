"""Checks that need a namespace, another resource or an engine: what admission and reconcilers share."""

import json

import pytest
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.models.topic_contract import TopicSchema
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.acceptance import (
    MAX_EVENT_SCHEMAS_BYTES,
    Refusal,
    accept_agent,
    accept_contract,
    accept_event_schemas,
    accept_policy,
    commands,
)
from streamwarden_operator.desired.agents import resolve_agent


def contract(name: str = "orders", namespace: str = "shop", *, created: str = "", **spec: object) -> TopicContract:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return TopicContract.model_validate({"metadata": metadata, "spec": {"topicName": f"{namespace}.{name}", **spec}})


def agent(
    name: str = "clerk", namespace: str = "shop", *, reads: str = "orders", command: str = "refunds"
) -> AgentDeployment:
    spec = {
        "image": "i",
        "agent": {"entrypoint": "a:b"},
        "inputs": [{"name": "in", "topicRef": {"name": reads}}],
        "outcomes": [{"name": "out", "topicRef": {"name": reads}}],
        "decisions": [{"type": "refund", "commandTopicRef": {"name": command}}],
    }
    return AgentDeployment.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": spec})


def policy(*requires: str, namespace: str = "shop") -> Policy:
    rules = [{"name": f"r{index}", "require": require} for index, require in enumerate(requires)]
    return Policy.model_validate({"metadata": {"name": "p", "namespace": namespace}, "spec": {"rules": rules}})


def told(refusals: list[Refusal]) -> list[tuple[ConditionReason, str]]:
    return [(refusal.reason, refusal.field) for refusal in refusals]


def test_a_good_contract_is_accepted_among_itself_and_others() -> None:
    mine, other = contract(), contract("refunds")
    assert accept_contract(mine, [mine, other], [agent()]) == []


NAME, SCHEMA, TOPIC = ConditionReason.NAME_NOT_ALLOWED, ConditionReason.INVALID_SCHEMA, "spec.topicName"


@pytest.mark.parametrize(
    ("refused", "reason", "field"),
    [
        pytest.param(contract(topicName="bank.orders"), NAME, TOPIC, id="another-namespace-s-topic"),
        pytest.param(contract(topicName="shop.clerk.decisions"), NAME, TOPIC, id="an-agent-s-decisions"),
        pytest.param(
            contract(access={"producers": ["User:a", "User:ANONYMOUS"]}),
            NAME,
            "spec.access.producers[1]",
            id="anonymous",
        ),
        pytest.param(
            contract(access={"consumers": ["User:streamwarden"]}), NAME, "spec.access.consumers[0]", id="our-own-name"
        ),
        pytest.param(contract(schema={"schema": "no"}), SCHEMA, "spec.schema.schema", id="no-schema"),
        pytest.param(
            contract(schema={"schema": '{"properties":{"a":{"pattern":"^(?!admin)a"}}}'}),
            SCHEMA,
            "spec.schema.schema",
            id="X13-a-pattern-that-gates-do-not-take",
        ),
        pytest.param(
            contract(key="None", config={"cleanup.policy": "compact"}),
            ConditionReason.INVALID_SPEC,
            "spec.key",
            id="X14-no-keys-to-compact-by",
        ),
        pytest.param(
            contract(key="None", config={"cleanup.policy": "delete, compact"}),
            ConditionReason.INVALID_SPEC,
            "spec.key",
            id="X14-no-keys-to-compact-by-beside-delete",
        ),
        pytest.param(
            contract(replicas=1, config={"min.insync.replicas": 2}),
            ConditionReason.INVALID_SPEC,
            "spec.replicas",
            id="X14-more-replicas-in-sync-than-there-are",
        ),
        pytest.param(
            contract(namespace="streamwarden", topicName="streamwarden.x"),
            NAME,
            "metadata.namespace",
            id="our-namespace",
        ),
    ],
)
def test_a_contract_is_refused(refused: TopicContract, reason: ConditionReason, field: str) -> None:
    assert told(accept_contract(refused, [], []))[0] == (reason, field)


@pytest.mark.parametrize(
    "fine",
    [
        pytest.param(contract(config={"cleanup.policy": "compact,delete"}), id="keyed-and-compacted"),
        pytest.param(contract(key="None", config={"cleanup.policy": "delete"}), id="without-keys-and-deleted"),
        pytest.param(contract(replicas=2, config={"min.insync.replicas": "2"}), id="as-many-in-sync-as-there-are"),
        pytest.param(contract(config={"min.insync.replicas": 2}), id="the-broker-s-replicas"),
    ],
)
def test_x14_what_does_not_contradict_itself_is_accepted(fine: TopicContract) -> None:
    assert accept_contract(fine, [], []) == []


@pytest.mark.parametrize("order", [1, -1], ids=["as-made", "backwards"])
def test_of_two_claims_on_one_topic_the_oldest_wins(order: int) -> None:
    old = contract("b", created="2026-01-01T00:00:00Z", topicName="shop.orders")
    new = contract("a", created="2026-01-02T00:00:00Z", topicName="shop.orders")
    everybody = [old, new][::order]
    assert accept_contract(old, everybody, []) == []
    assert accept_contract(new, everybody, []) == [
        Refusal(
            ConditionReason.RESOURCE_CONFLICT,
            "spec.topicName",
            "the TopicContract 'b' already claims the topic 'shop.orders'",
        )
    ]


def test_of_two_claims_of_one_age_the_name_decides() -> None:
    one, other = (contract(name, topicName="shop.orders") for name in ("a", "b"))
    assert accept_contract(one, [one, other], []) == []
    assert told(accept_contract(other, [one, other], [])) == [(ConditionReason.RESOURCE_CONFLICT, "spec.topicName")]


def test_a_claim_of_another_namespace_never_wins() -> None:
    thief = contract("a", "bank", created="2020-01-01T00:00:00Z", topicName="shop.orders")
    mine = contract(created="2026-01-01T00:00:00Z")
    assert accept_contract(mine, [thief, mine], []) == []
    assert told(accept_contract(thief, [thief, mine], [])) == [(ConditionReason.NAME_NOT_ALLOWED, "spec.topicName")]


def test_nobody_outside_may_write_commands() -> None:
    refunds = contract("refunds", access={"producers": ["User:web"], "consumers": ["User:web"]})
    assert accept_contract(refunds, [], [agent(command="other"), agent(namespace="bank")]) == []
    refusals = accept_contract(refunds, [], [agent("b"), agent("a")])
    assert told(refusals) == [(ConditionReason.UNGOVERNED_PRODUCER, "spec.access.producers")]
    assert "the commands of a, b" in refusals[0].message


def test_x26_a_topic_of_commands_has_no_frames() -> None:
    refunds = contract("refunds", framing="Confluent")
    assert accept_contract(refunds, [], [agent(command="other"), agent(namespace="bank")]) == []
    refusals = accept_contract(refunds, [], [agent("b"), agent("a")])
    assert told(refusals) == [(ConditionReason.INVALID_SPEC, "spec.framing")]
    assert "the commands of a, b" in refusals[0].message


def test_outside_consumers_of_commands_are_welcome() -> None:
    assert accept_contract(contract("refunds", access={"consumers": ["User:web"]}), [], [agent()]) == []


def test_an_agent_commands_the_topics_of_its_decisions_in_its_namespace() -> None:
    assert commands(agent(), contract("refunds"))
    assert not commands(agent(), contract("orders"))
    assert not commands(agent(), contract("refunds", "bank"))


def test_each_reference_to_nothing_is_told() -> None:
    assert accept_agent(agent(), {"orders": contract(), "refunds": contract("refunds")}) == []
    assert told(accept_agent(agent(), {"refunds"})) == [
        (ConditionReason.REF_NOT_FOUND, "spec.inputs[0].topicRef.name"),
        (ConditionReason.REF_NOT_FOUND, "spec.outcomes[0].topicRef.name"),
    ]


def test_m01_a_reference_to_what_cannot_be_read_is_none_to_nothing() -> None:
    refusal, *others = accept_agent(agent(), {"refunds"}, unread={"orders", "refunds"})
    assert (refusal.reason, refusal.field) == (ConditionReason.REF_NOT_READY, "spec.inputs[0].topicRef.name")
    assert refusal.message == (
        "this version of the operator cannot read the TopicContract 'orders'; an Event of it says why"
    )
    assert [other.reason for other in others] == [ConditionReason.REF_NOT_READY]


def reads_many(count: int) -> tuple[AgentDeployment, list[TopicContract]]:
    """An agent with so many inputs, each of a contract with another schema of 55 kB."""
    schemas = [json.dumps({"title": f"{number:02}", "description": '"' * 27_440}) for number in range(count)]
    contracts = [contract(f"in{number}", schema={"schema": text}) for number, text in enumerate(schemas)]
    inputs = [{"name": f"i{number}", "topicRef": {"name": f"in{number}"}} for number in range(count)]
    made = agent().model_dump(by_alias=True, mode="json")
    return AgentDeployment.model_validate({**made, "spec": {**made["spec"], "inputs": inputs}}), contracts


def test_f03_schemas_that_no_config_map_holds_are_refused_and_all_contracts_named() -> None:
    guard, contracts = reads_many(11)
    [refusal] = accept_event_schemas(guard, contracts)
    assert (refusal.reason, refusal.field) == (ConditionReason.INVALID_SPEC, "spec.inputs")
    total = sum(len(json.dumps(each.spec.value_schema.definition)) for each in contracts if each.spec.value_schema)
    assert f"take {total} bytes as JSON, and at most 983040" in refusal.message
    assert all(f"in{number} (" in refusal.message for number in range(11))


def test_schemas_that_a_config_map_holds_are_accepted() -> None:
    guard, contracts = reads_many(8)
    assert accept_event_schemas(guard, contracts) == []
    resolved = resolve_agent(
        guard, {each.metadata.name: each for each in [*contracts, contract(), contract("refunds")]}
    )
    assert 850_000 < len(resolved.inputs.model_dump_json()) < MAX_EVENT_SCHEMAS_BYTES


def test_m08_an_earlier_schema_counts_for_as_long_as_events_are_judged_by_it() -> None:
    guard, contracts = reads_many(11)
    large = {each.spec.topic_name: each.spec.value_schema.definition for each in contracts if each.spec.value_schema}
    small = TopicSchema.model_validate({"schema": "{}"})
    shrunk = [
        each.model_copy(update={"spec": each.spec.model_copy(update={"value_schema": small})}) for each in contracts
    ]
    assert accept_event_schemas(guard, shrunk) == []
    [refusal] = accept_event_schemas(guard, shrunk, large)
    assert all(f"in{number} (" in refusal.message for number in range(11))
    assert accept_event_schemas(guard, shrunk, dict(list(large.items())[:8])) == []


def test_a_schema_that_several_contracts_say_counts_once() -> None:
    guard, contracts = reads_many(11)
    same = [each.model_copy(update={"spec": contracts[0].spec}) for each in contracts]
    assert accept_event_schemas(guard, same) == []


@pytest.mark.parametrize("name", ["clerk.agent", "streamwarden", "c" * 41])
def test_an_agent_whose_name_could_reach_another_s_is_refused(name: str) -> None:
    assert told(accept_agent(agent(name), {"orders", "refunds"})) == [
        (ConditionReason.NAME_NOT_ALLOWED, "metadata.name")
    ]


def test_every_expression_that_does_not_compile_is_told() -> None:
    refusals = accept_policy(policy("true", "1 +", "nobody"))
    assert told(refusals) == [
        (ConditionReason.INVALID_EXPRESSION, "spec.rules[1].require"),
        (ConditionReason.INVALID_EXPRESSION, "spec.rules[2].require"),
    ]


def test_a_policy_for_all_namespaces_is_not_supported() -> None:
    assert told(accept_policy(policy("true", namespace="streamwarden"))) == [
        (ConditionReason.NOT_SUPPORTED, "metadata.namespace")
    ]
