"""The schema registry of ``dev``, which comes later than the loop, or not at all."""

import pytest
from streamwarden_cli.local.late_registry import LateRegistry
from streamwarden_operator.errors import RegistryUnavailableError


async def test_x64_a_registry_that_will_not_come_is_not_said_to_be_starting() -> None:
    registry = LateRegistry()
    with pytest.raises(RegistryUnavailableError, match=r"^the schema registry is still starting$"):
        await registry.observe("risk.urls-value")

    registry.failed("/cache: No space left on device")

    with pytest.raises(
        RegistryUnavailableError, match=r"^there is no schema registry: /cache: No space left on device$"
    ):
        await registry.observe("risk.urls-value")
