"""What keeps the operator from starting, and what does not end it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.handlers import runtime
from streamwarden_operator.handlers.health import Health
from streamwarden_operator.handlers.runtime import Runtime
from streamwarden_operator.metrics import Metrics
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.supervision import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
    from streamwarden_operator.keys import Key


async def test_an_installation_with_another_ones_kafka_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "librdkafka.properties"
    file.write_text(Connection.scram("a:1", "streamwarden.operator", "hunter2").render())
    settings = OperatorSettings(installation="acme", kafka_properties=file, gate_image="gate")
    with pytest.raises(InvalidSpecError, match=r"whose Kafka user is 'acme\.operator'") as refused:
        await Runtime.open(settings)
    assert "hunter2" not in str(refused.value)


class OneBadAnswer:
    """A cluster whose second list is not as any list should be."""

    def __init__(self) -> None:
        self.lists = 0
        self.third = asyncio.Event()

    async def resync(self) -> frozenset[Key]:
        self.lists += 1
        if self.lists == 2:
            raise KeyError("kind")
        if self.lists == 3:
            self.third.set()
        return frozenset()

    def known(self) -> frozenset[Key]:
        return frozenset()

    def list(self, _kind: type) -> tuple[()]:
        return ()

    async def close(self) -> None:
        """Nothing is open."""


async def test_x93_one_bad_answer_does_not_end_the_resync_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stand_by(_runtime: Runtime) -> None:
        """Nobody leads here."""

    monkeypatch.setattr(runtime, "_SETTLE", timedelta(0))
    monkeypatch.setattr(Runtime, "_lead", stand_by)
    cluster, metrics = OneBadAnswer(), Metrics()
    health = Health(0, timedelta(seconds=20), metrics)
    made = Runtime(OperatorSettings(), Connection("a:1"), cast("KubernetesCluster", cluster), health, metrics)
    made._supervisor = Supervisor(first_pause_s=0)
    await made.start()
    try:
        async with asyncio.timeout(10):
            await cluster.third.wait()
    finally:
        await made.stop()
    assert 'streamwarden_operator_task_restarts_total{task="resync"} 1.0' in metrics.render().decode()
