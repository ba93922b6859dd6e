"""Reads JSON as deep as an API server takes it: of ours, the data of policies may be so.

Python's reader gives up before, at a depth that differs by version and that only some let one set: 1,000 levels (3.11),
1,500 (3.12), 10,000 less a few (3.13). It does so with an error of no request, which would end kopf's watch and so the
operator.
"""

import json
import sys
import threading
from typing import Any

from typing_extensions import override

_DEEPEST = 10_000
"""Levels of an object that an API server still takes."""
_FRAMES = 2 * _DEEPEST + 4_000
"""Two for each level; the rest for who is reading, and for the list or the event round the object."""
_limit = threading.Lock()
"""Held by who has raised the recursion limit, which is all threads' own."""


class DeepDecoder(json.JSONDecoder):
    """Reads what is too deep once more, with the standard library's reader in Python: its depth is what one sets."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # passed on
        """Make a decoder as ``json.loads`` makes its own."""
        super().__init__(**options)
        self._slow = json.JSONDecoder(**options)
        self._slow.scan_once = json.scanner.py_make_scanner(self._slow)  # type: ignore[attr-defined]  # not in typeshed

    @override
    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        try:
            return super().raw_decode(s, idx)
        except RecursionError:
            with _limit:
                usual = sys.getrecursionlimit()
                sys.setrecursionlimit(max(usual, _FRAMES))
                try:
                    return self._slow.raw_decode(s, idx)
                finally:
                    sys.setrecursionlimit(usual)


def read_json(text: bytes) -> Any:  # noqa: ANN401  # JSON
    """Read an answer of an API server.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(text, cls=DeepDecoder)


def read_deep_everywhere() -> None:
    """Let every ``json.loads`` of this process read so: kopf reads lists and watches with it, and takes no other."""
    json._default_decoder = DeepDecoder()  # type: ignore[attr-defined]  # noqa: SLF001  # the one place that serves kopf and aiohttp
