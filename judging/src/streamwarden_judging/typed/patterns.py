"""How large a regular expression becomes when its counted repetitions are written out.

The engine takes time for each byte of the text and for each such part of the pattern: ``(a?){1000}`` over 64 KiB took
2.3 seconds.
"""

import re

_TOKEN = re.compile(
    r"(?P<open>\()|(?P<close>\))|\{(?P<least>\d+)(?:,(?P<most>\d*))?\}"
    r"|(?P<atom>\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\.|.)",
    re.DOTALL,
)
_MAX_SIZE = 10**9


def written_out(pattern: str) -> int:
    """Return an upper estimate of a pattern's size, in characters, with every repetition written out."""
    sizes, last = [0], [0]  # of each open group: all before its last part, and that
    for match in _TOKEN.finditer(pattern):
        if match["open"]:
            sizes.append(1)
            last.append(0)
        elif match["close"] and len(sizes) > 1:
            group = sizes.pop() + last.pop() + 1
            sizes[-1] += last[-1]
            last[-1] = group
        elif match["least"]:
            count = max(int(match["least"]), int(match["most"] or 0), 1)
            last[-1] = min(last[-1] * count, _MAX_SIZE)
        else:
            sizes[-1] += last[-1]
            last[-1] = len(match[0])
    return min(sum(sizes) + sum(last), _MAX_SIZE)
