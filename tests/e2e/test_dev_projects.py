"""Projects as people have them: keys, an interpreter of their own, code that they edit, agents that they start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.audit.reader import AuditReader
from streamwarden_cli.local.running import RunningDev
from streamwarden_cli.local.state import StateFolder
from support.dev_process import PATIENCE_S
from support.dev_tiny import wait_for_decisions, write_readings

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.dev_process import DevProcess

COMMANDS = "plant.valve-commands"
SURE = 50
"""The first reading of which the agent is sure enough."""
GIVEN = {"FROM_FILE": "of-the-file", "FROM_SHELL": "of-the-shell", "FROM_SECRET": "of-the-secret", "PYTHON_OF": "mine"}
SECRETS = """\
apiVersion: v1
kind: Secret
metadata: {name: model, namespace: plant}
stringData: {key: of-the-secret}
"""
INTERPRETER = """\
#!/bin/sh
PYTHON_OF=mine exec {python} "$@"
"""


def commands(tiny: Path, count: int) -> list[bytes]:
    """Return the values of all commands, once there are so many."""
    reader = AuditReader(RunningDev(StateFolder(tiny)).operator_connection())
    deadline = time.monotonic() + PATIENCE_S
    try:
        while True:
            logs = reader.logs(COMMANDS)
            found = [record.value or b"" for records in reader.read(COMMANDS, logs) for record in records]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} commands"
            time.sleep(0.1)
    finally:
        reader.close()


@pytest.fixture
def project(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an agent that says what it was given; a key of its manifest is in a Secret."""
    program, manifests = tiny / "watcher.py", tiny / "manifests.yaml"
    said = ", ".join(f'"{name}": os.environ.get("{name}", "")' for name in GIVEN)
    program.write_text(
        program.read_text()
        .replace("from pydantic", "import os\n\nfrom pydantic")
        .replace('"number": event.subject or ""', f'"number": event.subject or "", {said}')
    )
    env = "  env: [{name: FROM_SECRET, valueFrom: {secretKeyRef: {name: model, key: key}}}]\n"
    manifests.write_text(manifests.read_text().replace("  inputs:\n", f"{env}  inputs:\n"))
    (tiny / "mine.env").write_text("# keys\nFROM_FILE=of-the-file\n")
    (tiny / ".secrets").write_text(SECRETS)
    (tiny / "python-of-mine").write_text(INTERPRETER.format(python=sys.executable))
    (tiny / "python-of-mine").chmod(0o755)
    monkeypatch.setenv("FROM_SHELL", "of-the-shell")
    return tiny


@pytest.mark.long
def test_x28_x29_keys_an_interpreter_and_edits_reach_the_agent(
    project: Path, start_dev: Callable[..., DevProcess]
) -> None:
    dev = start_dev(
        project,
        "--no-registry",
        *("--env-file", str(project / "mine.env")),
        *("--env", "FROM_SHELL"),
        *("--secrets", str(project / ".secrets")),
        *("--python", str(project / "python-of-mine")),
    )
    dev.wait_for("all agents are ready")
    write_readings(project, SURE, 1)
    [first] = commands(project, 1)
    for name, value in GIVEN.items():
        assert f'"{name}":"{value}"'.encode() in first

    program, said = project / "watcher.py", len(dev.lines)
    program.write_text(program.read_text().replace('"number": event', '"edited": True, "number": event'))
    dev.wait_for("watcher.py changed: AgentDeployment plant/watcher is started again", after=said)
    write_readings(project, SURE + 1, 1)
    assert sum(b'"edited":true' in command for command in commands(project, 2)) == 1

    kept = [file for file in (project / ".streamwarden").rglob("*") if file.is_file() and file.stat().st_size < 1 << 20]
    leaks = [file for file in kept if "stack" not in file.parts and b"of-the-secret" in file.read_bytes()]
    assert leaks == [], "dev writes no value from a Secret anywhere; the stack keeps what the agent itself has said"
    assert "of-the-" not in dev.output


def test_x29_an_agent_that_a_person_starts_is_governed_like_any_other(
    tiny: Path, start_dev: Callable[..., DevProcess]
) -> None:
    dev = start_dev(tiny, "--no-registry", "--external", "plant/watcher")
    how = dev.wait_for("RunByYou: start it .again. with: set -a; . (.*); python -m streamwarden.runtime")
    assert "all agents are ready" not in dev.output
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = f"set -a; . {how[1]}; exec python -m streamwarden.runtime"
    mine = subprocess.Popen(["/bin/sh", "-c", command], cwd=tiny, env={**os.environ, "PATH": path})
    try:
        dev.wait_for("all agents are ready")
        write_readings(tiny, 0, 20)
        assert sorted(wait_for_decisions(tiny, 20)) == [f"valve-{number:04}" for number in range(20)]
        program, said = tiny / "watcher.py", len(dev.lines)
        program.write_text(program.read_text() + "\n")
        dev.wait_for("watcher.py changed: AgentDeployment plant/watcher is yours to start again", after=said)
    finally:
        mine.send_signal(signal.SIGTERM)
        assert mine.wait(30) == 0
