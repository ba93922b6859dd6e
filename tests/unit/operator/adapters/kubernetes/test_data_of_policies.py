"""What a ConfigMap holds is read when the first policy names it; what fails then is read with the next list."""

from __future__ import annotations

from typing import Any, cast

from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.errors import KubernetesUnavailableError
from streamwarden_operator.keys import Key

LABELS = {"app.kubernetes.io/part-of": "streamwarden"}
DATA = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "limits", "namespace": "risk", "uid": "u-1", "resourceVersion": "7", "labels": LABELS},
    "data": {"limits.yaml": "a: 1"},
}
POLICY = {
    "apiVersion": "streamwarden.io/v1alpha1",
    "kind": "Policy",
    "metadata": {"name": "reads", "namespace": "risk", "uid": "u-2", "resourceVersion": "9"},
    "spec": {"paramsFrom": {"configMapKeyRef": {"name": "limits", "key": "limits.yaml"}}},
}


class Server:
    """Answers what it is asked for by name."""

    def __init__(self, *, answers: bool = True) -> None:
        self.asked: list[tuple[str | None, str]] = []
        self._answers = answers

    async def get(self, _resource: object, namespace: str | None, name: str) -> dict[str, Any]:
        self.asked.append((namespace, name))
        if not self._answers:
            raise KubernetesUnavailableError("no answer")
        return DATA


def cluster_of(server: Server) -> KubernetesCluster:
    return KubernetesCluster(cast("Any", server), lambda _: [])


async def test_m07_the_first_policy_that_names_a_config_map_has_it_read() -> None:
    server = Server()
    cluster = cluster_of(server)
    assert await cluster.observe(DATA) is None
    assert cluster.config_map("risk", "limits") is None
    assert await cluster.observe(POLICY) == Key("Policy", "risk", "reads")
    assert cluster.config_map("risk", "limits") == {"limits.yaml": "a: 1"}
    assert server.asked == [("risk", "limits")]


async def test_m07_nothing_is_asked_for_where_the_policy_came_first() -> None:
    server = Server()
    cluster = cluster_of(server)
    await cluster.observe(POLICY)
    assert await cluster.observe(DATA) == Key("ConfigMap", "risk", "limits")
    assert cluster.config_map("risk", "limits") == {"limits.yaml": "a: 1"}
    assert server.asked == []


async def test_m07_what_could_not_be_read_comes_with_the_next_list() -> None:
    cluster = cluster_of(Server(answers=False))
    await cluster.observe(DATA)
    await cluster.observe(POLICY)
    assert cluster.config_map("risk", "limits") is None
    assert await cluster.observe(DATA) == Key("ConfigMap", "risk", "limits")
    assert cluster.config_map("risk", "limits") == {"limits.yaml": "a: 1"}
