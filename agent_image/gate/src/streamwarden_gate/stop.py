"""Whether the gate was told to end, by a signal."""

from queue import Empty, SimpleQueue


class Stop:
    """May be set by a signal's handler, which runs in the middle of whatever the main thread does.

    So there is no ``threading.Event``: its lock may be held by the very thread that the handler interrupts, which then
    waits for itself for ever. ``SimpleQueue.put`` is made to be called there.
    """

    def __init__(self) -> None:
        """Begin untold."""
        self._told = False
        self._wake = SimpleQueue[None]()

    def set(self) -> None:
        """Tell it, and end the wait."""
        self._told = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Tell whether it was told."""
        return self._told

    def wait(self, timeout_s: float) -> None:
        """Wait so long, or until it is told."""
        if self._told or timeout_s <= 0:
            return
        try:
            self._wake.get(timeout=timeout_s)
        except Empty:
            return
