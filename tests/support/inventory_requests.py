"""Where people order of the inventory, in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from streamwarden_contract.inventory_requests import Action, build_request, read_answer
from streamwarden_operator.errors import ConflictError, ForbiddenError
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Ordered
from support.operator_harness import until

if TYPE_CHECKING:
    from streamwarden_contract.inventory_requests import InventoryAnswer, InventoryRequest
    from support.operator_harness import Harness

ORDERS = Key("InventoryRequest", "streamwarden")


def request_of(action: Action, *items: str, **fields: Any) -> InventoryRequest:
    """Order something now, of the default installation."""
    known = {"request_id": str(uuid4()), "installation": "", "now": datetime.now(UTC)}
    return build_request(action, items, **{**known, **fields})


class FakeInventoryRequests:
    """One ConfigMap, as an API server keeps it."""

    def __init__(self) -> None:
        self.request = ""
        self.text = ""
        self.version = 0
        self.answers = 0
        self.forbidden = False

    def put(self, request: str) -> None:
        """Write what a person does: the answer before is gone."""
        self.request, self.text, self.version = request, "", self.version + 1

    async def read(self) -> Ordered | None:
        if self.forbidden:
            raise ForbiddenError("the API server forbids to get configmaps")
        return Ordered(self.request, self.text, str(self.version)) if self.version else None

    async def answer(self, ordered: Ordered, answer: str) -> None:
        if ordered.version != str(self.version):
            raise ConflictError("it was changed meanwhile")
        self.text, self.version, self.answers = answer, self.version + 1, self.answers + 1


async def ordered(harness: Harness, request: InventoryRequest) -> InventoryAnswer:
    """Order something of a running controller, and return its answer once nothing is left to do."""
    assert isinstance(harness.requests, FakeInventoryRequests)
    harness.requests.put(request.model_dump_json())
    harness.controller.add(ORDERS)
    await until(lambda: harness.requests is not None and harness.requests.text)  # type: ignore[attr-defined]  # the fake's
    await harness.settle()
    return read_answer(harness.requests.text)
