"""The command's side of an order: one ConfigMap, written whole, and only an answer to this order counts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_contract.errors import InventoryError
from streamwarden_contract.inventory_requests import (
    ANSWER_ENTRY,
    CONFIG_MAP,
    LONGEST_AGE,
    MAX_REQUESTED,
    REQUEST_ENTRY,
    Action,
    InventoryAnswer,
    ItemAnswer,
    Outcome,
)
from streamwarden_operator.adapters.kubernetes.inventory_requests import KubernetesInventoryRequests
from streamwarden_operator.errors import ConflictError, KubernetesUnavailableError, NotReadyError
from streamwarden_operator.handlers import ordering
from support.inventory_requests import request_of
from support.operator_harness import until

if TYPE_CHECKING:
    from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
    from streamwarden_operator.adapters.kubernetes.errors import Request
    from streamwarden_operator.adapters.kubernetes.resource_types import ResourceType
    from streamwarden_operator.ports import Manifest

REQUEST = request_of(Action.ADOPT, "user/risk.ghost.gate")
DONE = ItemAnswer(item="user/risk.ghost.gate", outcome=Outcome.DONE, message="this installation's")


class Server:
    """One ConfigMap, as the API server keeps it, and an operator that answers by ``says``."""

    def __init__(self) -> None:
        self.found: Manifest | None = None
        self.version = 0
        self.says: InventoryAnswer | None = None
        self.silent = 0
        """As often it does not answer, once something is ordered."""

    async def get(self, _resource: ResourceType, namespace: str, name: str) -> Manifest | None:
        assert (namespace, name) == ("streamwarden", CONFIG_MAP)
        if self.found is not None and self.silent:
            self.silent -= 1
            raise KubernetesUnavailableError("connection refused")
        if self.found is not None and self.says is not None and self.says.id in self.found["data"][REQUEST_ENTRY]:
            requests = KubernetesInventoryRequests(self.client, "streamwarden")
            answer, self.says = self.says, None
            ordered = await requests.read()
            assert ordered is not None
            await requests.answer(ordered, answer.model_dump_json())
        return self.found

    async def create(self, _resource: ResourceType, manifest: Manifest) -> Manifest:
        if self.found is not None:
            raise ConflictError("there is one")
        return self._store(manifest)

    async def replace(self, _resource: ResourceType, manifest: Manifest) -> Manifest:
        self._check(manifest)
        return self._store(manifest)

    async def patch(self, request: Request, body: Any, *, content_type: str, manager: str) -> Manifest:
        assert (request.verb, request.name, content_type) == ("patch", CONFIG_MAP, "application/merge-patch+json")
        assert manager == "streamwarden-operator"
        self._check(body)
        assert self.found is not None
        return self._store({**self.found, "data": {**self.found["data"], **body["data"]}})

    @property
    def client(self) -> KubernetesClient:
        return cast("KubernetesClient", self)

    def _check(self, manifest: Manifest) -> None:
        if manifest["metadata"]["resourceVersion"] != str(self.version):
            raise ConflictError("it has another version")

    def _store(self, manifest: Manifest) -> Manifest:
        self.version += 1
        self.found = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}
        return self.found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(ordering, "_PAUSE_S", 0.001)
    return Server()


async def test_the_answer_to_this_order_is_returned_and_stands_beside_it(server: Server) -> None:
    answer = server.says = InventoryAnswer(id=REQUEST.id, items=(DONE,))
    assert await ordering.ask(server.client, "streamwarden", REQUEST, wait_s=30, tell=print) == answer
    assert server.found is not None
    assert server.found["data"] == {
        REQUEST_ENTRY: REQUEST.model_dump_json(),
        ANSWER_ENTRY: answer.model_dump_json(),
    }


async def test_the_answer_to_the_order_before_is_gone_with_it(server: Server) -> None:
    server.says = InventoryAnswer(id=REQUEST.id, items=(DONE,))
    await ordering.ask(server.client, "streamwarden", REQUEST, wait_s=30, tell=print)
    second = request_of(Action.RELEASE, "user/risk.ghost.gate")
    with pytest.raises(NotReadyError, match=r"no operator has answered within 0\.01 s"):
        await ordering.ask(server.client, "streamwarden", second, wait_s=0.01, tell=print)
    assert server.found is not None
    assert server.found["data"] == {REQUEST_ENTRY: second.model_dump_json()}


async def test_an_order_without_an_answer_is_not_overwritten_until_nobody_carries_it_out(server: Server) -> None:
    first = request_of(Action.RELEASE, "user/risk.ghost.gate")
    with pytest.raises(NotReadyError, match="no operator has answered"):
        await ordering.ask(server.client, "streamwarden", first, wait_s=0.01, tell=print)
    second = request_of(Action.RELEASE, "user/risk.ghost.gate")
    with pytest.raises(NotReadyError, match=f"the order {first.id} has no answer yet"):
        await ordering.ask(server.client, "streamwarden", second, wait_s=30, tell=print)
    late = second.model_copy(update={"requested_at": first.requested_at + LONGEST_AGE + timedelta(seconds=1)})
    server.says = InventoryAnswer(id=late.id, items=(DONE,))
    assert (await ordering.ask(server.client, "streamwarden", late, wait_s=30, tell=print)).id == late.id


async def test_an_answer_to_a_request_that_was_replaced_meanwhile_is_not_written(server: Server) -> None:
    requests = KubernetesInventoryRequests(server.client, "streamwarden")
    assert await requests.read() is None
    with pytest.raises(NotReadyError):
        await ordering.ask(server.client, "streamwarden", REQUEST, wait_s=0.01, tell=print)
    found = await requests.read()
    assert found is not None
    server.version += 1
    with pytest.raises(ConflictError):
        await requests.answer(found, InventoryAnswer(id=REQUEST.id).model_dump_json())


STANDS = f"The order stands for 15 minutes; to take it back, delete the ConfigMap streamwarden/{CONFIG_MAP}"


async def test_who_ends_the_command_before_the_answer_is_told_that_the_order_stands(server: Server) -> None:
    told: list[str] = []
    asking = asyncio.create_task(ordering.ask(server.client, "streamwarden", REQUEST, wait_s=600, tell=told.append))
    await until(lambda: server.found)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert told == [f"ended before an operator has answered. {STANDS}"]


async def test_who_waits_is_told_once_for_what_and_that_the_api_server_is_gone_does_not_end_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "_SILENT_S", 0.0)
    told: list[str] = []
    server.silent, server.says = 2, InventoryAnswer(id=REQUEST.id, items=(DONE,))
    answer = await ordering.ask(server.client, "streamwarden", REQUEST, wait_s=30, tell=told.append)
    assert (answer.items, server.silent) == ((DONE,), 0)
    waits = "no operator has answered yet (the API server: connection refused): waiting for 30 s at most"
    assert told == [f"{waits}. {STANDS}"]


@pytest.mark.parametrize(
    ("items", "why"),
    [
        (
            ["risk.ghost.gate"],
            "'risk.ghost.gate' is no KIND/NAME with one of the kinds namespace, user, topic, subject",
        ),
        (["user/"], "'user/' is no KIND/NAME"),
        (["installation"], "'installation' is no KIND/NAME"),
        (["user/x"] * (MAX_REQUESTED + 1), "501 are too many at once: at most 500"),
    ],
    ids=["no-kind", "no-name", "the-installation", "too-many"],
)
def test_what_no_inventory_has_is_not_ordered(items: list[str], why: str) -> None:
    with pytest.raises(InventoryError) as caught:
        request_of(Action.RELEASE, *items)
    assert str(caught.value).startswith(why)
