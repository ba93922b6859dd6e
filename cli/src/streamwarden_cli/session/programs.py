"""Programs of the user beside the loop: producers, and one at the end.

Only they need the extra ``devstack``, whose child processes cannot outlive this one; it is imported where one is
started, so that a session without programs runs without it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamwarden_devstack.processes import Child

    from streamwarden_cli.local.state import StateFolder

ENV_DEV_DIR = "STREAMWARDEN_DEV_DIR"
"""The folder that dev runs in."""
ENV_RUN = "STREAMWARDEN_RUN"
"""The run's decisions: JSON, one a line (``DecisionLine``)."""

_GRACE_S = 5.0
_INTO_FILE = ("/bin/sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "sh")
"""Runs its arguments with stdout in a file; a child's output goes to one log else."""


class ProgramError(Exception):
    """A program of the user cannot be started or has failed; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Program:
    """A started program."""

    text: str
    child: Child
    log: Path

    def failure(self) -> str:
        """Return why it failed; empty while it runs, or where it ended well."""
        from streamwarden_devstack.logs import last_lines

        code = self.child.returncode
        if code in {None, 0}:
            return ""
        how = f"signal {-code}" if code and code < 0 else f"exit code {code}"
        lines = "\n".join(last_lines(self.log, 10))
        return f"'{self.text}' ended with {how}; its last lines ({self.log}):\n{lines}"


def require_processes() -> None:
    """Tell at once, and not when the agents are ready, that programs cannot be started.

    Raises:
        ModuleNotFoundError: the extra ``devstack`` is not installed.
    """
    import streamwarden_devstack.processes  # noqa: F401  # whether it is there


async def start_program(text: str, state: StateFolder, log: str) -> Program:
    """Start a command line of the user in the project's folder.

    Raises:
        ProgramError: it is no command line, or cannot be started.
    """
    return await _start(text, _split(text), state, log, {})


async def run_at_end(text: str, state: StateFolder) -> dict[str, Any]:
    """Run the user's program over the run's decisions, and return the JSON object that it prints.

    Raises:
        ProgramError: it fails, or prints something else.
    """
    output = state.run / "at-end.json"
    program = await _start(
        text, [*_INTO_FILE, str(output), *_split(text)], state, "at-end", {ENV_RUN: str(state.decisions)}
    )
    try:
        await program.child.wait()
    finally:
        await program.child.stop()
    if failure := program.failure():
        raise ProgramError(failure)
    try:
        printed = json.loads(output.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"'{text}' must print one JSON object; it printed something else: {output}") from error
    if not isinstance(printed, dict):
        raise ProgramError(f"'{text}' must print one JSON object; it printed another JSON value: {output}")
    return printed


def _split(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ProgramError(f"{text!r} is no command line: {error}") from error
    if not words:
        raise ProgramError("an empty command cannot be started")
    return words


async def _start(text: str, command: list[str], state: StateFolder, log: str, more: dict[str, str]) -> Program:
    from streamwarden_devstack.processes import Child

    environment = dict(os.environ)
    path = [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    environment |= {"PATH": os.pathsep.join(path), ENV_DEV_DIR: str(state.project), **more}
    file = state.logs / f"{log}.log"
    try:
        child = await Child.start(command, env=environment, cwd=state.project, log=file, grace_s=_GRACE_S)
    except OSError as error:
        raise ProgramError(f"'{text}' cannot be started: {error.strerror}") from error
    return Program(text, child, file)
