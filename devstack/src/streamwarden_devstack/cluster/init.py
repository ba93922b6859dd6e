"""The first process of the embedded cluster's node: run as a script, standard library only.

It is PID 1 of a pid namespace, with its own mounts, network and IPC. Whoever kills it takes everything away:
processes, mounts, the network with its links. What it does is in the plan, the JSON file it is given
(:func:`streamwarden_devstack.cluster.services.build_plan`); it knows nothing of Kubernetes.
"""

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PAUSE_S = 0.1
_AGAIN_S = 1.0
_CGROUPS = Path("/sys/fs/cgroup")
_CPU_SHARES, _CPU_WEIGHT = "8192", "800"
"""Of all pods together, where one process of the host counts 1024 (version 2: 100): else Kafka and the tests beside
them, which are several, leave the pods next to nothing of a busy machine."""


def main(plan: dict[str, Any]) -> None:
    """Set the node up, start its programs, and keep them for ever."""
    _name_ourselves(Path(plan["state"]))
    os.environ["PATH"] = plan["path"]
    _make_mounts(plan["binds"])
    _make_cgroup(plan["cgroup"])
    _wait_until(_has_default_route, "the network", 30.0)
    # Where they are modules, and where there is a program to load them; most of them would come by themselves.
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(plan["load_modules"], check=False)
    for name, value in plan["sysctls"].items():
        with contextlib.suppress(FileNotFoundError):
            Path("/proc/sys", name).write_text(value, "ascii")
    running: dict[int, dict[str, Any]] = {}
    for step in plan["steps"]:
        if "until" in step:
            _wait_for_success(step["until"], step["within_s"], running)
        else:
            _start(step, plan["logs"], running)
    _say("all programs are started")
    while True:
        _reap(running, plan["logs"])


def _name_ourselves(state: Path) -> None:
    # The host's /proc is still mounted: in it, our pid is the host's.
    pid, namespace = Path("/proc/self").readlink(), Path("/proc/self/ns/pid").readlink()
    new = state.with_suffix(".new")
    new.write_text(json.dumps({"pid": int(str(pid)), "pid_namespace": str(namespace)}), "ascii")
    new.replace(state)


def _make_mounts(binds: list[tuple[str, str]]) -> None:
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for source, target in binds:
        Path(source).mkdir(parents=True, exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", source, target)
    # A sysfs of this network, with the host's cgroups in it. While all mounts are still private: once they are
    # shared, the kubelet finds no cgroups.
    held = Path("/run/cgroups")
    held.mkdir()
    _run("mount", "--rbind", str(_CGROUPS), str(held))
    _run("mount", "-t", "sysfs", "sysfs", "/sys")
    _run("mount", "--rbind", str(held), str(_CGROUPS))
    _run("umount", "-R", str(held))
    _run("mount", "--make-rshared", "/")


def _make_cgroup(name: str) -> None:
    if (_CGROUPS / "cgroup.controllers").is_file():
        _make_unified_cgroup(_CGROUPS / name.lstrip("/"))
        return
    for hierarchy in {path.resolve() for path in _CGROUPS.iterdir() if (path / "cgroup.procs").is_file()}:
        folder = hierarchy / name.lstrip("/")
        folder.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / file).is_file():
                (folder / file).write_text((hierarchy / file).read_text("ascii"), "ascii")
        if (folder / "cpu.shares").is_file():
            (folder / "cpu.shares").write_text(_CPU_SHARES, "ascii")


def _make_unified_cgroup(folder: Path) -> None:
    """Make a cgroup of version 2 whose children get every controller."""
    controllers = (_CGROUPS / "cgroup.controllers").read_text("ascii").split()
    try:
        _enable(_CGROUPS, controllers)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # In a container the root that we see is not the root: it may hold processes or pass controllers on.
        _empty(_CGROUPS)
        _enable(_CGROUPS, controllers)
    folder.mkdir(exist_ok=True)
    _enable(folder, controllers)
    if (folder / "cpu.weight").is_file():
        (folder / "cpu.weight").write_text(_CPU_WEIGHT, "ascii")


def _enable(folder: Path, controllers: list[str]) -> None:
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers), "ascii")


def _empty(folder: Path) -> None:
    leaf = folder / "init"
    leaf.mkdir(exist_ok=True)
    for pid in (folder / "cgroup.procs").read_text("ascii").split():
        with contextlib.suppress(ProcessLookupError):
            (leaf / "cgroup.procs").write_text(pid, "ascii")


def _has_default_route() -> bool:
    routes = Path("/proc/net/route").read_text("ascii").splitlines()[1:]
    return any(int(route.split()[1], 16) == 0 for route in routes)


def _start(step: dict[str, Any], logs: str, running: dict[int, dict[str, Any]]) -> None:
    with Path(logs, f"{step['run']}.log").open("ab") as log:
        process = subprocess.Popen(step["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    running[process.pid] = step
    # It is reaped below, with everything else: nobody asks this object again.
    process.returncode = 0


def _reap(running: dict[int, dict[str, Any]], logs: str) -> None:
    """Wait until some process ends, and start it again when it is one of the programs."""
    pid, status = os.wait()
    if (step := running.pop(pid, None)) is not None:
        _say(f"{step['run']} ended with {os.waitstatus_to_exitcode(status)}; starting it again")
        time.sleep(_AGAIN_S)
        _start(step, logs, running)


def _wait_for_success(command: list[str], within_s: float, running: dict[int, dict[str, Any]]) -> None:
    """Wait until a command succeeds, as long as no program has ended."""

    def succeeds() -> bool:
        for pid, step in running.items():
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                sys.exit(f"{step['run']} ended at its start; see {step['run']}.log")
        quiet = subprocess.DEVNULL
        return subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False).returncode == 0

    _wait_until(succeeds, " ".join(command), within_s)


def _wait_until(holds: Callable[[], bool], what: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not in {within_s:.0f} s")
        time.sleep(_PAUSE_S)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _say(message: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {message}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
