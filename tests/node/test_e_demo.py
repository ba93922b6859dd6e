"""The example on the node, beside the example in ``dev``: the same pages, the same figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_devstack.cluster.installation import install_example
from support.governed import ROOT

if TYPE_CHECKING:
    from support.governed import Governed


EXAMPLE = ROOT / "examples" / "phishing"
BIN = Path(sys.executable).parent
PAGES, RATE = 250, 50
PATIENCE_S = 400


def run(*arguments: str, folder: Path, report: Path, **environment: str) -> dict[str, Any]:
    """Run ``dev`` or ``watch`` with the example's producer until it is idle; return its report."""
    programs = (
        ("--with", f"{sys.executable} producer.py --pages {PAGES} --rate {RATE}"),
        ("--at-end", f"{sys.executable} score.py --pages {PAGES}"),
        ("--report", str(report)),
        ("--timeout", str(PATIENCE_S)),
    )
    options = [word for pair in programs for word in pair]
    done = subprocess.run(
        [BIN / "streamwarden", *arguments, str(folder), *options, "--until-idle", "--attempt-bypass"],
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S + 60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(report.read_text())
    return figures


def test_the_demo_s_figures_on_the_cluster_agree_with_those_of_the_local_loop(
    governed: Governed, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("dev", "cluster")]
    for folder in folders:
        folder.mkdir()
        for file in (*EXAMPLE.glob("*.py"), *EXAMPLE.glob("[apt]*.yaml")):
            (folder / file.name).write_bytes(file.read_bytes())
    local = run("dev", "--no-registry", folder=folders[0], report=tmp_path / "dev.json")

    install_example(governed.cluster, EXAMPLE, tmp_path / "example")
    properties = tmp_path / "librdkafka.properties"
    properties.write_text(governed.stack.operator.render())
    watch = ("watch", "--kafka", str(properties), "--make-users", "--namespace", "web")
    there = run(
        *watch, folder=folders[1], report=tmp_path / "cluster.json", KUBECONFIG=str(governed.cluster.kubeconfig)
    )

    for figures in (local, there):
        assert figures["events"] == 2 * PAGES
        assert figures["dead_letters"] == 0
        assert figures["commands"] == figures["outcomes"] == figures["agents"]["web/page-guard"]["allowed"] > 0
        assert figures["bypass"]["attempted"] == figures["bypass"]["refused"] == 84
    assert there["accuracy"]["overall"]["plain"] == local["accuracy"]["overall"]["plain"]
    # What the agent has learnt when a page comes depends on how labels and pages of three partitions interleave.
    for who in ("proposed", "commanded"):
        assert there["accuracy"]["overall"][who] == pytest.approx(local["accuracy"]["overall"][who], abs=0.1)
    assert there["policies"].keys() == local["policies"].keys()
