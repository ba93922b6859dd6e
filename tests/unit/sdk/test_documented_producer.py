"""What docs/dev.md says of writing events is enough for an agent to handle them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden.core.reading import read_event
from streamwarden.core.records import Record
from streamwarden_contract.partitioner import partition_of
from streamwarden_contract.runtime_config import InputTopic
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.records import headers_of
from support.mock_broker import mock_broker, read
from support.newcomers import write_as_documented

if TYPE_CHECKING:
    from pathlib import Path

_PARTITIONS = 4
"""Of a topic that librdkafka's own broker makes."""


@pytest.mark.slow
def test_the_documented_program_writes_an_event(tmp_path: Path) -> None:
    with mock_broker("plant.readings") as properties:
        settings = tmp_path / "sensors.properties"
        settings.write_text(Connection.of(properties).render())
        command = tmp_path / "streamwarden"
        command.write_text(f'#!/bin/sh\ntest "$*" = "credentials --principal sensors" && echo "{settings}"\n')
        command.chmod(0o700)
        assert write_as_documented(tmp_path, str(tmp_path)) == "taken\n"
        [message] = read(properties, "plant.readings", 1, partition_of(b"valve-0001", _PARTITIONS))
    record = Record("plant.readings", 0, 0, 0, message.key(), message.value(), tuple(headers_of(message)))
    found = read_event(record, InputTopic())
    assert (found.attributes.source, found.attributes.type) == ("/plant/sensors", "reading.taken")
    assert len(found.attributes.id) == 36
    assert (record.key, found.value, found.dropped) == (b"valve-0001", b'{"pressure": 97}', frozenset())
