"""One process that reads for this one, from its start to its end."""

import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from typing import cast

from streamwarden_kafka.isolated.rows import Answer
from streamwarden_kafka.process_limits import memory_left

LIMITED = "streamwarden_kafka.process_limits"
_LEAST_BYTES, _USUAL_BYTES = 128 * 1024 * 1024, 512 * 1024 * 1024
"""Of memory that the process may use; in a container four fifths of what is left there."""
_SHARE = 0.8
_ANSWER_S = 60.0
"""Longest wait for an answer. What takes as long as that hangs, and is ended."""
_ENDING_S = 5.0


class Child:
    """One process that reads."""

    def __init__(self, module: str, opening: tuple[object, ...]) -> None:
        self.answered = False
        self._pipe, other = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", LIMITED, str(_most_bytes()), module, str(other.fileno())],
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
        """End it, where it has not ended, and return how: negative for a signal's number."""
        self._pipe.close()
        try:
            return self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _most_bytes() -> int:
    left = memory_left()
    return _USUAL_BYTES if left is None else min(_USUAL_BYTES, max(_LEAST_BYTES, int(left * _SHARE)))
