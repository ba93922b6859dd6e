"""An API server over HTTP, for threads that ask it often: a kubectl costs a process a question."""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from pathlib import Path

Manifest = dict[str, Any]

_TIMEOUT_S = 60.0
_CONFLICTS = 10
_PATHS = {
    "TopicContract": "/apis/streamwarden.io/v1alpha1/namespaces/{}/topiccontracts",
    "Policy": "/apis/streamwarden.io/v1alpha1/namespaces/{}/policies",
    "AgentDeployment": "/apis/streamwarden.io/v1alpha1/namespaces/{}/agentdeployments",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Pod": "/api/v1/namespaces/{}/pods",
}
KINDS = ("TopicContract", "Policy", "AgentDeployment")


class KubeHttp:
    """One namespace, as its administrator. For one thread."""

    def __init__(self, url: str, authority: Path, token: str, namespace: str) -> None:
        self.namespace = namespace
        self._client = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(authority)),
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def list(self, kind: str, selector: str = "") -> list[Manifest]:
        """Return all objects of a kind."""
        answer = self._client.get(self._path(kind), params={"labelSelector": selector} if selector else None)
        found: list[Manifest] = answer.raise_for_status().json()["items"]
        return found

    def get(self, kind: str, name: str) -> Manifest | None:
        """Return an object; None where there is none."""
        answer = self._client.get(self._path(kind, name))
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        found: Manifest = answer.raise_for_status().json()
        return found

    def apply(self, manifest: Manifest) -> None:
        """Apply a manifest as a user would."""
        path = self._path(manifest["kind"], manifest["metadata"]["name"])
        self._patch(path, manifest, "apply-patch+yaml", {"fieldManager": "people", "force": "true"})

    def annotate(self, kind: str, name: str, annotation: str, value: str) -> None:
        """Put an annotation on an object."""
        self._patch(self._path(kind, name), {"metadata": {"annotations": {annotation: value}}}, "merge-patch+json")

    def say(self, kind: str, name: str, status: Manifest) -> None:
        """Write an object's status, as a kubelet does. One that is gone has none."""
        path = f"{self._path(kind, name)}/status"
        self._patch(path, {"status": status}, "strategic-merge-patch+json", missing_ok=True)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object that may be gone."""
        answer = self._client.delete(self._path(kind, name))
        if answer.status_code != HTTPStatus.NOT_FOUND:
            answer.raise_for_status()

    def _patch(
        self, path: str, body: Manifest, how: str, params: dict[str, str] | None = None, *, missing_ok: bool = False
    ) -> None:
        headers = {"Content-Type": f"application/{how}"}
        for _ in range(_CONFLICTS):  # it may go, or be made, just then
            answer = self._client.patch(path, content=json.dumps(body), headers=headers, params=params)
            if answer.status_code != HTTPStatus.CONFLICT:
                break
        if not (missing_ok and answer.status_code == HTTPStatus.NOT_FOUND):
            assert answer.is_success, f"{path}: {answer.text}"

    def _path(self, kind: str, name: str = "") -> str:
        path = _PATHS[kind].format(self.namespace)
        return f"{path}/{name}" if name else path
