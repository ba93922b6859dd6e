"""Which cluster a command speaks to: one that the user names, kind, or the embedded one."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.embedded import EmbeddedCluster
from streamwarden_devstack.cluster.errors import NoProviderError
from streamwarden_devstack.cluster.execute import succeeds
from streamwarden_devstack.cluster.foreign import ForeignCluster
from streamwarden_devstack.cluster.kind import KindCluster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamwarden_devstack.cluster.provider import Provider

CONTEXT_VARIABLE = "STREAMWARDEN_CLUSTER_CONTEXT"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says about the cluster."""

    context: str = ""
    """A context of a kubeconfig. Without one, no cluster that is not ours is ever touched."""
    kubeconfig: Path | None = None
    """Where the context is; else ``KUBECONFIG``, else the user's own file."""
    host_address: str = ""
    """The address of this machine as pods see it, where it cannot be known."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts for the choice."""

    wanted: Wanted = field(default_factory=Wanted)
    programs: frozenset[str] = frozenset()
    """Which of ``docker``, ``kind`` and ``kubectl`` are on PATH."""
    docker_answers: bool = False
    linux: bool = False
    root: bool = False
    embedded_runs: bool = False


def observe(wanted: Wanted | None = None, environment: Mapping[str, str] = os.environ) -> Facts:
    """Look at this machine."""
    said = wanted or Wanted()
    said = Wanted(said.context or environment.get(CONTEXT_VARIABLE, ""), said.kubeconfig, said.host_address)
    if said.context:
        return Facts(said)
    linux, root = sys.platform == "linux", os.geteuid() == 0
    if linux and root and EmbeddedCluster().runs():
        return Facts(said, linux=True, root=True, embedded_runs=True)
    programs = frozenset(name for name in ("docker", "kind", "kubectl") if shutil.which(name) is not None)
    return Facts(
        said,
        programs,
        docker_answers="docker" in programs and succeeds(["docker", "info"]),
        linux=linux,
        root=root,
    )


def choose(facts: Facts) -> Provider:
    """Choose the cluster: the named one; else the embedded one if it runs; else kind; else the embedded one.

    Raises:
        NoProviderError: None is possible; it says what each lacks.
    """
    wanted = facts.wanted
    if wanted.context:
        return ForeignCluster(wanted.context, wanted.kubeconfig, wanted.host_address)
    if wanted.kubeconfig is not None:
        raise NoProviderError(
            f"a cluster that is not ours is used by its name only: say which context of {wanted.kubeconfig} is meant "
            f"with --context (or {CONTEXT_VARIABLE})"
        )
    if facts.embedded_runs:
        return EmbeddedCluster()
    lacking_kind = _lacking_for_kind(facts)
    if not lacking_kind:
        return KindCluster()
    lacking_embedded = _lacking_for_embedded(facts)
    if not lacking_embedded:
        return EmbeddedCluster()
    raise NoProviderError(
        "there is no cluster to use here. Any one of these would do:\n"
        f"  a cluster of yours: name its context with --context (or {CONTEXT_VARIABLE})\n"
        f"  kind: {lacking_kind}\n"
        f"  the embedded cluster: {lacking_embedded}"
    )


def _lacking_for_kind(facts: Facts) -> str:
    missing = [name for name in ("docker", "kind", "kubectl") if name not in facts.programs]
    if missing:
        return f"not on PATH: {', '.join(missing)}"
    return "" if facts.docker_answers else "'docker info' finds no Docker engine"


def _lacking_for_embedded(facts: Facts) -> str:
    if not facts.linux:
        return "it needs Linux"
    return "" if facts.root else "it needs root (sudo)"
