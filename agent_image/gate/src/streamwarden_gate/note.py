"""What a gate's process has in hand, in memory that it shares with its supervisor: it is there when the process is not.

Nothing here needs a library: the supervisor imports it.
"""

import mmap
import os
import struct
import tempfile
from enum import IntEnum
from typing import NamedTuple

from streamwarden_kafka.deaths import MOST_SKIPPED, SKIPPED_WITHIN_S

ENV_SUPERVISOR = "STREAMWARDEN_SUPERVISOR"
"""``<file descriptor of the note>,<id of the supervisor's process>``."""

_SIZE = 4096
_HAND = struct.Struct("<iiq")
_CAREFUL_AT, _HAND_AT, _SKIPS_AT, _MEMBER_AT = 0, 8, 64, 1024
_LONGEST_MEMBER = 255
_SKIPS = struct.Struct(f"<{MOST_SKIPPED}d")


class Doing(IntEnum):
    """What is done with the record in hand."""

    NOTHING = 0
    READING = 1
    """The batch that holds the offset is being read: it is the only one."""
    JUDGING = 2


class Hand(NamedTuple):
    """What a process has in hand."""

    doing: Doing
    partition: int
    offset: int


class Note:
    """One process's note. Writing to it costs less than a microsecond."""

    def __init__(self, file: int | None = None) -> None:
        """Share what stands in a file; without one nobody else sees it."""
        self._memory = mmap.mmap(-1 if file is None else file, _SIZE)

    @property
    def careful(self) -> bool:
        """Whether records are read one by one, so that what is in hand is what a death comes of."""
        return self._memory[_CAREFUL_AT] != 0

    @careful.setter
    def careful(self, value: bool) -> None:
        self._memory[_CAREFUL_AT] = int(value)

    @property
    def hand(self) -> Hand:
        doing, partition, offset = _HAND.unpack_from(self._memory, _HAND_AT)
        return Hand(Doing(doing), partition, offset)

    def take(self, doing: Doing, partition: int = 0, offset: int = 0) -> None:
        """Say what is in hand from now on."""
        _HAND.pack_into(self._memory, _HAND_AT, doing, partition, offset)

    def drop(self) -> None:
        """Say that nothing is in hand."""
        self.take(Doing.NOTHING)

    @property
    def member(self) -> str:
        """By which id the decision topic's group knows the process; empty where it is no member."""
        size = self._memory[_MEMBER_AT]
        # Whoever wrote it may have died of it: then this names no member, and the group waits as long as it must.
        return self._memory[_MEMBER_AT + 1 : _MEMBER_AT + 1 + size].decode(errors="replace")

    def join(self, member: str) -> None:
        """Say so, or with an empty id that it has left: who dies cannot leave, and the next process does it."""
        raw = member.encode()
        if len(raw) > _LONGEST_MEMBER:
            raw = b""
        self._memory[_MEMBER_AT : _MEMBER_AT + 1 + len(raw)] = bytes([len(raw)]) + raw

    def may_skip(self, now_s: float) -> bool:
        """Tell whether one more range may be skipped; the clock is the machine's, over restarts."""
        return min(self._skips()) <= now_s - SKIPPED_WITHIN_S

    def skipped(self, now_s: float) -> None:
        """Count a skipped range."""
        _SKIPS.pack_into(self._memory, _SKIPS_AT, *sorted([*self._skips(), now_s])[1:])

    def _skips(self) -> tuple[float, ...]:
        return _SKIPS.unpack_from(self._memory, _SKIPS_AT)


def make_file() -> int:
    """Make the file of a note; it has no name, and is gone with those who have it open."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("note")
    else:
        with tempfile.TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.ftruncate(file, _SIZE)
    os.set_inheritable(file, True)
    return file
