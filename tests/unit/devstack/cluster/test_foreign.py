"""A cluster of the user's, behind a ``kubectl`` that plays its part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_devstack.cluster.errors import ClusterError
from streamwarden_devstack.cluster.foreign import ForeignCluster
from streamwarden_devstack.cluster.reporting import QuietReporter

if TYPE_CHECKING:
    from pathlib import Path

KUBECTL = """#!/bin/sh
case "$*" in
  *"config view"*--context=staging*) echo "context: staging" ;;
  *"config view"*) echo 'error: no context exists with the name' >&2; exit 1 ;;
  *readyz*) test -e "{up}" ;;
esac
"""


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file exists, the API server answers."""
    programs = tmp_path / "bin"
    programs.mkdir()
    up = tmp_path / "up"
    kubectl = programs / "kubectl"
    kubectl.write_text(KUBECTL.format(up=up))
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("STREAMWARDEN_CACHE", str(tmp_path / "cache"))
    return up


def test_only_the_named_context_is_copied_for_nobody_else_to_read(up: Path) -> None:
    up.touch()
    cluster = ForeignCluster("staging")

    assert cluster.up(QuietReporter()) is False
    assert cluster.kubeconfig.read_text() == "context: staging\n"
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("up")
def test_a_context_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ClusterError, match="there is no context prod"):
        ForeignCluster("prod").up(QuietReporter())


@pytest.mark.usefixtures("up")
def test_an_api_server_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(ClusterError, match="context staging does not answer"):
        ForeignCluster("staging").up(QuietReporter())


def test_down_forgets_the_copy_and_takes_nothing_away(up: Path) -> None:
    up.touch()
    cluster = ForeignCluster("staging")
    cluster.up(QuietReporter())

    assert cluster.down() is False
    assert not cluster.kubeconfig.exists()
    assert cluster.down() is False


def test_what_is_not_ours_is_left_alone() -> None:
    cluster = ForeignCluster("staging")

    for forbidden in (cluster.restart_node, cluster.loaded_images, lambda: cluster.load_images([])):
        with pytest.raises(ClusterError, match="not ours to do in a cluster of yours"):
            forbidden()
