"""Ranges of decisions that people want their agent's gate to pass over."""

from typing import Annotated, ClassVar

from pydantic import Field

from streamwarden_contract.models.base import Resource

MAX_SKIPS = 16
"""Requests of one agent."""
MAX_OFFSET = 10**18 - 1
"""As in the offset metadata: no more than 18 digits."""

ONE_LINE_PATTERN = r"^[^\x00-\x1f\x7f]*$"
TOPIC_ID_PATTERN = r"^[A-Za-z0-9+/_-]{1,64}$"

Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET)]
SkipText = Annotated[str, Field(pattern=ONE_LINE_PATTERN, min_length=1, max_length=256)]
"""A person's words: one line."""


class SkipRequest(Resource):
    """A range of the agent's decision topic that its gate passes over, once, with one audit record and unjudged."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.fromOffset <= self.toOffset", "fromOffset must not be above toOffset"),
        (
            "self.toOffset < self.seenEndOffset",
            "toOffset must be below seenEndOffset: only what was written when it was asked for is skipped",
        ),
    )

    topic_id: Annotated[str, Field(pattern=TOPIC_ID_PATTERN, max_length=64)]
    """Kafka's id of the decision topic: in a topic that is made again nothing is skipped."""
    partition: Annotated[int, Field(ge=0, le=2_147_483_647)]
    """Partition of the decision topic."""
    from_offset: Offset
    """The first offset that is passed over; what the gate has committed already stays judged."""
    to_offset: Offset
    """The last one."""
    seen_end_offset: Offset
    """The partition's end when this was asked for: what comes after it nobody who asked can have seen."""
    reason: SkipText
    """Why; it goes into the audit."""
    requested_by: SkipText
    """Who asks: a claim that nobody has checked. It goes into the audit."""
