"""Reads JSON as deep as an API server takes it: of ours, the data of policies may be so.

Python's reader gives up before, at a depth that differs by version: 1,000 levels (3.11), 1,500 (3.12), 10,000 less a
few (3.13). It does so with an error of no request, which would end kopf's watch and so the operator. The recursion
limit is no way out: it is that of all threads, and one that is deeper than it when it is put back ends the process.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from typing_extensions import override

_PIECE = 200
"""Levels that are read at once. Nothing of ours may be as deep (``canonical.MAX_DEPTH``)."""
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
"""A text, in which brackets mean nothing, or a bracket."""

_Decode = Callable[[str, int], tuple[Any, int]]


class DeepDecoder(json.JSONDecoder):
    """Reads what is too deep once more, in pieces, and gives null in place of what lies below a multiple of 200."""

    @override
    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        try:
            return super().raw_decode(s, idx)
        except RecursionError:
            return _read_in_pieces(super().raw_decode, s, idx)


def _read_in_pieces(decode: _Decode, text: str, begin: int) -> tuple[Any, int]:
    """Read the object or array at ``begin``, and return it with the place behind it.

    Every piece is read, so that what is no JSON fails at whatever depth; the innermost first.
    """
    outer: list[str] = []
    """What is read of the pieces round the present one, from the outermost on."""
    here, depth = "", 0
    at = end = begin
    for token in _TOKEN.finditer(text, begin):
        end = token.end()
        if token[0] in "{[":
            if depth and depth % _PIECE == 0:
                outer.append(here + text[at : token.start()])
                here, at = "", token.start()
            depth += 1
        elif token[0] in "}]":
            depth -= 1
            if depth <= 0:
                break
            if depth % _PIECE == 0:
                _read_whole(decode, here + text[at:end])
                here, at = outer.pop() + "null", end
    return _read_whole(decode, "".join(outer) + here + text[at:end]), end


def _read_whole(decode: _Decode, piece: str) -> Any:  # noqa: ANN401  # JSON
    found, end = decode(piece, 0)
    if end != len(piece):
        raise json.JSONDecodeError("Extra data", piece, end)
    return found


def read_json(text: bytes) -> Any:  # noqa: ANN401  # JSON
    """Read an answer of an API server.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(text, cls=DeepDecoder)


def read_deep_everywhere() -> None:
    """Let every ``json.loads`` of this process read so: kopf reads lists and watches with it, and takes no other."""
    json._default_decoder = DeepDecoder()  # type: ignore[attr-defined]  # noqa: SLF001  # the one place that serves kopf and aiohttp
