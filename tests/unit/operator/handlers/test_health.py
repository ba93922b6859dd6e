"""What the kubelet hears."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from streamwarden_devstack.ports import free_ports
from streamwarden_operator.handlers.health import Health
from streamwarden_operator.metrics import Metrics
from support.operator_harness import until

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


@pytest.mark.slow
async def test_prometheus_and_people_ask_on_the_same_port(health: Health, port: int) -> None:
    status, told = await ask(port, "/metrics")
    assert status == 200
    assert "# TYPE streamwarden_operator_reconciles_total counter" in told
    health.look = lambda: {"running": [{"key": "Policy risk/strict"}]}
    assert await ask(port, "/debug/tasks") == (200, '{"running": [{"key": "Policy risk/strict"}]}')


@pytest.mark.slow
async def test_x85_what_holds_the_event_loop_for_longer_than_a_tick_is_measured() -> None:
    metrics = Metrics()
    health = Health(0, timedelta(seconds=5), metrics)
    await health.start()
    await asyncio.sleep(0.01)
    time.sleep(0.4)  # noqa: ASYNC251  # it is what must be seen
    await until(lambda: "event_loop_lag_seconds_count 0.0" not in metrics.render().decode(), wait_s=10)
    told = metrics.render().decode()
    assert 'streamwarden_operator_event_loop_lag_seconds_bucket{le="0.1"} 0.0' in told
    await health.stop()


async def test_without_a_port_it_listens_nowhere() -> None:
    silent = Health(0, timedelta(seconds=5))
    await silent.start()
    assert silent.stall_s == pytest.approx(0, abs=1)
    await silent.stop()


async def test_x85_what_holds_the_event_loop_is_told_apart_from_waiting_for_a_processor() -> None:
    metrics = Metrics()
    made = Health(0, timedelta(seconds=5), metrics)
    await made.start()
    try:
        await asyncio.sleep(0)
        worked_s = time.thread_time()
        while time.thread_time() - worked_s < 0.3:
            pass  # the loop's own work, however busy the machine is
        await until(lambda: longest_hold(metrics) > 0)
    finally:
        await made.stop()
    assert longest_hold(metrics) >= 0.1


def longest_hold(metrics: Metrics) -> float:
    name = "streamwarden_operator_event_loop_longest_hold_seconds "
    return next(float(line.split()[1]) for line in metrics.render().decode().splitlines() if line.startswith(name))
