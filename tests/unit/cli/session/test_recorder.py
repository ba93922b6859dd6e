"""Whose reader the recorder is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.session import recorder
from streamwarden_contract.names import InstallationNames
from streamwarden_kafka.connection import Connection

if TYPE_CHECKING:
    from pathlib import Path


class SilentConsumer:
    """Of a Kafka in which nothing happens."""

    def poll(self, _timeout_s: float) -> None:
        return

    def close(self) -> None:
        return


@pytest.mark.parametrize("installation", ["streamwarden", "green"])
def test_the_recorder_is_a_reader_of_its_installation(
    installation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = []

    def opened(_connection: Connection, group: str, *_: object) -> SilentConsumer:
        groups.append(group)
        return SilentConsumer()

    monkeypatch.setattr(recorder, "open_consumer", opened)
    connection = Connection.scram("127.0.0.1:1", f"{installation}.operator", "secret")
    reader = recorder.Recorder(connection, InstallationNames(installation), tmp_path / "decisions")

    reader.start()
    reader.stop()

    assert (groups, reader.failed) == ([f"{installation}.operator.recorder"], "")
