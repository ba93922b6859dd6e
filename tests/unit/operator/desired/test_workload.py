"""What pods are made of: credentials, configuration, and the hash that replaces them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamwarden_contract.models.pod import PodFields
from streamwarden_contract.models.scaling import Scaling
from streamwarden_contract.runtime_config import AgentInputs, InputTopic
from streamwarden_operator.desired.credentials import Credential, build_secret, find_credential
from streamwarden_operator.desired.names import agent_config_name
from streamwarden_operator.desired.pod_template import GateImage
from streamwarden_operator.desired.pods import build_manifests
from streamwarden_operator.desired.workload import build_workload
from support.operator_harness import agent, resolved

GUARD = agent()


def hash_of(**changes: object) -> str:
    arguments = {
        "operator_namespace": "streamwarden",
        "installation": "streamwarden",
        "public_keys": "{}",
        "credentials_hash": "c",
    }
    spec = GUARD.spec.model_copy(update={key: value for key, value in changes.items() if key not in arguments})
    arguments |= {key: str(value) for key, value in changes.items() if key in arguments}
    return build_workload(resolved(GUARD.model_copy(update={"spec": spec})), **arguments, decision_format=1).spec_hash


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"image": "registry.example/guard:2"}, True, id="another-image"),
        pytest.param({"inputs": (GUARD.spec.inputs[0].model_copy(update={"types": ("x",)}),)}, True, id="other-types"),
        pytest.param({"credentials_hash": "d"}, True, id="new-passwords"),
        pytest.param({"installation": "other"}, True, id="another-installation"),
        pytest.param({"public_keys": '{"k": "v"}'}, False, id="new-keys-are-reread"),
    ],
)
def test_pods_are_replaced_for_what_they_cannot_reread(changes: dict[str, object], replaced: bool) -> None:  # noqa: FBT001  # a parameter of the test
    assert (hash_of(**changes) != hash_of()) == replaced


def test_what_gates_read_is_reread_and_a_file_of_its_own_that_older_runtimes_pass_over() -> None:
    older, newer = (
        build_workload(
            resolved(GUARD),
            operator_namespace="o",
            installation="o",
            public_keys="{}",
            credentials_hash="c",
            decision_format=number,
        )
        for number in (1, 2)
    )
    assert (older.formats, newer.formats) == ("", '{"decision":2}')
    assert (older.agent_config, older.spec_hash) == (newer.agent_config, newer.spec_hash)
    files = [build_manifests(each, GateImage("gate:1"))[1]["data"] for each in (older, newer)]
    assert [sorted(each) for each in files] == [["agent.json"], ["agent.json", "formats.json"]]


OTHER_PODS: dict[str, object] = {
    "image_pull_policy": "Always",
    "image_pull_secrets": [{"name": "registry"}],
    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}],
    "env_from": [{"secretRef": {"name": "a"}}],
    "volumes": [{"name": "a", "emptyDir": {}}],
    "volume_mounts": [{"name": "a", "mountPath": "/a"}],
    "resources": {"limits": {"memory": "1Gi"}},
    "gate": {"resources": {"requests": {"cpu": 1}}},
    "node_selector": {"disk": "ssd"},
    "tolerations": [{"operator": "Exists"}],
    "priority_class_name": "agents",
    "termination_grace_period_seconds": 31,
}


def test_the_table_has_every_pod_field() -> None:
    assert OTHER_PODS.keys() == PodFields.model_fields.keys()


@pytest.mark.parametrize("field", OTHER_PODS)
def test_pods_are_replaced_for_a_change_of(field: str) -> None:
    changed = PodFields.model_validate({field: OTHER_PODS[field]})
    assert hash_of(**{field: getattr(changed, field)}) != hash_of()


def test_pods_are_not_replaced_for_another_number_of_them() -> None:
    assert hash_of(scaling=Scaling(max_replica_count=3)) == hash_of()


def test_the_workload_says_what_the_spec_says_of_the_pods() -> None:
    said = PodFields.model_validate(OTHER_PODS)
    guard = GUARD.model_copy(update={"spec": GUARD.spec.model_copy(update=dict(said))})
    workload = build_workload(
        resolved(guard),
        operator_namespace="s",
        installation="streamwarden",
        public_keys="{}",
        credentials_hash="c",
    )
    assert workload.pod == said


def test_a_secret_is_a_client_configuration_of_one_user() -> None:
    secret = build_secret("risk.guard.gate", Credential("p=w"), "broker:9092")
    assert secret == {
        "client.properties": "bootstrap.servers=broker:9092\nsecurity.protocol=SASL_PLAINTEXT\n"
        "sasl.mechanism=SCRAM-SHA-512\nsasl.username=risk.guard.gate\nsasl.password=p=w\n"
        "partitioner=murmur2_random\n"
    }
    assert find_credential(secret, "risk.guard.gate") == Credential("p=w")


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(None, id="no-secret"),
        pytest.param({}, id="empty"),
        pytest.param({"client.properties": "garbage"}, id="garbage"),
        pytest.param(build_secret("somebody.else.gate", Credential("x"), "b:1"), id="another-user"),
    ],
)
def test_a_secret_without_the_users_password_gets_a_new_one(secret: dict[str, str] | None) -> None:
    assert find_credential(secret, "risk.guard.gate") is None


def test_a_line_that_is_no_setting_keeps_a_user_its_password() -> None:
    text = (
        build_secret("risk.guard.gate", Credential("pw"), "b:1")["client.properties"]
        + "a note\nsecurity.protocol=NONE\n"
    )
    assert find_credential({"client.properties": text}, "risk.guard.gate") == Credential("pw")


def test_contracts_of_inputs_are_reread_and_replace_no_pods() -> None:
    found = resolved(GUARD)
    judged = replace(found, inputs=AgentInputs(topics={"risk.pages": InputTopic(event_type="page.seen")}))
    plain, told = (
        build_workload(
            each, operator_namespace="streamwarden", installation="streamwarden", public_keys="{}", credentials_hash="c"
        )
        for each in (found, judged)
    )
    assert plain.agent_inputs == ""
    assert AgentInputs.model_validate_json(told.agent_inputs) == judged.inputs
    assert told.spec_hash == plain.spec_hash
    image = GateImage("registry.example/gate:1")
    [config] = [each for each in build_manifests(told, image) if each["metadata"]["name"] == agent_config_name("guard")]
    assert config["data"] == {"agent.json": told.agent_config, "inputs.json": told.agent_inputs}
