"""One process that reads for this one, from its start to its end."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from typing import cast

from streamwarden_kafka.isolated.rows import TAKE, Answer
from streamwarden_kafka.process_limits import EXIT_OUT_OF_MEMORY, HUNG, container_limit, kernel_kills

LIMITED = "streamwarden_kafka.process_limits"
_LEAST_BYTES, _USUAL_BYTES = 128 * 1024 * 1024, 512 * 1024 * 1024
"""Of memory that the process may use; in a container a quarter of its limit, however much is used when it starts: what
handlers need grows. 128 MiB hold what one fetch unpacks to that was packed to a tenth."""
_SHARE = 4
_LOOK_S, _MOST_LOOKS = 1.0, 60
"""How often it is asked while an answer is awaited whether the process lives, and how often at most. What takes as long
as that hangs, and is ended. They are counted, as by the clock one hangs that was only stopped together with us.
"""
_ENDING_S = 5.0


class Child:
    """One process that reads."""

    def __init__(self, module: str, opening: tuple[object, ...]) -> None:
        self.answered = False
        self._hangs = False
        self._killed_before = kernel_kills()
        memory = str(most_bytes(container_limit()))
        self._pipe, other = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", LIMITED, memory, module, str(other.fileno()), str(os.getpid())],
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
        if not self._is_answered():
            self._hangs = name == TAKE  # other questions wait for brokers, and accuse no batch
            raise TimeoutError
        answer = cast("Answer", self._pipe.recv())
        self.answered = True
        return answer

    def _is_answered(self) -> bool:
        """Wait for an answer. A pipe whose other end some process has a copy of says nothing of a death.

        Raises:
            EOFError: the process is gone.
        """
        for _ in range(_MOST_LOOKS):
            if self._pipe.poll(_LOOK_S):
                return True
            if self._process.poll() is not None and not self._pipe.poll():
                raise EOFError
        return False

    def end(self) -> int:
        """End it, where it has not ended, and return how: negative for a signal, ``HUNG`` where it gave no answer.

        The kernel's SIGKILL, where memory is short, is no death from outside.
        """
        self._shut()
        try:
            code = self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._hangs:
            return HUNG
        return EXIT_OUT_OF_MEMORY if code == -signal.SIGKILL and kernel_kills() > self._killed_before else code

    def _shut(self) -> None:
        """Let the process read the pipe's end, also where one that our program has forked has a copy of it."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._pipe.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
        self._pipe.close()


def most_bytes(limit: int | None) -> int:
    """Return how much memory a process may use in a container with this limit; None: there is none."""
    return _USUAL_BYTES if limit is None else min(_USUAL_BYTES, max(_LEAST_BYTES, limit // _SHARE))
