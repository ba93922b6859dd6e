"""Installs the operator and kustomizations of this source tree into a cluster, with the images that it has."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.cluster.errors import ClusterError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamwarden_devstack.cluster.running import Cluster

NAMESPACE = "streamwarden"
_OPERATOR = "streamwarden-operator"
_KAFKA_FILE = "librdkafka.properties"
_READY_TIMEOUT = "180s"
_AGENT_IMAGES = {"images": [{"path": "spec/image", "kind": "AgentDeployment"}]}
"""Where kustomize finds images beside those of pods."""


@dataclass(frozen=True, slots=True)
class Kafka:
    """The Kafka that the operator governs."""

    properties: str
    """librdkafka's settings of the operator's own user, one ``name=value`` a line. Holds a password."""
    registry_url: str = ""
    """The schema registry's; empty: none."""


def install_operator(cluster: Cluster, kafka: Kafka, source: Path, folder: Path) -> None:
    """Apply ``config/default`` of the source tree, and wait until the operator is ready.

    Args:
        cluster: where; its images are used.
        kafka: what it governs, at an address that pods reach.
        source: root of the source tree.
        folder: where the overlay is written (0700), again each time.

    Raises:
        ClusterError: kubectl failed, or the operator did not become ready; its last log lines are in the message.
    """
    apply(cluster, _operator_overlay(cluster.images, kafka, source / "config" / "default", folder))
    await_rollout(cluster, NAMESPACE, _OPERATOR)


def install_example(cluster: Cluster, example: Path, folder: Path) -> None:
    """Apply a kustomization whose agents run one of the cluster's images."""
    overlay = _overlay(cluster.images, example, folder)
    write_private(folder / "image_fields.yaml", yaml.safe_dump(_AGENT_IMAGES))
    write_private(folder / "kustomization.yaml", yaml.safe_dump(overlay | {"configurations": ["image_fields.yaml"]}))
    apply(cluster, folder)


def apply(cluster: Cluster, folder: Path) -> None:
    """Apply a kustomization by server-side apply."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", folder)


def await_rollout(cluster: Cluster, namespace: str, deployment: str) -> None:
    """Wait until all pods of a Deployment are ready.

    Raises:
        ClusterError: they are not in three minutes; the message has what is wrong with them.
    """
    try:
        cluster.kubectl("rollout", "status", f"deployment/{deployment}", "-n", namespace, "--timeout", _READY_TIMEOUT)
    except ClusterError as error:
        said = []
        for look in (
            ("get", "pods", "-n", namespace),
            ("logs", f"deployment/{deployment}", "-n", namespace, "--tail=20"),
        ):
            try:
                said.append(cluster.kubectl(*look))
            except ClusterError as silence:
                said.append(str(silence))
        raise NotReadyError(f"{namespace}/{deployment} is not ready: {error}\n" + "\n".join(said)) from error


def _operator_overlay(images: Mapping[str, str], kafka: Kafka, base: Path, folder: Path) -> Path:
    overlay = _overlay(images, base, folder)
    settings = [f"STREAMWARDEN_GATE_IMAGE={images['gate']}", f"STREAMWARDEN_REGISTRY_URL={kafka.registry_url}"]
    write_private(folder / _KAFKA_FILE, kafka.properties)
    overlay |= {
        "configMapGenerator": [
            {"name": _OPERATOR, "namespace": NAMESPACE, "behavior": "merge", "literals": settings},
        ],
        # Its name gets a hash of its content: new settings are a new pod.
        "secretGenerator": [{"name": "streamwarden-kafka", "namespace": NAMESPACE, "files": [_KAFKA_FILE]}],
    }
    write_private(folder / "kustomization.yaml", yaml.safe_dump(overlay))
    return folder


def _overlay(images: Mapping[str, str], base: Path, folder: Path) -> dict[str, object]:
    """Begin an overlay of a base: its images are those that the cluster has."""
    shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    replaced = []
    for name, reference in images.items():
        new_name, _, tag = reference.rpartition(":")
        replaced.append({"name": f"streamwarden/{name}", "newName": new_name, "newTag": tag})
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(base, folder)],
        "images": replaced,
    }
