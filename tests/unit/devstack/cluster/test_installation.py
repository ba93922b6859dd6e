"""The overlays that an installation applies, seen by a ``kubectl`` that only writes down what it was asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from streamwarden_devstack.cluster import Cluster, NotReadyError
from streamwarden_devstack.cluster.installation import Kafka, install_example, install_operator

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = {name: f"localhost/streamwarden/{name}:abc" for name in ("operator", "gate", "phishing-example")}
KUBECTL = """#!/bin/sh
shift 2
echo "$*" >>{log}
case "$*" in
  *"rollout status"*) test ! -e {broken} ;;
  *logs*) echo "cannot go on: no brokers" ;;
esac
"""


class Recorder:
    """A cluster whose ``kubectl`` is a stand-in."""

    def __init__(self, folder: Path) -> None:
        self.log, self.broken = folder / "asked", folder / "broken"
        kubectl = folder / "kubectl"
        kubectl.write_text(KUBECTL.format(log=self.log, broken=self.broken))
        kubectl.chmod(0o755)
        provider = SimpleNamespace(kubectl=kubectl, kubeconfig=folder / "config")
        self.cluster = Cluster(cast("Any", provider), IMAGES)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def test_the_operator_comes_with_our_images_its_settings_and_a_secret_of_its_own(
    recorder: Recorder, tmp_path: Path
) -> None:
    overlay = tmp_path / "build" / "operator"
    kafka = Kafka("bootstrap.servers=10.0.0.1:9092\n", "http://10.0.0.1:8080")
    install_operator(recorder.cluster, kafka, tmp_path / "source", overlay)

    assert recorder.asked[0] == f"apply --server-side --force-conflicts -k {overlay}"
    assert recorder.asked[1].startswith("rollout status deployment/streamwarden-operator -n streamwarden")
    found = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    assert found["resources"] == ["../../source/config/default"]
    assert {
        "name": "streamwarden/operator",
        "newName": "localhost/streamwarden/operator",
        "newTag": "abc",
    } in found["images"]
    assert found["configMapGenerator"][0]["literals"] == [
        "STREAMWARDEN_GATE_IMAGE=localhost/streamwarden/gate:abc",
        "STREAMWARDEN_REGISTRY_URL=http://10.0.0.1:8080",
    ]
    secret = overlay / "librdkafka.properties"
    assert secret.read_text() == kafka.properties
    assert secret.stat().st_mode & 0o777 == 0o600
    assert overlay.stat().st_mode & 0o777 == 0o700


def test_an_operator_that_does_not_get_ready_is_shown_with_its_last_words(recorder: Recorder, tmp_path: Path) -> None:
    recorder.broken.touch()
    with pytest.raises(NotReadyError, match="cannot go on: no brokers"):
        install_operator(recorder.cluster, Kafka("a=b\n"), tmp_path / "source", tmp_path / "overlay")


def test_agents_of_an_example_run_our_images(recorder: Recorder, tmp_path: Path) -> None:
    install_example(recorder.cluster, tmp_path / "example", tmp_path / "overlay")
    found = yaml.safe_load((tmp_path / "overlay" / "kustomization.yaml").read_text())
    fields = yaml.safe_load((tmp_path / "overlay" / found["configurations"][0]).read_text())
    assert fields == {"images": [{"path": "spec/image", "kind": "AgentDeployment"}]}
    assert found["resources"] == ["../example"]
