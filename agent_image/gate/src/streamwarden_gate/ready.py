"""The file that a readiness probe looks for."""

from pathlib import Path

from streamwarden_gate.errors import FatalError


class ReadyFile:
    """There while the gate is ready. A probe that opens a port would be one more way in."""

    def __init__(self, path: Path | None) -> None:
        """None: nobody asks."""
        self._path = path

    def show(self, *, ready: bool) -> None:
        """Make or remove the file; one that an earlier process left behind goes too.

        Raises:
            FatalError: the folder cannot be written.
        """
        if self._path is None:
            return
        try:
            if ready:
                self._path.touch()
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise FatalError(f"cannot make or remove {self._path}: {error.strerror}") from error
