"""A gate's own end of its supervisor: the note, the limit of CPU between two batches, and what to do without it."""

import os
import resource
import signal
import threading
from collections.abc import Callable, Mapping

from streamwarden_kafka.process_limits import end_with

from streamwarden_gate.note import ENV_SUPERVISOR, Note

CPU_LIMIT_S = 5.0
"""CPU of the whole process between two batches, which take milliseconds: more, and something holds the interpreter."""

_MAIN_STACK_BYTES = 8 * 1024 * 1024


def attach(environment: Mapping[str, str] = os.environ) -> tuple[Note, Callable[[], None]]:
    """Return the note, and what to call before each batch.

    ITIMER_PROF ends a process whose interpreter is held by SIGPROF's default action, which no Python code has to run
    for. It counts CPU only: who waits, or is given no CPU, is left alone.
    """
    if not (numbers := environment.get(ENV_SUPERVISOR)):
        return Note(), _do_nothing
    note, supervisor = (int(number) for number in numbers.split(","))
    _lift_stack()
    # Nobody would know of this process without it, and a new one takes its name.
    threading.Thread(target=end_with, args=(supervisor,), name="supervisor", daemon=True).start()
    return Note(note), _allow_cpu


def _allow_cpu() -> None:
    signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT_S)


def _do_nothing() -> None:
    pass


def _lift_stack() -> None:
    """Give the main thread back the usual stack: the limit that the process began with is for all other threads."""
    most = resource.getrlimit(resource.RLIMIT_STACK)[1]
    wanted = _MAIN_STACK_BYTES if most == resource.RLIM_INFINITY else min(_MAIN_STACK_BYTES, most)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, most))
