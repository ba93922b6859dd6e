"""A stack that runs by itself, behind ``streamwarden stack up``: found, started and ended by its folder.

The process that keeps the servers (:mod:`streamwarden_devstack.stack.keeper`) holds a lock on ``<folder>/lock`` as long
as it lives, and its pid is written in it: whenever somebody holds the lock, that pid is right. What it has come to
is in ``<folder>/state.json``.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Literal

from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.logs import end_of
from streamwarden_devstack.ports import LOOPBACK
from streamwarden_devstack.stack.brokers.identity import KafkaOptions
from streamwarden_devstack.stack.errors import StackError
from streamwarden_devstack.stack.versions import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PAUSE_S = 0.05
_STOP_TIMEOUT_S = 90.0
"""More than a stack takes in the worst case, which is a JVM that writes its start-up cache."""
_PID_TIMEOUT_S = 2.0
"""From taking the lock to writing the pid it is a matter of microseconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which stack is wanted."""

    kafka: KafkaOptions = field(default_factory=KafkaOptions)
    registry: bool = True
    keep_data: bool = False
    address: str = LOOPBACK

    def arguments(self) -> list[str]:
        """Say it in the arguments of :mod:`streamwarden_devstack.stack.keeper`."""
        switches = {"registry": self.registry, "keep-data": self.keep_data, "tls": self.kafka.tls}
        values = {"address": self.address, "kafka": self.kafka.version, "brokers": self.kafka.brokers}
        return [
            *(f"--{name}" if on else f"--no-{name}" for name, on in switches.items()),
            *(f"--{name}={value}" for name, value in values.items()),
        ]


@dataclass(frozen=True, slots=True)
class State:
    """What the background process has come to."""

    phase: Literal["starting", "ready", "failed"]
    registry: bool = True
    bootstrap_servers: str = ""
    registry_url: str = ""
    """Empty without a registry."""
    plain_bootstrap_servers: str = ""
    """The listeners beside those with TLS; empty without TLS."""
    kafka: str = DEFAULT
    """The minor version that runs."""
    brokers: int = 1
    error: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long download and starts took."""


@dataclass(frozen=True, slots=True)
class Background:
    """The stack of one folder, whether it runs or not."""

    folder: Path

    @property
    def client_properties(self) -> Path:
        """The operator's client configuration, for Kafka's own tools (0600)."""
        return self.folder / "client.properties"

    @property
    def librdkafka_properties(self) -> Path:
        """The same for tools made with librdkafka (0600)."""
        return self.folder / "librdkafka.properties"

    @property
    def lock(self) -> Path:
        """Held by the process that keeps the servers."""
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        """What that process has to say."""
        return self.folder / "stack.log"

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"

    def pid(self) -> int | None:
        """The pid of the process that keeps the servers; ``None`` when there is none."""
        if not self.lock.is_file():
            return None
        deadline = time.monotonic() + _PID_TIMEOUT_S
        with self.lock.open("r+") as file:
            while not try_lock(file):
                file.seek(0)
                if text := file.read():
                    return int(text)
                if time.monotonic() > deadline:
                    raise StackError(f"{self.lock} is held by a process that does not name itself in it")
                time.sleep(_PAUSE_S)
        return None

    def state(self) -> State | None:
        """What was said last, if only by a process that is gone; ``None`` when nothing was."""
        return State(**json.loads(self._state.read_text("utf-8"))) if self._state.is_file() else None

    def say(self, state: State) -> None:
        """Replace the state."""
        write_private(self._state, json.dumps(asdict(state)))

    def spawn(self, settings: Settings) -> subprocess.Popen[bytes]:
        """Start the process that keeps the servers, detached from this terminal; returns at once."""
        private_folder(self.folder)
        self._state.unlink(missing_ok=True)
        keeper = [sys.executable, "-m", "streamwarden_devstack.stack.keeper", str(self.folder.absolute())]
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            return subprocess.Popen(
                [*keeper, *settings.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)

    def await_ready(self, is_gone: Callable[[], bool], timeout_s: float) -> State:
        """Wait until the background process has said that everything answers, as long as it is not gone.

        Raises:
            StackError: It failed, ended, or took longer.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            gone = is_gone()
            state = self.state()
            if state is not None and state.phase == "failed":
                raise StackError(state.error)
            if gone:
                raise StackError(f"the stack's process ended. Its log, {self.log}, ends:\n{end_of(self.log)}")
            if state is not None and state.phase == "ready":
                return state
            time.sleep(_PAUSE_S)
        raise StackError(f"the stack was not ready after {timeout_s:.0f} s; see {self.log}")

    def stop(self) -> bool:
        """End the process and its servers; whether there was one.

        Raises:
            StackError: It does not end.
        """
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while self.pid() == pid:
            if time.monotonic() > deadline:
                raise StackError(f"the stack (pid {pid}) did not end in {_STOP_TIMEOUT_S:.0f} s; see {self.log}")
            time.sleep(_PAUSE_S)
        return True


def try_lock(file: IO[str]) -> bool:
    """Take the lock of an open file, until it is closed; whether nobody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
