from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import yaml
from streamwarden_devstack.cluster.services import Layout, build_files, build_plan

LAYOUT = Layout(Path("/state"), Path("/programs"))


def test_the_control_plane_answers_before_anything_that_asks_it_is_started() -> None:
    steps = [step.get("run", "until") for step in build_plan(LAYOUT)["steps"]]

    assert steps == [
        "etcd",
        "containerd",
        "kube-apiserver",
        "until",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
    ]


def test_the_plan_is_json_that_names_no_folder_but_ours_and_the_wellknown() -> None:
    plan = json.loads(json.dumps(build_plan(LAYOUT)))

    assert all(source.startswith(("/state/root/", "/usr/lib/cni")) for source, _ in plan["binds"])
    assert plan["path"].startswith("/programs:")


def test_nothing_that_only_the_machine_itself_needs_listens_on_every_address() -> None:
    commands = {step["run"]: step["command"] for step in build_plan(LAYOUT)["steps"] if "run" in step}

    assert all("127.0.0.1" in option for option in commands["etcd"] if "listen" in option)
    assert "--bind-address=127.0.0.1" in commands["kube-controller-manager"]
    assert "--bind-address=127.0.0.1" in commands["kube-scheduler"]


@pytest.mark.parametrize("snapshotter", ["overlayfs", "native"])
def test_containerd_unpacks_as_the_file_system_allows(snapshotter: str) -> None:
    layout = Layout(LAYOUT.state, LAYOUT.programs, snapshotter)
    text = build_files(layout)[Path("/state/containerd.toml")]

    assert tomllib.loads(text)["plugins"]["io.containerd.cri.v1.images"]["snapshotter"] == snapshotter


def test_the_kubelet_serves_nobody_it_does_not_know() -> None:
    kubelet = yaml.safe_load(build_files(LAYOUT)[Path("/state/kubelet.yaml")])

    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authorization"] == {"mode": "Webhook"}
