"""What each part has taken of the processors: read from Linux, so that it holds on a machine where others are busy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS = os.sysconf("SC_CLK_TCK")
_PROGRAMS = {"kube-apiserver": "api_server", "etcd": "api_server", "kube-controller-manager": "controllers"}
_PROGRAMS |= {"java": "kafka", "streamwarden-operator": "operator"}
PARTS = ("operator", "api_server", "controllers", "kafka")


def cpu_seconds(root: int | None = None) -> dict[str, float]:
    """Return the seconds of processor that each part below a process has taken so far; etcd is the API server's."""
    found = dict.fromkeys(PARTS, 0.0)
    for pid, part in _parts(root or os.getpid()):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[part] += (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def _parts(root: int) -> Iterator[tuple[int, str]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            children.setdefault(parent, []).append(int(entry.name))
    todo = [root]
    while todo:
        pid = todo.pop()
        todo += children.get(pid, ())
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2]
        except OSError:
            continue
        names = [Path(word.decode(errors="replace")).name for word in words]
        part = _PROGRAMS.get(names[0]) or (_PROGRAMS.get(names[1]) if names[0].startswith("python") else None)
        if part is not None:
            yield pid, part
