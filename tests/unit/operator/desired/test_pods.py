"""The objects of an agent in Kubernetes, against golden files.

After a change that is meant: WRITE_GOLDEN=1 pytest tests/unit/operator/desired/test_pods.py, and read the
difference. Such a run always fails, so that it is never taken for a test.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from streamwarden_contract.models import AgentDeployment, TopicContract
from streamwarden_contract.models.pod import (
    EmptyDirSource,
    EnvVar,
    Gate,
    PodFields,
    ResourceList,
    Resources,
    Volume,
    VolumeMount,
)
from streamwarden_operator.desired.agents import resolve_agent
from streamwarden_operator.desired.credentials import agent_secret_name, gate_secret_name
from streamwarden_operator.desired.names import agent_config_name, gate_config_name
from streamwarden_operator.desired.pod_template import GateImage
from streamwarden_operator.desired.pods import build_creation, build_manifests
from streamwarden_operator.desired.workload import build_workload
from support.operator_harness import agent, resolved

ROOT = Path(__file__).parents[4]
CORPUS = ROOT / "tests" / "corpus" / "manifests" / "good"
GOLDEN = Path(__file__).parent / "golden"
WRITE = "WRITE_GOLDEN"

GATE_IMAGE = GateImage("registry.example/streamwarden/gate:1")
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
GUARD = build_workload(
    resolved(agent()),
    operator_namespace="streamwarden",
    installation="streamwarden",
    public_keys="{}",
    credentials_hash="c",
)


def built(file: str, gate_image: GateImage) -> list[dict[str, Any]]:
    """Build the objects of the agent in a file of the corpus."""
    documents = list(yaml.safe_load_all((CORPUS / file).read_text(encoding="utf-8")))
    contracts = [TopicContract.model_validate(parts(found)) for found in documents if found["kind"] == "TopicContract"]
    found = AgentDeployment.model_validate(
        parts(documents[-1]) | {"metadata": documents[-1]["metadata"] | {"uid": "u-1"}}
    )
    workload = build_workload(
        resolve_agent(found, {contract.metadata.name: contract for contract in contracts}),
        operator_namespace="streamwarden",
        installation="streamwarden",
        public_keys='{"k": "AAAA"}',
        credentials_hash="c",
    )
    return list(build_manifests(replace(workload, spec_hash="0" * 64), gate_image))


class Readable(yaml.SafeDumper):
    """Writes texts of several lines as such."""


Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def parts(document: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": document["metadata"], "spec": document["spec"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "gate_image"),
    [
        pytest.param("agent-minimal.yaml", GATE_IMAGE, id="an-agent-with-the-least"),
        pytest.param("agent-full.yaml", replace(GATE_IMAGE, pull_policy="Always"), id="an-agent-with-every-field"),
    ],
)
def test_the_objects_are_those_of_the_golden_file(file: str, gate_image: GateImage) -> None:
    golden, manifests = GOLDEN / file, built(file, gate_image)
    if os.environ.get(WRITE):
        golden.write_text(yaml.dump_all(manifests, Dumper=Readable, sort_keys=False, width=110), encoding="utf-8")
        pytest.fail(f"{golden.name} was written: read the difference, and run without {WRITE}")
    assert manifests == list(yaml.safe_load_all(golden.read_text(encoding="utf-8")))


def deployment_of(**fields: Any) -> dict[str, Any]:
    return build_manifests(replace(GUARD, pod=PodFields(**fields)), GATE_IMAGE)[-1]


def pod_of(**fields: Any) -> dict[str, Any]:
    spec: dict[str, Any] = deployment_of(**fields)["spec"]["template"]["spec"]
    return spec


def gate_of(**fields: Any) -> dict[str, Any]:
    container: dict[str, Any] = pod_of(**fields)["initContainers"][0]
    return container


def agent_of(**fields: Any) -> dict[str, Any]:
    container: dict[str, Any] = pod_of(**fields)["containers"][0]
    return container


def test_an_apply_never_names_replicas_and_a_creation_does() -> None:
    deployment = deployment_of()
    assert "replicas" not in deployment["spec"]
    assert build_creation(deployment, 0) == {**deployment, "spec": {**deployment["spec"], "replicas": 0}}
    assert "replicas" not in deployment["spec"]


def test_the_deployment_comes_last_and_everything_is_the_agent_s() -> None:
    manifests = build_manifests(GUARD, GATE_IMAGE)
    assert [(found["kind"], found["metadata"]["name"]) for found in manifests] == [
        ("ServiceAccount", "guard"),
        ("ConfigMap", "guard-agent-config"),
        ("ConfigMap", "guard-gate-config"),
        ("NetworkPolicy", "guard"),
        ("PodDisruptionBudget", "guard"),
        ("Deployment", "guard"),
    ]
    owners = [found["metadata"]["ownerReferences"] for found in manifests]
    assert {(one["kind"], one["uid"], one["controller"]) for (one,) in owners} == {
        ("AgentDeployment", "uid-guard", True)
    }


def test_the_selectors_are_equal_and_select_the_pods() -> None:
    _, _, _, policy, budget, deployment = build_manifests(GUARD, GATE_IMAGE)
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector == {"app.kubernetes.io/name": "streamwarden-agent", "app.kubernetes.io/instance": "guard"}
    assert policy["spec"]["podSelector"]["matchLabels"] == budget["spec"]["selector"]["matchLabels"] == selector
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_the_gate_runs_the_operator_s_image_as_a_sidecar() -> None:
    gate = gate_of()
    assert (gate["name"], gate["image"], gate["restartPolicy"]) == ("gate", GATE_IMAGE.name, "Always")
    assert agent_of()["image"] == "registry.example/guard:1"


def test_agent_and_gate_share_no_volume() -> None:
    pod = pod_of(volumes=(Volume(name="a", empty_dir=EmptyDirSource()),), volume_mounts=(mount("a", "/a"),))
    of_agent, of_gate = (
        {found["name"] for found in pod[part][0]["volumeMounts"]} for part in ("containers", "initContainers")
    )
    assert of_agent & of_gate == set()
    assert of_agent | of_gate == {volume["name"] for volume in pod["volumes"]}


def test_each_container_sees_its_own_credentials_and_configuration_only() -> None:
    pod = pod_of()
    sources = {volume["name"]: volume for volume in pod["volumes"]}
    for container, secret, config in (
        (pod["containers"][0], agent_secret_name("guard"), agent_config_name("guard")),
        (pod["initContainers"][0], gate_secret_name("guard"), gate_config_name("guard")),
    ):
        mounts = {found["mountPath"]: sources[found["name"]] for found in container["volumeMounts"]}
        read_only = {found["mountPath"] for found in container["volumeMounts"] if found.get("readOnly")}
        assert mounts["/etc/streamwarden/credentials"]["secret"] == {"secretName": secret, "defaultMode": 0o440}
        assert mounts["/etc/streamwarden/config"]["configMap"] == {"name": config}
        assert read_only == {"/etc/streamwarden/credentials", "/etc/streamwarden/config"}


def test_the_pods_are_restricted_whatever_is_said() -> None:
    pod = pod_of()
    assert (pod["automountServiceAccountToken"], pod["shareProcessNamespace"], pod["enableServiceLinks"]) == (
        False,
        False,
        False,
    )
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert agent_of()["securityContext"] == RESTRICTED
    assert gate_of()["securityContext"] == RESTRICTED | {"runAsUser": 10001, "runAsGroup": 10001}


def test_our_variables_come_after_the_user_s() -> None:
    names = [found["name"] for found in agent_of(env=(EnvVar(name="A", value="1"),))["env"]]
    ours = [f"STREAMWARDEN_{name}" for name in ("CONFIG", "CREDENTIALS", "POD", "READY_FILE", "LAST_WORDS")]
    assert names == ["A", *ours]
    gate = [found["name"] for found in gate_of(env=(EnvVar(name="A", value="1"),))["env"]]
    assert gate == [*ours, "STREAMWARDEN_GATE_MEMORY_LIMIT"]


def mount(name: str, path: str) -> VolumeMount:
    return VolumeMount(name=name, mount_path=path)


@pytest.mark.parametrize("path", ["/tmp", "/tmp/"])  # noqa: S108  # a container's
def test_the_user_s_own_temporary_folder_takes_the_place_of_ours(path: str) -> None:
    pod = pod_of(volumes=(Volume(name="a", empty_dir=EmptyDirSource()),), volume_mounts=(mount("a", path),))
    paths = [found["mountPath"].rstrip("/") for found in pod["containers"][0]["volumeMounts"]]
    assert paths.count("/tmp") == 1  # noqa: S108
    assert "streamwarden-agent-tmp" not in {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            Resources(),
            {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
            id="nothing-said-is-the-default",
        ),
        pytest.param(
            Resources(requests=ResourceList(cpu=1)),
            {"requests": {"cpu": 1, "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
            id="what-is-said-of-cpu-leaves-the-memory",
        ),
        pytest.param(
            Resources(limits=ResourceList(memory="64Mi")),
            {"requests": {"cpu": "50m"}, "limits": {"memory": "64Mi"}},
            id="a-limit-below-the-default-request-is-no-contradiction",
        ),
        pytest.param(
            Resources(requests=ResourceList(memory="1Gi")),
            {"requests": {"cpu": "50m", "memory": "1Gi"}},
            id="a-request-above-the-default-limit-is-no-contradiction",
        ),
    ],
)
def test_resources_of_the_gate(said: Resources, expected: dict[str, Any]) -> None:
    assert gate_of(gate=Gate(resources=said))["resources"] == expected


def test_the_operators_limits_reach_the_gate_and_not_the_agent() -> None:
    limited = replace(GATE_IMAGE, environment={"STREAMWARDEN_GATE_MAX_RATE": "100"})
    spec = build_manifests(GUARD, limited)[-1]["spec"]["template"]["spec"]
    said = {"name": "STREAMWARDEN_GATE_MAX_RATE", "value": "100"}
    assert said in spec["initContainers"][0]["env"]
    assert said not in spec["containers"][0]["env"]
