"""``python -m streamwarden_gate.supervisor``: the first process of a gate's container; it outlives the gate.

A record may kill the process that reads it: a batch that decompresses to more than the memory there is, a rule that
holds the interpreter. The gate runs below the container's limit, so that it alone dies; its note says what it had in
hand, and the next one, started at once, goes on record by record. What is known of a death is decided here:

* by itself (SIGABRT, SIGSEGV and the like, SIGPROF, no memory): what it had in hand counts, where that is certain;
* from outside (SIGKILL, SIGTERM by somebody else): counts nothing;
* with a code of its own: so does this process, and Kubernetes sees it.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType

from streamwarden_kafka.process_limits import (
    EXIT_OUT_OF_MEMORY,
    cause_of,
    container_limit,
    died_by_itself,
    limit_memory,
)

from streamwarden_gate.note import ENV_SUPERVISOR, Doing, Note, make_file

ENV_MEMORY_LIMIT = "STREAMWARDEN_GATE_MEMORY_LIMIT"
"""Bytes that the gate and its supervisor may use; else the container's limit, as far as it can read it, or none.

``runtime_config`` has the name for who sets it, and is not imported: this process stays small."""

GATE = ("-m", "streamwarden_gate")

_SHARE = 0.78
"""Of the limit, for the gate's own data: what it maps of files and this process need the rest."""
_LEAST_DATA_BYTES = 96 * 1024 * 1024
_SHORT_LIFE_S, _MOST_SHORT_LIVES = 15.0, 5
"""A gate that dies so soon, so often in a row, and of no record, is Kubernetes' to start again, with its pauses."""


class Supervisor:
    """Runs one gate after another."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Prepare.

        Args:
            command: arguments of this interpreter that start a gate.
            environment: the gate's.
        """
        self._command = [sys.executable, *command]
        self._note_file = make_file()
        self._note = Note(self._note_file)
        self._environment = {**environment, ENV_SUPERVISOR: f"{self._note_file},{os.getpid()}"}
        self._gate = 0
        self._told_to_stop = 0

    def run(self) -> int:
        """Run gates until one ends with a code of its own, and return it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._forward)
        short_lives = 0
        while True:
            began_s = time.monotonic()
            status = self._run_one()
            code = os.waitstatus_to_exitcode(status)
            if code >= 0 and code != EXIT_OUT_OF_MEMORY:
                return code
            if self._told_to_stop:
                return 0
            in_hand = self._take_note(code)
            short = not in_hand and time.monotonic() - began_s < _SHORT_LIFE_S
            short_lives = short_lives + 1 if short else 0
            if short_lives >= _MOST_SHORT_LIVES:
                return 1

    def _run_one(self) -> int:
        """Run one gate to its end, and return its wait status."""
        self._gate = os.posix_spawn(
            self._command[0], self._command, self._environment, setsigdef=[signal.SIGPROF, signal.SIGPIPE]
        )
        if self._told_to_stop:
            os.kill(self._gate, self._told_to_stop)
        while True:
            found, status = os.waitpid(-1, 0)  # of all: the first process of a container inherits the orphans
            if found == self._gate:
                self._gate = 0
                return status

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self._told_to_stop = number
        if self._gate:
            os.kill(self._gate, number)

    def _take_note(self, code: int) -> bool:
        """Keep of the dead gate's note what is certain; return whether that is a record."""
        by_itself = died_by_itself(code)
        held = -code == signal.SIGPROF and self._note.hand.doing is Doing.JUDGING
        if not by_itself or not (self._note.careful or held):
            self._note.drop()
        hand = self._note.hand
        if by_itself:
            self._note.careful = True
        _say(
            "the gate's process has died; starting it again",
            cause=cause_of(code),
            counts=by_itself,
            in_hand=f"{hand.doing.name.lower()} decision partition {hand.partition}, offset {hand.offset}",
        )
        return hand.doing is not Doing.NOTHING


def data_limit(environment: Mapping[str, str]) -> int | None:
    """Return how many bytes of data gates may use; None: nothing is known."""
    said = environment.get(ENV_MEMORY_LIMIT, "")
    limit = int(said) if said.isdecimal() else container_limit()
    return None if limit is None else max(int(limit * _SHARE), _LEAST_DATA_BYTES)


def _say(event: str, **fields: object) -> None:
    """Write a line as the gate's own log does."""
    line = {"event": event, "level": "error", "logger": "streamwarden_gate.supervisor", **fields}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def main(command: tuple[str, ...] = GATE) -> int:
    """Run a gate until it ends with a code of its own."""
    data_bytes = data_limit(os.environ)
    if data_bytes is not None:
        limit_memory(data_bytes)
    return Supervisor(command, os.environ).run()


if __name__ == "__main__":
    sys.exit(main())
