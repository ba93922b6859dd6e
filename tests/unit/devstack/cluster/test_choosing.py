from __future__ import annotations

from pathlib import Path

import pytest
from streamwarden_devstack.cluster.choosing import Facts, Wanted, choose, observe
from streamwarden_devstack.cluster.errors import ClusterError, NoProviderError

ALL = frozenset({"docker", "kind", "kubectl"})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            Facts(Wanted("prod"), ALL, docker_answers=True, linux=True, root=True, embedded_runs=True),
            "foreign",
            id="a-named-context-wins",
        ),
        pytest.param(
            Facts(programs=ALL, docker_answers=True, linux=True, root=True), "kind", id="kind-before-embedded"
        ),
        pytest.param(
            Facts(programs=ALL, docker_answers=True, linux=True, root=True, embedded_runs=True),
            "embedded",
            id="what-runs-already-is-gone-on-with",
        ),
        pytest.param(
            Facts(programs=ALL, linux=True, root=True), "embedded", id="docker-without-an-engine-does-not-count"
        ),
        pytest.param(
            Facts(programs=frozenset({"docker"}), docker_answers=True, linux=True, root=True),
            "embedded",
            id="docker-without-kind-does-not-count",
        ),
        pytest.param(Facts(linux=True, root=True), "embedded", id="linux-and-root-are-enough"),
        pytest.param(Facts(programs=ALL, docker_answers=True), "kind", id="kind-needs-neither-linux-nor-root"),
    ],
)
def test_the_cluster_is_chosen_from_what_the_machine_has(facts: Facts, expected: str) -> None:
    assert choose(facts).name == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(Facts(linux=True), "the embedded cluster: it needs root", id="no-root"),
        pytest.param(Facts(root=True), "the embedded cluster: it needs Linux", id="no-linux"),
        pytest.param(Facts(), "kind: not on PATH: docker, kind, kubectl", id="no-programs"),
        pytest.param(Facts(programs=ALL), "kind: 'docker info' finds no Docker engine", id="no-engine"),
        pytest.param(Facts(), "name its context with --context (or STREAMWARDEN_CLUSTER_CONTEXT)", id="no-context"),
    ],
)
def test_without_any_way_the_error_says_what_each_lacks(facts: Facts, expected: str) -> None:
    with pytest.raises(NoProviderError) as raised:
        choose(facts)
    assert expected in str(raised.value)


def test_a_kubeconfig_alone_names_no_cluster() -> None:
    with pytest.raises(NoProviderError, match=r"say which context of .*config is meant with --context"):
        choose(Facts(Wanted(kubeconfig=Path("config")), ALL, docker_answers=True, linux=True, root=True))


def test_an_ambient_kubeconfig_is_not_looked_at() -> None:
    assert observe(Wanted(), {"KUBECONFIG": "/somebody/elses"}).wanted == Wanted()


def test_the_variable_names_a_context_as_the_option_does() -> None:
    environment = {"STREAMWARDEN_CLUSTER_CONTEXT": "staging"}

    assert observe(None, environment).wanted.context == "staging"
    assert observe(Wanted("prod"), environment).wanted.context == "prod"


def test_how_pods_reach_this_machine_must_be_said_for_a_foreign_cluster() -> None:
    assert choose(Facts(Wanted("prod", host_address="192.0.2.1"))).host_address == "192.0.2.1"
    with pytest.raises(ClusterError, match="--host-address"):
        _ = choose(Facts(Wanted("prod"))).host_address
