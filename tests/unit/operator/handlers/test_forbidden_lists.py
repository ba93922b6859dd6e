"""A list that the operator may not make any more: people are told by an Event, by whoever leads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_operator.errors import ForbiddenError, KubernetesUnavailableError, OperatorError
from streamwarden_operator.handlers import runtime
from streamwarden_operator.handlers.health import Health
from streamwarden_operator.handlers.runtime import Runtime
from streamwarden_operator.metrics import Metrics
from streamwarden_operator.settings import OperatorSettings

if TYPE_CHECKING:
    from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
    from streamwarden_operator.adapters.kubernetes.election import Election
    from streamwarden_operator.keys import Key

PATIENCE_S = 60.0
FORBIDDEN = ForbiddenError("the API server forbids to list pods in all namespaces")
TOLD = [("Namespace streamwarden", "Forbidden", str(FORBIDDEN), True)]


class Refusing:
    """A cluster whose first list fails; it has told the second when that is done."""

    def __init__(self, error: OperatorError) -> None:
        self.error, self.lists, self.second = error, 0, asyncio.Event()
        self.events: list[tuple[str, str, str, bool]] = []

    async def resync(self) -> frozenset[Key]:
        self.lists += 1
        if self.lists == 1:
            raise self.error
        self.second.set()
        return frozenset()

    def take_found(self) -> frozenset[Key]:
        return frozenset()

    async def record_event(self, key: Key, *, reason: str, message: str, warning: bool) -> None:
        self.events.append((f"{key.kind} {key.namespace}", reason, message, warning))


def over(cluster: Refusing, *, leads: bool = True) -> Runtime:
    health, settings = (
        Health(0, timedelta(seconds=20), Metrics()),
        OperatorSettings(resync_interval=timedelta(seconds=1)),
    )
    made = Runtime(settings, Connection("a:1"), cast("KubernetesCluster", cluster), health, Metrics())
    made.election = cast("Election", SimpleNamespace(leads=leads))
    return made


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("_RETRY", "_SETTLE"):
        monkeypatch.setattr(runtime, pause, timedelta(0))


async def resynced_twice(made: Runtime, cluster: Refusing) -> None:
    task = asyncio.create_task(made._resync())
    try:
        await asyncio.wait_for(cluster.second.wait(), PATIENCE_S)
    finally:
        task.cancel()


async def test_a_right_to_list_that_is_taken_away_while_it_leads_is_an_event() -> None:
    cluster = Refusing(FORBIDDEN)
    await resynced_twice(over(cluster), cluster)
    assert cluster.events == TOLD


async def test_one_that_is_missing_when_it_begins_to_lead_is_an_event() -> None:
    cluster = Refusing(FORBIDDEN)
    assert await over(cluster)._first_list() == frozenset()
    assert cluster.events == TOLD


async def test_who_stands_by_writes_no_event_of_it() -> None:
    cluster = Refusing(FORBIDDEN)
    await over(cluster, leads=False)._first_list()
    assert (cluster.lists, cluster.events) == (2, [])


async def test_an_api_server_that_does_not_answer_is_no_event() -> None:
    cluster = Refusing(KubernetesUnavailableError("no answer within 10 s"))
    await over(cluster)._first_list()
    assert (cluster.lists, cluster.events) == (2, [])
