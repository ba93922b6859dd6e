"""The commands of docs/operate.md, which people copy: tests run them as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operate.md"
BACKED_UP = "{apiVersion, kind, type, data, metadata: (.metadata | {name, namespace, labels})}"
"""What the page has jq leave of the Secret."""

_BLOCK = re.compile(r"^ *```console\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_TIMEOUT_S = 120
_KUBECTL = """#!/bin/sh
exec {program} --kubeconfig={kubeconfig} "$@"
"""
_JQ = """#!{python}
# For machines without jq: the one filter of the page.
import json, sys
assert sys.argv[1:] == [{filter!r}], sys.argv
found = json.load(sys.stdin)
kept = {{name: found["metadata"].get(name) for name in ("name", "namespace", "labels")}}
json.dump({{name: found[name] for name in ("apiVersion", "kind", "type", "data")}} | {{"metadata": kept}}, sys.stdout)
"""


def commands(heading: str) -> list[str]:
    """Return the commands below a heading and above the next one, one a line, without their remarks."""
    after = re.split(rf"^#+ {re.escape(heading)}$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(after) == 2, f"{heading!r} is a heading {len(after) - 1} times"
    section = re.split(r"^#+ ", after[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip() for block in _BLOCK.findall(section) for line in block.splitlines()]
    return [line.removeprefix("$ ").split("  #")[0].rstrip() for line in lines if line.startswith("$ ")]


def command(heading: str, holds: str) -> str:
    """Return the one command below a heading that holds this text."""
    (found,) = [each for each in commands(heading) if holds in each]
    return found


def instead(found: str, example: str, value: str) -> str:
    """Return a command with a value of ours where the page has an example."""
    assert found.count(example) == 1, found
    return found.replace(example, value)


class Person:
    """Somebody at a shell, in a folder of their own, as an administrator of a cluster."""

    def __init__(self, folder: Path, kubectl: Path, kubeconfig: Path) -> None:
        self.folder, self._programs = folder, folder / "bin"
        self._programs.mkdir(parents=True)
        self._put("kubectl", _KUBECTL.format(program=kubectl, kubeconfig=kubeconfig))
        if shutil.which("jq") is None:
            self._put("jq", _JQ.format(python=sys.executable, filter=BACKED_UP))

    def run(self, found: str) -> str:
        """Run a command of the page; return what it prints."""
        asked = ["bash", "-euo", "pipefail", "-c", found]
        done = subprocess.run(
            asked,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{found}\n{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, "PATH": f"{self._programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def _put(self, name: str, text: str) -> None:
        program = self._programs / name
        program.write_text(text)
        program.chmod(0o755)
