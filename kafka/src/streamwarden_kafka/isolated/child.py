"""One process that reads for this one, from its start to its end."""

import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from typing import cast

from streamwarden_kafka.isolated.rows import Answer
from streamwarden_kafka.process_limits import EXIT_OUT_OF_MEMORY, container_limit, kernel_kills

LIMITED = "streamwarden_kafka.process_limits"
_LEAST_BYTES, _USUAL_BYTES = 128 * 1024 * 1024, 512 * 1024 * 1024
"""Of memory that the process may use; in a container a quarter of its limit, however much is used when it starts: what
handlers need grows. 128 MiB hold what one fetch unpacks to that was packed to a tenth."""
_SHARE = 4
_ANSWER_S = 60.0
"""Longest wait for an answer. What takes as long as that hangs, and is ended."""
_ENDING_S = 5.0


class Child:
    """One process that reads."""

    def __init__(self, module: str, opening: tuple[object, ...]) -> None:
        self.answered = False
        self._killed_before = kernel_kills()
        self._pipe, other = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", LIMITED, str(most_bytes(container_limit())), module, str(other.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        finally:
            other.close()
        with suppress(OSError):  # whoever asks hears that it is gone
            self._pipe.send(opening)

    def ask(self, name: str, arguments: tuple[object, ...]) -> Answer:
        """Ask, and wait for the answer.

        Raises:
            OSError: the process is gone, or gives no answer.
            EOFError: likewise.
        """
        self._pipe.send((name, arguments))
        if not self._pipe.poll(_ANSWER_S):
            raise TimeoutError
        answer = cast("Answer", self._pipe.recv())
        self.answered = True
        return answer

    def end(self) -> int:
        """End it, where it has not ended, and return how: negative for a signal's number.

        The kernel's SIGKILL, where memory is short, is no death from outside.
        """
        self._pipe.close()
        try:
            code = self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        return EXIT_OUT_OF_MEMORY if code == -signal.SIGKILL and kernel_kills() > self._killed_before else code


def most_bytes(limit: int | None) -> int:
    """Return how much memory a process may use in a container with this limit; None: there is none."""
    return _USUAL_BYTES if limit is None else min(_USUAL_BYTES, max(_LEAST_BYTES, limit // _SHARE))
