"""The interpreter of agents: it has to have the SDK."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_TIMEOUT_S = 60


class PythonError(Exception):
    """An interpreter cannot run agents; the message says why."""


def check_python(text: str) -> str:
    """Return the path of an interpreter, by path or by a name on the PATH.

    Raises:
        PythonError: there is none, or it has no SDK.
    """
    found = shutil.which(text)
    if found is None:
        raise PythonError(f"--python {text}: no such program")
    command = [found, "-c", "import streamwarden.runtime"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PythonError(f"--python {text}: does not run: {error}") from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise PythonError(f"--python {text}: cannot import streamwarden.runtime ({why}); install streamwarden there")
    return str(Path(found).absolute())
