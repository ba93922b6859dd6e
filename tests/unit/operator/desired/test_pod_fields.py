"""What reaches for Streamwarden's own is refused twice: by the CRD's rules, and before pods are built."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from streamwarden_cli.generated.crd_yaml import Schema, structural_schema
from streamwarden_cli.local.structural import broken_rules, problems_of, with_defaults
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models import pod_rules as rules
from streamwarden_contract.models.pod import PodFields, VolumeMount
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.acceptance import Refusal, accept_agent
from streamwarden_operator.desired.credentials import agent_secret_name, gate_secret_name
from streamwarden_operator.desired.names import agent_config_name, gate_config_name
from streamwarden_operator.desired.pod_fields import pod_faults
from streamwarden_operator.desired.pod_template import GateImage, build_pod_template
from streamwarden_operator.desired.pods import build_manifests
from streamwarden_operator.desired.workload import build_workload
from streamwarden_operator.errors import InvalidSpecError
from support.operator_harness import agent, contract, resolved

CONTRACTS = {"pages": contract("pages"), "commands": contract("commands")}
GUARD = build_workload(
    resolved(agent()),
    operator_namespace="streamwarden",
    installation="streamwarden",
    public_keys="{}",
    credentials_hash="c",
)
GATE_IMAGE = GateImage("gate:1")
DATA = {"name": "data", "emptyDir": {}}


def variable(**source: Any) -> dict[str, Any]:
    return {"env": [{"name": "A", "valueFrom": source}]}


def mounted(path: str, **fields: str) -> dict[str, Any]:
    return {"volumes": [DATA], "volumeMounts": [{"name": "data", "mountPath": path, **fields}]}


def volume(**fields: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "data", **fields}]}


SECRETS = [agent_secret_name("guard"), gate_secret_name("guard"), gate_secret_name("other")]
CONFIG_MAPS = [agent_config_name("guard"), gate_config_name("guard")]
KEY = {"key": "k"}

REFUSED = [
    *(
        pytest.param(fields, field, rules.OUR_SECRET, id=f"{where}-{name}")
        for name in SECRETS
        for where, field, fields in (
            (
                "a-variable-from-the-secret",
                "env[0].valueFrom.secretKeyRef.name",
                variable(secretKeyRef={"name": name, **KEY}),
            ),
            ("variables-from-the-secret", "envFrom[0].secretRef.name", {"envFrom": [{"secretRef": {"name": name}}]}),
            ("a-volume-of-the-secret", "volumes[0].secret.secretName", volume(secret={"secretName": name})),
            ("the-pull-secret", "imagePullSecrets[0].name", {"imagePullSecrets": [{"name": name}]}),
        )
    ),
    *(
        pytest.param(fields, field, rules.OUR_CONFIG_MAP, id=f"{where}-{name}")
        for name in CONFIG_MAPS
        for where, field, fields in (
            (
                "a-variable-from-the-config-map",
                "env[0].valueFrom.configMapKeyRef.name",
                variable(configMapKeyRef={"name": name, **KEY}),
            ),
            (
                "variables-from-the-config-map",
                "envFrom[0].configMapRef.name",
                {"envFrom": [{"configMapRef": {"name": name}}]},
            ),
            ("a-volume-of-the-config-map", "volumes[0].configMap.name", volume(configMap={"name": name})),
        )
    ),
    pytest.param(
        {"env": [{"name": "STREAMWARDEN_POD"}]}, "env[0].name", rules.OUR_ENV, id="a-variable-with-a-name-of-ours"
    ),
    pytest.param(
        {"envFrom": [{"prefix": "STREAMWARDEN_", "secretRef": {"name": "a"}}]},
        "envFrom[0].prefix",
        rules.OUR_ENV,
        id="variables-with-names-of-ours",
    ),
    pytest.param(
        {"env": [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "a", **KEY}}}]},
        "env[0].valueFrom",
        rules.ONE_VALUE,
        id="a-variable-of-two-values",
    ),
    pytest.param(variable(), "env[0].valueFrom", rules.ONE_KEY_SOURCE, id="a-variable-whose-fieldRef-was-pruned"),
    pytest.param(
        variable(secretKeyRef={"name": "a", **KEY}, configMapKeyRef={"name": "a", **KEY}),
        "env[0].valueFrom",
        rules.ONE_KEY_SOURCE,
        id="a-variable-of-two-sources",
    ),
    pytest.param({"envFrom": [{}]}, "envFrom[0]", rules.ONE_ENV_SOURCE, id="variables-of-nothing"),
    pytest.param(
        {"envFrom": [{"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}]},
        "envFrom[0]",
        rules.ONE_ENV_SOURCE,
        id="variables-of-two-sources",
    ),
    pytest.param(volume(), "volumes[0]", rules.ONE_VOLUME_SOURCE, id="a-volume-whose-hostPath-was-pruned"),
    pytest.param(
        volume(emptyDir={}, secret={"secretName": "a"}),
        "volumes[0]",
        rules.ONE_VOLUME_SOURCE,
        id="a-volume-of-two-sources",
    ),
    pytest.param(
        volume(name="streamwarden-agent-run", emptyDir={}), "volumes[0].name", rules.OUR_VOLUME, id="a-volume-like-ours"
    ),
    pytest.param(
        {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        "volumeMounts[0].name",
        rules.UNKNOWN_VOLUME,
        id="a-mount-of-no-volume",
    ),
    *(
        pytest.param(mounted(path), "volumeMounts[0].mountPath", rules.OUR_PATH, id=f"a-mount-at-{path}")
        for path in (
            "/etc/streamwarden",
            "/etc/streamwarden/",
            "/etc/streamwarden/credentials",
            "/run/streamwarden",
            "/run/streamwarden/ready",
            "/var/run/streamwarden",
            "/etc",
            "/etc/",
            "/run",
            "/var/run",
        )
    ),
    pytest.param(
        mounted("/data/../etc"), "volumeMounts[0].mountPath", rules.RELATIVE_STEP, id="a-mount-with-steps-back"
    ),
    pytest.param(
        mounted("/data", subPath="../secrets"),
        "volumeMounts[0].subPath",
        rules.RELATIVE_STEP,
        id="a-step-out-of-a-volume",
    ),
]


@pytest.mark.parametrize(("fields", "field", "message"), REFUSED)
def test_the_crd_refuses_it(fields: dict[str, Any], field: str, message: str) -> None:
    schema = cast("dict[str, Schema]", structural_schema(AgentDeployment)["properties"])["spec"]
    spec = with_defaults({**agent().spec.model_dump(by_alias=True, exclude_none=True, mode="json"), **fields}, schema)
    assert problems_of(spec, schema, ()) == []
    assert message in {problem.message for problem in broken_rules(spec, None, schema, ())}, field


@pytest.mark.parametrize(("fields", "field", "message"), REFUSED)
def test_no_pods_are_built_of_it(fields: dict[str, Any], field: str, message: str) -> None:
    workload = replace(GUARD, pod=PodFields.model_validate(fields))
    with pytest.raises(InvalidSpecError) as raised:
        build_manifests(workload, GATE_IMAGE)
    assert str(raised.value) == f"spec.{field}: {message}"


@pytest.mark.parametrize(("fields", "field", "message"), REFUSED)
def test_the_agent_is_not_accepted_with_it(fields: dict[str, Any], field: str, message: str) -> None:
    guard = agent()
    changed = guard.spec.model_copy(update=dict(PodFields.model_validate(fields)))
    refusals = accept_agent(guard.model_copy(update={"spec": changed}), CONTRACTS)
    assert refusals == [Refusal(ConditionReason.INVALID_SPEC, f"spec.{field}", message)]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("/", rules.OUR_PATH, id="the-root"),
        pytest.param("//", rules.OUR_PATH, id="the-root-written-twice"),
        pytest.param("/etc//streamwarden", rules.OUR_PATH, id="an-empty-step"),
        pytest.param("/./run/./streamwarden", rules.OUR_PATH, id="steps-that-lead-nowhere"),
        pytest.param("/data/..", rules.RELATIVE_STEP, id="a-step-back"),
    ],
)
def test_a_path_that_an_older_schema_let_pass_is_read_as_a_container_s_runtime_does(path: str, message: str) -> None:
    pod = PodFields.model_validate(mounted("/data"))
    old = pod.model_copy(
        update={"volume_mounts": (VolumeMount.model_construct(name="data", mount_path=path, sub_path=""),)}
    )
    assert list(pod_faults(old)) == [("volumeMounts[0].mountPath", message)]


@pytest.mark.parametrize(
    "path", ["/etc/streamwarden-data", "/etc/clerk", "/var", "/run/clerk", "/opt/etc/streamwarden", "/data/.cache/..x"]
)
def test_other_paths_are_the_user_s(path: str) -> None:
    schema = cast("dict[str, Schema]", structural_schema(AgentDeployment)["properties"])["spec"]
    fields = with_defaults(
        {**agent().spec.model_dump(by_alias=True, exclude_none=True, mode="json"), **mounted(path)}, schema
    )
    assert [*problems_of(fields, schema, ()), *broken_rules(fields, None, schema, ())] == []
    assert list(pod_faults(PodFields.model_validate(mounted(path)))) == []


def test_every_volume_and_path_of_ours_is_covered_by_the_rules() -> None:
    template = build_pod_template(GUARD, GATE_IMAGE)["spec"]
    names = {found["name"] for found in template["volumes"]}
    assert all(name.startswith(rules.VOLUME_PREFIX) for name in names)
    containers = [*template["containers"], *template["initContainers"]]
    paths = {found["mountPath"] for container in containers for found in container["volumeMounts"]} - {"/tmp"}  # noqa: S108
    for path in paths:
        assert list(pod_faults(PodFields.model_validate(mounted(path))))
    assert all(found["name"].startswith(rules.ENV_PREFIX) for container in containers for found in container["env"])
