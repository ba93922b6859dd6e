"""How much the operator keeps of what gates say: whoever has a gate's password may write acks of any pods. Pure."""

from collections import Counter

MOST_BYTES = 16 * 1024 * 1024
"""Of a namespace's acks together: some thousand gates' that say all they can."""
KEPT_BYTES = 2048
"""What one takes beside its text."""


class AckRoom:
    """Counts what is kept of each namespace."""

    def __init__(self) -> None:
        self._sizes: dict[str, dict[str, int]] = {}
        """In bytes, by namespace and key."""
        self._totals = Counter[str]()
        self._full: set[str] = set()

    def take(self, namespace: str, key: str, size: int) -> bool:
        """Make room for a gate's ack in place of the one before, and tell whether there is any.

        Args:
            namespace: the gate's.
            key: the ack's.
            size: of its text, in bytes; 0 of a tombstone, which needs no room.
        """
        sizes, needed = self._sizes.setdefault(namespace, {}), size and size + KEPT_BYTES
        self._totals[namespace] -= sizes.pop(key, 0)
        if self._totals[namespace] + needed > MOST_BYTES:
            return False
        if needed:
            sizes[key] = needed
            self._totals[namespace] += needed
        return True

    def is_news(self, namespace: str, *, fits: bool) -> bool:
        """Tell whether to say that something of a namespace does not fit: once, until something does again."""
        if fits:
            self._full.discard(namespace)
            return False
        news = namespace not in self._full
        self._full.add(namespace)
        return news
