"""What is said of a contract's parts, and of its drift."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from streamwarden_operator.desired.checks.chain import Finding, decide
from streamwarden_operator.desired.checks.contracts import (
    ACCESS,
    DRIFT,
    NO_DRIFT,
    SCHEMA,
    TOPIC,
    AccessState,
    Part,
    PartState,
    SchemaState,
    TopicState,
    judge_part,
)
from streamwarden_operator.desired.status import true
from streamwarden_operator.errors import (
    KafkaUnavailableError,
    OperatorError,
    RegistryUnavailableError,
    UnsupportedChangeError,
)
from streamwarden_operator.ports import Topic

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


ORDERS = Topic("orders", partitions=6, replication_factor=3, topic_id="new")
NO_BROKER = KafkaUnavailableError("no broker")
SHRINKS = UnsupportedChangeError("cannot shrink")


@pytest.mark.parametrize(
    ("checks", "state", "expected"),
    [
        pytest.param(
            TOPIC,
            TopicState(settled=False, changes="create the topic", topic=ORDERS),
            ("True", "OK", "6 partitions, 3 replicas"),
            id="a-topic-that-was-made-is-described",
        ),
        pytest.param(
            TOPIC, TopicState(settled=True), ("True", "OK", ""), id="a-topic-that-brokers-do-not-show-yet-holds"
        ),
        pytest.param(
            TOPIC, TopicState(settled=True, error=SHRINKS), ("False", "NotSupported", "cannot shrink"), id="impossible"
        ),
        pytest.param(
            TOPIC, TopicState(settled=True, error=NO_BROKER), ("Unknown", "KafkaUnavailable", "no broker"), id="outage"
        ),
        pytest.param(
            SCHEMA,
            SchemaState(settled=True, wanted=False, registry=False),
            ("True", "OK", "the contract has no schema"),
            id="without-a-schema-no-registry-is-missed",
        ),
        pytest.param(
            SCHEMA,
            SchemaState(settled=True, registry=False),
            (
                "Unknown",
                "RegistryUnavailable",
                "no schema registry is configured: gates judge by the schema, nobody checks its compatibility",
            ),
            id="no-registry",
        ),
        pytest.param(SCHEMA, SchemaState(settled=True), ("True", "OK", ""), id="a-registered-schema"),
        pytest.param(
            ACCESS,
            AccessState(settled=True, wanted=False),
            ("True", "OK", "nobody outside Streamwarden has access"),
            id="nobody-outside",
        ),
        pytest.param(
            ACCESS, AccessState(settled=True, error=NO_BROKER), ("Unknown", "KafkaUnavailable", "no broker"), id="acls"
        ),
    ],
)
def test_a_part(
    checks: Sequence[Callable[[Any], Finding | None]], state: PartState, expected: tuple[str, str, str]
) -> None:
    found = judge_part("Part", checks, state).condition
    assert (found.type, found.status, found.reason, found.message) == ("Part", *expected)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(AccessState(settled=False, changes="an ACL"), "", id="a-new-spec-is-brought-about"),
        pytest.param(AccessState(settled=True, changes="an ACL"), "put back: an ACL", id="somebody-else-changed-it"),
        pytest.param(AccessState(settled=True, error=NO_BROKER), "", id="an-outage-is-no-drift"),
        pytest.param(TopicState(settled=False, error=SHRINKS), "cannot shrink", id="nobody-can-change-it-back"),
        pytest.param(TopicState(settled=True, topic=ORDERS, known_id="new"), "", id="the-same-topic"),
        pytest.param(TopicState(settled=True, topic=ORDERS), "", id="a-topic-that-was-adopted"),
        pytest.param(
            TopicState(settled=True, changes="create the topic", topic=ORDERS, known_id="old"),
            "put back: create the topic; the topic was deleted and made again (id old, now new): its records are lost, "
            "and offsets that consumers committed speak of the old one",
            id="another-topic-of-that-name",
        ),
    ],
)
def test_the_drift_of_a_part(state: PartState, expected: str) -> None:
    assert judge_part("Part", (), state).drift == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(NO_BROKER, NO_BROKER, id="an-outage-is-tried-again-soon"),
        pytest.param(SHRINKS, None, id="what-only-an-edit-mends-is-not"),
        pytest.param(None, None, id="nothing-is-wrong"),
    ],
)
def test_the_outage_of_a_part(error: OperatorError | None, expected: OperatorError | None) -> None:
    assert judge_part("Part", (), AccessState(settled=True, error=error)).outage is expected
