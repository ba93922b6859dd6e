"""The conventions of the three kinds."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from streamwarden_contract import canonical, names, reasons
from streamwarden_contract.models import KINDS, AgentDeployment, Condition, Kind, Policy, TopicContract
from streamwarden_contract.models.agent_deployment import AgentDeploymentSpec
from streamwarden_contract.models.policy import MAX_PARAMS_DEPTH, AgentSelector, PolicySpec
from streamwarden_contract.models.topic_contract import TopicContractSpec
from streamwarden_contract.runtime_config import AgentConfig, GateConfig, SourceTopic

CONTRACT = {"metadata": {"name": "orders", "namespace": "shop"}, "spec": {"topicName": "shop.orders"}}


def test_the_kinds_have_their_names() -> None:
    assert [(kind.__name__, kind.plural, kind.short_name) for kind in KINDS] == [
        ("TopicContract", "topiccontracts", "tct"),
        ("Policy", "policies", "swpol"),
        ("AgentDeployment", "agentdeployments", "agd"),
    ]


def test_yaml_is_in_camel_case_and_python_in_snake_case() -> None:
    contract = TopicContract.model_validate(
        {**CONTRACT, "spec": {"topicName": "shop.orders", "deletionPolicy": "Delete"}}
    )
    assert (contract.spec.topic_name, contract.spec.deletion_policy) == ("shop.orders", "Delete")
    assert contract.spec == TopicContractSpec(topic_name="shop.orders", deletion_policy="Delete")
    written = contract.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert written["spec"] == {"topicName": "shop.orders", "deletionPolicy": "Delete"}


def test_a_schema_is_called_schema_in_yaml() -> None:
    contract = TopicContract.model_validate(
        {**CONTRACT, "spec": {"topicName": "shop.orders", "schema": {"schema": "{}"}}}
    )
    assert contract.spec.value_schema is not None
    assert contract.spec.value_schema.definition == "{}"
    assert contract.model_dump(by_alias=True)["spec"]["schema"]["schema"] == "{}"


def test_resources_are_frozen() -> None:
    contract = TopicContract.model_validate(CONTRACT)
    with pytest.raises(ValidationError, match="frozen"):
        contract.spec = TopicContractSpec(topic_name="shop.other")  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("field", ["metadata", "spec"])
def test_metadata_may_hold_more_and_a_spec_may_not(field: str) -> None:
    manifest: dict[str, Any] = {**CONTRACT, field: {**CONTRACT[field], "managedFields": []}}
    if field == "metadata":
        assert TopicContract.model_validate(manifest).metadata.namespace == "shop"
    else:
        with pytest.raises(ValidationError, match="managedFields"):
            TopicContract.model_validate(manifest)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"access": {"producers": ["User:a", "User:a"]}}, "producers lists something twice", id="a-principal"
        ),
        pytest.param({"config": {"a.b": True, "c": 1.5}}, "config", id="a-config-that-is-no-string-or-integer"),
    ],
)
def test_a_contract_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TopicContract.model_validate({**CONTRACT, "spec": {"topicName": "shop.orders", **spec}})


def test_what_is_listed_twice_is_refused_by_its_key() -> None:
    ref = {"name": "orders"}
    inputs = [{"name": "a", "topicRef": ref}, {"name": "a", "topicRef": ref}]
    with pytest.raises(ValidationError, match="inputs lists something twice"):
        AgentDeploymentSpec.model_validate(
            {
                "image": "i",
                "agent": {"entrypoint": "a:b"},
                "inputs": inputs,
                "decisions": [{"type": "t", "commandTopicRef": ref}],
            }
        )


def test_an_empty_selector_selects_every_agent() -> None:
    assert AgentSelector().selects({})
    assert AgentSelector().selects({"role": "any"})


@pytest.mark.parametrize(
    ("labels", "selected"),
    [
        ({"role": "a", "tier": "b", "more": "c"}, True),
        ({"role": "a"}, False),
        ({"role": "a", "tier": "x"}, False),
        ({}, False),
    ],
)
def test_a_selector_wants_all_of_its_labels(labels: dict[str, str], selected: bool) -> None:  # noqa: FBT001  # a table
    assert AgentSelector(match_labels={"role": "a", "tier": "b"}).selects(labels) is selected


def test_the_name_rule_of_the_crd_is_the_rule_of_the_code() -> None:
    assert f"matches('{names.AGENT_NAME_PATTERN}')" in AgentDeployment.name_rules[0][0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_a_new_resource_has_an_empty_status(kind: type[Kind]) -> None:
    status: Any = kind.model_fields["status"].get_default()
    assert (status.observed_generation, status.conditions) == (0, ())


def test_a_policy_of_one_line_is_enforced_and_allows_all() -> None:
    policy = Policy.model_validate({"metadata": {"name": "p"}, "spec": {}})
    assert (policy.spec.failure_action, policy.spec.rules, policy.spec.match.decisions) == ("Enforce", (), ())


def test_a_condition_has_one_of_three_states() -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate({"type": "Ready", "status": "true", "reason": "OK"})


@pytest.mark.parametrize("words", [reasons.VerdictReason, reasons.DeadLetterReason, reasons.ConditionReason])
def test_a_reason_is_one_word_in_camel_case(words: type[reasons.VerdictReason]) -> None:
    assert all(word.value.isalnum() and word.value[0].isupper() for word in words)
    assert len({word.value for word in words}) == len(words)


def test_what_the_operator_tells_an_agent_is_read_back() -> None:
    config = AgentConfig(
        namespace="risk",
        agent="url-guard",
        uid="uid-1",
        entrypoint="url_guard:agent",
        decision_topic="risk.url-guard.decisions",
        decision_types=("block-url",),
        sources=(SourceTopic(name="urls", topic="risk.urls.observed", types=("url.observed",)),),
    )
    assert AgentConfig.model_validate_json(config.model_dump_json(by_alias=True)) == config
    gate = GateConfig(namespace="risk", agent="url-guard", uid="uid-1")
    assert GateConfig.model_validate_json(gate.model_dump_json(by_alias=True)) == gate


def test_data_beside_rules_is_the_same_from_a_file_and_from_an_api_server() -> None:
    given = {"whole": 2.0, "half": 0.5, "list": [1.0, {"deep": 3.0}], "text": "2.0", "yes": True, "far": 1e300}
    found = PolicySpec.model_validate({"params": given}).params
    assert json.dumps(found) == (
        '{"whole": 2, "half": 0.5, "list": [1, {"deep": 3}], "text": "2.0", "yes": true, "far": 1e+300}'
    )


def test_data_beside_rules_is_nested_as_deep_as_a_record_can_carry_it() -> None:
    def nested(depth: int) -> dict[str, object]:
        value: object = 1
        for _ in range(depth):
            value = {"a": value}
        return {"params": value}

    deep = PolicySpec.model_validate(nested(MAX_PARAMS_DEPTH)).model_dump(mode="json", by_alias=True)
    assert canonical.decode(canonical.encode({"spec": deep})) == {"spec": deep}
    for depth in (MAX_PARAMS_DEPTH + 1, 300, 5_000):
        with pytest.raises(ValidationError) as refused:
            PolicySpec.model_validate(nested(depth))
        (error,) = refused.value.errors()
        assert (error["loc"], error["msg"]) == (("params",), "Value error, nested deeper than 62")
