"""A thread that can be left behind: for calls into librdkafka that may never return."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread

_Job = tuple[Callable[[], None], "Future[None]"]


class Worker:
    """Does one thing after another in a thread that nobody waits for at exit."""

    def __init__(self, name: str) -> None:
        """Start the thread under this name."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        Thread(target=_work, args=(self._jobs,), name=name, daemon=True).start()

    def run(self, job: Callable[[], None]) -> "Future[None]":
        """Do ``job`` when those before it are done."""
        done: Future[None] = Future()
        self._jobs.put((job, done))
        return done

    def stop(self) -> None:
        """End the thread when everything before is done. Does not wait."""
        self._jobs.put(None)


def _work(jobs: "SimpleQueue[_Job | None]") -> None:
    while (given := jobs.get()) is not None:
        job, done = given
        try:
            job()
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is awaited
            done.set_exception(error)
        else:
            done.set_result(None)
        del given, job, done  # what they hold may be large, and the next one may be long in coming
