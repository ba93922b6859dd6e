"""What is said of a contract's drift."""

import pytest
from streamwarden_operator.desired.checks.chain import decide
from streamwarden_operator.desired.checks.contracts import DRIFT, NO_DRIFT, Part
from streamwarden_operator.desired.status import true
from streamwarden_operator.errors import KafkaUnavailableError, RegistryUnavailableError

WELL = Part(true("TopicReady"))
CHANGED = Part(true("TopicReady"), drift="put back: partitions")
ALSO_CHANGED = Part(true("AccessReady"), drift="put back: an ACL")
DOWN = Part(true("SchemaReady"), outage=RegistryUnavailableError("no registry"))
ALSO_DOWN = Part(true("AccessReady"), outage=KafkaUnavailableError("no broker"))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([WELL, WELL], ("False", "InSync", ""), id="nothing-was-changed"),
        pytest.param(
            [CHANGED, DOWN, ALSO_CHANGED],
            ("True", "Drifted", "put back: partitions; put back: an ACL"),
            id="all-that-was-changed-is-told-though-something-is-down",
        ),
        pytest.param(
            [WELL, DOWN, ALSO_DOWN], ("Unknown", "RegistryUnavailable", "no registry"), id="the-first-outage-is-told"
        ),
    ],
)
def test_drift(parts: list[Part], expected: tuple[str, str, str]) -> None:
    found = decide("DriftDetected", DRIFT, parts, otherwise=NO_DRIFT)
    assert (found.status, found.reason, found.message) == expected
