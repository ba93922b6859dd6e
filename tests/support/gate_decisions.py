"""Decision records as an agent writes them, for the gate's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamwarden_contract import events
from streamwarden_contract.decision import Cause, Decision

if TYPE_CHECKING:
    from collections.abc import Iterable


def proposals(numbers: Iterable[int], **fields: object) -> list[tuple[bytes | None, bytes | None, list[Any]]]:
    """Make decision records."""
    return [
        (f"page-{number}".encode(), _proposal(number, **fields).encode(), headers_for(number)) for number in numbers
    ]


def _proposal(number: int, **fields: object) -> Decision:
    given: dict[str, object] = {
        "type": "block",
        "entity": f"page-{number}",
        "parameters": {"number": number},
        "cause": Cause(topic="inputs", partition=0, offset=number),
        "confidence": 0.9,
    }
    return Decision.model_validate(given | fields)


def headers_for(number: int) -> list[Any]:
    """Make the headers of a decision record."""
    event = events.CloudEvent(
        id=f"d-{number}",
        source="/agent",
        type=events.DECISION_TYPE,
        subject=f"page-{number}",
        correlationid="c",
        hops=1,
    )
    return event.headers()
