"""How requests went, for who counts them."""

from collections.abc import Callable
from typing import Literal

Outcome = Literal["ok", "refused", "no_answer"]
"""Refused: of one item at least a broker says no. No answer: the client itself gives up, as when it timed out."""

OnAnswered = Callable[[str, Outcome], None]
"""The request, and how it went: of the admin client as that names it, as in ``create_topics``, called in its own
thread; of the wire client as Kafka does, as in ``ListOffsets``, called in the event loop."""


def ignore(_request: str, _outcome: Outcome) -> None:
    """Where nobody listens."""
