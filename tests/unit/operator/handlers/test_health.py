"""What the kubelet hears."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from streamwarden_devstack.ports import free_ports
from streamwarden_operator.handlers.health import Health

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
async def health(port: int) -> AsyncIterator[Health]:
    made = Health(port, timedelta(seconds=5))
    await made.start()
    yield made
    await made.stop()


async def ask(port: int, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
    return answer.status_code, answer.text


@pytest.mark.slow
async def test_it_is_alive_at_once_and_ready_when_everything_was_looked_at(health: Health, port: int) -> None:
    assert await ask(port, "/healthz") == (200, "ok\n")
    assert await ask(port, "/readyz") == (503, "not everything has been looked at yet\n")
    health.ready = True
    assert await ask(port, "/readyz") == (200, "ok\n")


@pytest.mark.slow
async def test_f25_an_event_loop_that_stood_still_is_not_alive(health: Health, port: int) -> None:
    assert health._ticking is not None
    health._ticking.cancel()  # as by a loop that stands still
    health._last_tick_s -= 7
    status, said = await ask(port, "/healthz")
    assert status == 503
    assert said.startswith("the event loop stood still for")


async def test_without_a_port_it_listens_nowhere() -> None:
    silent = Health(0, timedelta(seconds=5))
    await silent.start()
    assert silent.stall_s == pytest.approx(0, abs=1)
    await silent.stop()
