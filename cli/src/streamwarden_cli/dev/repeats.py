"""What a program says each time that it ends, said once. Pure."""

from __future__ import annotations

from streamwarden_cli.local.pod_process import LAST_LINES_MARK


class LastLines:
    """Leaves a program's last lines out where they were said before, as when it ends of the same again and again."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def shorten(self, subject: str, message: str) -> str:
        """Return what to say of ``subject``, whatever it was that ended."""
        head, mark, lines = message.partition(LAST_LINES_MARK)
        if not mark:
            return message
        if self._said.get(subject) == lines:
            return f"{head}; its last lines are the same"
        self._said[subject] = lines
        return message
