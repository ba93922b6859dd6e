"""``kfake`` comes up at once, keeps strangers out, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from streamwarden_devstack.kfake import Kfake
from support.pids import gone, is_running

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_kafka.connection import Connection
    from support.brokers import Broker


def admin_of(operator: Connection) -> AdminClient:
    return AdminClient({**operator.librdkafka(), "log_level": "0"})


def files_with(folder: Path, word: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and word in path.read_text("utf-8")]


async def test_it_has_the_brokers_that_were_asked_for_and_ends_with_its_block(tmp_path: Path) -> None:
    async with Kfake(tmp_path, brokers=2) as kfake:
        pid = kfake.pid
        found = await asyncio.to_thread(admin_of(kfake.operator).list_topics, timeout=10)
        assert pid is not None
        assert is_running(pid)
        assert {f"{one.host}:{one.port}" for one in found.brokers.values()} == set(kfake.bootstrap_servers.split(","))
        assert len(found.brokers) == 2

    await gone(pid)
    assert kfake.pid is None


async def test_the_password_is_in_no_file_that_others_read(tmp_path: Path) -> None:
    async with Kfake(tmp_path, brokers=1) as kfake:
        password = kfake.operator.password
        files = files_with(tmp_path, password)

        assert [path.name for path in files] == ["settings.json"]
        assert files[0].stat().st_mode & 0o077 == 0


def test_a_wrong_password_is_refused(kfake: Broker) -> None:
    with pytest.raises(KafkaException):
        admin_of(kfake.operator.as_user(kfake.operator.username, "wrong")).list_topics(timeout=1)
