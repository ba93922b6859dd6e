"""A request to a coordinator does not time out in librdkafka, which then ends the process: who asks waits by itself."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_cli.audit import reader
from streamwarden_cli.audit.reader import AuditReader
from streamwarden_cli.bypass import intruder
from streamwarden_cli.bypass.intruder import Intruder
from streamwarden_kafka.clients import COORDINATOR_TIMEOUT_S
from streamwarden_kafka.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = Connection("")


class Late:
    """An admin client that gets no answer."""

    def __init__(self) -> None:
        self.timeouts_s: list[float] = []

    def _ask(self, _asked: list[object], request_timeout: float) -> dict[object, Future[Any]]:
        self.timeouts_s.append(request_timeout)
        return {"group": Future()}

    describe_consumer_groups = alter_consumer_group_offsets = delete_consumer_groups = _ask


def check_group(late: Late) -> None:
    asking = AuditReader(NOBODY)
    asking._admin = late  # type: ignore[assignment]  # as much of one as is asked for
    try:
        asking._check_group("group")
    finally:
        asking.close()


def attempt(act: Callable[[Intruder], None], late: Late) -> None:
    attempting = Intruder(NOBODY)
    attempting._admin = late  # type: ignore[assignment]  # as above
    with suppress(TimeoutError):
        act(attempting)
        pytest.fail("nobody has answered")


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(check_group, id="the-audit-of-a-gate-s-group"),
        pytest.param(partial(attempt, partial(Intruder.commit, group="group", topic="t")), id="a-commit-from-outside"),
        pytest.param(partial(attempt, partial(Intruder.delete_group, group="group")), id="a-group-that-is-deleted"),
    ],
)
def test_a_coordinator_that_is_late(ask: Callable[[Late], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_TIMEOUT_S", 0.01)
    monkeypatch.setattr(intruder, "_TIMEOUT_S", -0.99)  # a second more is waited for
    late = Late()
    ask(late)
    assert late.timeouts_s == [COORDINATOR_TIMEOUT_S]
