"""What keeps the operator from starting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.handlers.runtime import Runtime
from streamwarden_operator.settings import OperatorSettings

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_installation_with_another_ones_kafka_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "librdkafka.properties"
    file.write_text(Connection.scram("a:1", "streamwarden.operator", "hunter2").render())
    settings = OperatorSettings(installation="acme", kafka_properties=file, gate_image="gate")
    with pytest.raises(InvalidSpecError, match=r"whose Kafka user is 'acme\.operator'") as refused:
        await Runtime.open(settings)
    assert "hunter2" not in str(refused.value)
