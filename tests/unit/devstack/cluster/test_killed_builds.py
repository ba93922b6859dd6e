"""What a build of an image leaves that was killed is gone with the next build, and with ``down``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_devstack.cluster import embedded, network
from streamwarden_devstack.cluster.embedded import EmbeddedCluster
from streamwarden_devstack.cluster.engines import Buildah, Order, build_lock
from streamwarden_devstack.cluster.errors import CommandFailedError
from streamwarden_devstack.cluster.execute import one_at_a_time
from streamwarden_devstack.cluster.node import Node

if TYPE_CHECKING:
    from pathlib import Path

BUILDAH = """#!/bin/sh
test "$1" = --root || exit 2
containers="$2/containers"
case "$*" in
  *" build "*" -t killed "*) mkdir -p "$containers"; touch "$containers/$$"; kill -9 $$ ;;
  *" build "*) mkdir -p "$containers"; ls "$containers" ;;
  *" rm --all") rm -f "$containers"/* ;;
  *) exit 2 ;;
esac
"""
"""Keeps a file for each working container."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    buildah = programs / "buildah"
    buildah.write_text(BUILDAH)
    buildah.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(embedded, "LOCK", tmp_path / "lock")
    # A cluster that runs on this machine is no business of these tests.
    monkeypatch.setattr(network, "remove_bridge", lambda: False)
    monkeypatch.setattr(Node, "kill", lambda _: False)
    return tmp_path / "cache"


def containers(cache: Path) -> list[Path]:
    return list((cache / "cluster/buildah/store/containers").glob("*"))


def build(cache: Path, reference: str) -> str:
    """Build an image, and return what the build said."""
    log = cache / "build.log"
    Buildah(cache).build(Order(reference, cache / "Dockerfile", cache), log)
    return log.read_text()


def kill_a_build(cache: Path) -> None:
    with pytest.raises(CommandFailedError, match="ended with code -9"):
        build(cache, "killed")
    assert len(containers(cache)) == 1


def test_the_next_build_begins_without_the_containers_of_a_killed_one(cache: Path) -> None:
    cache.mkdir()
    kill_a_build(cache)
    assert build(cache, "good") == ""
    assert containers(cache) == []


def test_down_removes_them_too(cache: Path, tmp_path: Path) -> None:
    cache.mkdir()
    kill_a_build(cache)
    assert EmbeddedCluster(cache, tmp_path / "state").down() is False
    assert containers(cache) == []


def test_down_leaves_a_build_alone_that_goes_on(cache: Path, tmp_path: Path) -> None:
    cache.mkdir()
    kill_a_build(cache)
    with one_at_a_time(build_lock(cache)) as ours:
        assert ours
        EmbeddedCluster(cache, tmp_path / "state").down()
    assert len(containers(cache)) == 1


def test_where_no_image_was_ever_built_down_needs_no_program_for_it(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert EmbeddedCluster(cache, tmp_path / "state").down() is False
