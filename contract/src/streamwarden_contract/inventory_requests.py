"""What people order of an inventory, and what the operator answers: two entries of a ConfigMap beside the operator.

Who may write in the operator's own namespace may order; nobody who may only write where agents are.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from streamwarden_contract.errors import InventoryError
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.validation import first_problem

CONFIG_MAP: Final = "streamwarden-inventory-request"
REQUEST_ENTRY: Final = "request.json"
ANSWER_ENTRY: Final = "answer.json"

LONGEST_AGE: Final = timedelta(minutes=15)
"""An older request, or one from so far ahead, is refused: a ConfigMap that is restored from a backup orders nothing."""
MAX_REQUESTED: Final = 500

_KINDS = ("namespace", "user", "topic", "subject")
_KEY = re.compile(rf"({'|'.join(_KINDS)})/.{{1,260}}")

RequestId = Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
ItemKey = Annotated[str, Field(min_length=3, max_length=270)]
"""As the inventory's records have it: ``user/risk.guard.gate``."""


class Action(StrEnum):
    """What is to happen to what the request names."""

    ADOPT = "Adopt"
    """Take it for this installation's."""
    RELEASE = "Release"
    """Take it for nobody's, and leave it as it is."""


class Outcome(StrEnum):
    """What has become of one thing."""

    DONE = "Done"
    """Done; of a dry run: it would be."""
    UNCHANGED = "Unchanged"
    """It was so before."""
    REFUSED = "Refused"
    """Not done, and nothing was changed."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1


T = TypeVar("T", bound=_Entry)


class InventoryRequest(_Entry):
    """One order."""

    id: RequestId
    """A UUID: what has an answer with this id is not done again."""
    installation: str
    action: Action
    items: Annotated[tuple[ItemKey, ...], Field(min_length=1, max_length=MAX_REQUESTED)]
    dry_run: bool = False
    unwatched: bool = False
    """Whether what lies in namespaces that the operator does not watch is released too."""
    requested_at: AwareDatetime

    def too_old(self, now: datetime) -> bool:
        """Tell whether it is not of about now."""
        return abs(now - self.requested_at) > LONGEST_AGE


class ItemAnswer(BaseModel):
    """What has become of one thing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item: str
    outcome: Outcome
    message: str


class InventoryAnswer(_Entry):
    """What the operator has made of a request."""

    id: str
    """The request's; empty where it cannot be read."""
    refused: str = ""
    """Why nothing of it was looked at."""
    items: tuple[ItemAnswer, ...] = ()


def build_request(
    action: Action,
    items: Sequence[str],
    *,
    request_id: str,
    installation: str,
    now: datetime,
    dry_run: bool = False,
    unwatched: bool = False,
) -> InventoryRequest:
    """Make a request of an installation; of the default one where none is named.

    Raises:
        InventoryError: what is named is nothing that an inventory has.
    """
    wrong = [item for item in items if not _KEY.fullmatch(item)]
    if wrong:
        raise InventoryError(f"{wrong[0]!r} is no KIND/NAME with one of the kinds {', '.join(_KINDS)}")
    if len(items) > MAX_REQUESTED:
        raise InventoryError(f"{len(items)} are too many at once: at most {MAX_REQUESTED}")
    return InventoryRequest(
        id=request_id,
        installation=installation or SYSTEM,
        action=action,
        items=tuple(items),
        dry_run=dry_run,
        unwatched=unwatched,
        requested_at=now,
    )


def read_request(text: str) -> InventoryRequest:
    """Read a request.

    Raises:
        InventoryError: it is none, or one of a later version.
    """
    return _read(InventoryRequest, text)


def read_answer(text: str) -> InventoryAnswer:
    """Read an answer.

    Raises:
        InventoryError: it is none, or one of a later version.
    """
    return _read(InventoryAnswer, text)


def _read(model: type[T], text: str) -> T:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise InventoryError(first_problem(error)) from None
