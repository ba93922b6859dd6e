"""What was judged, kept on disk for the comparison with the decisions: a chain may be longer than memory."""

from __future__ import annotations

import struct
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streamwarden_contract.audit_coverage import JudgedDecision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from streamwarden_contract.audit_chains import ChainId, Judged

_ENTRY = struct.Struct(">q32sq")
"""Offset, digest, and the last offset of a range: 48 bytes a record."""
_BUFFER = 400 * _ENTRY.size
"""Kept of each chain before it is written."""


class Spool:
    """Offsets and digests by chain, in a private folder that goes with the block; those of a topic that is gone go."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="streamwarden-audit-")
        self._buffers: dict[ChainId, bytearray] = defaultdict(bytearray)
        self._topics: dict[ChainId, str] = {}
        self._last: dict[ChainId, int] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def add(self, judged: Judged) -> None:
        """Keep what a chain's next record says; one that is out of order is a fault already, and no help here."""
        chain = judged.chain
        if self._topics.get(chain) != judged.topic_id:
            self._topics[chain], self._last[chain] = judged.topic_id, -1
            self._buffers[chain].clear()
            self._path(chain).unlink(missing_ok=True)
        if judged.offset <= self._last[chain]:
            return
        last = -1 if judged.last is None else judged.last
        self._last[chain] = max(judged.offset, last)
        buffer = self._buffers[chain]
        buffer += _ENTRY.pack(judged.offset, bytes.fromhex(judged.digest), last)
        if len(buffer) >= _BUFFER:
            self._write(chain, buffer)

    def topic_id(self, chain: ChainId) -> str:
        """Return the id of the topic that the kept decisions stand on; empty where there are none."""
        return self._topics.get(chain, "")

    def judged(self, chain: ChainId) -> Iterator[JudgedDecision]:
        """Return what is kept of a chain, by growing offset."""
        if chain not in self._topics:
            return
        self._write(chain, self._buffers[chain])
        with self._path(chain).open("rb") as file:
            while piece := file.read(_BUFFER):
                yield from map(JudgedDecision._make, _ENTRY.iter_unpack(piece))

    def _write(self, chain: ChainId, buffer: bytearray) -> None:
        with self._path(chain).open("ab") as file:
            file.write(buffer)
        buffer.clear()

    def _path(self, chain: ChainId) -> Path:
        return Path(self._folder.name, f"{chain.agent}.{chain.partition}")
