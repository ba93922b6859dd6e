"""What an agent can write onto its own decision topic, with its own credentials, to get round its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, Producer
from streamwarden_contract import events
from streamwarden_contract.partitioner import partition_of
from support.gate_decisions import headers_for, proposals
from support.gate_world import PARTITIONS, eventually

if TYPE_CHECKING:
    from support.gate_world import GateWorld


KEY, VALUE, HEADERS = proposals([7])[0]
assert KEY is not None
assert VALUE is not None
RIGHT_PARTITION = partition_of(KEY, PARTITIONS)
RELEASE = events.CloudEvent(id="r", source="/operator", type="streamwarden.release", subject="page-7")


@pytest.fixture(scope="module")
def module_world(world_for_module: GateWorld) -> GateWorld:
    """One gate that has to survive all of them, with a policy that allows whatever is judged."""
    world_for_module.publish("true")
    world_for_module.start_gate()
    return world_for_module


@pytest.mark.parametrize(
    ("key", "value", "headers", "partition", "reason"),
    [
        pytest.param(KEY, VALUE, [*HEADERS, ("sw-verdict", b"Allow")], -1, "ReservedHeader", id="an-sw-header"),
        pytest.param(
            KEY, VALUE, [*RELEASE.headers(), ("sw-signature", b"0" * 64)], -1, "ReservedHeader", id="a-signed-release"
        ),
        pytest.param(KEY, VALUE, RELEASE.headers(), -1, "MalformedHeaders", id="a-release-record"),
        pytest.param(
            KEY,
            VALUE.replace(b'"entity"', b'"entity":"page-8","entity"'),
            HEADERS,
            -1,
            "MalformedValue",
            id="duplicate-JSON-keys",
        ),
        pytest.param(KEY, proposals([8])[0][1], HEADERS, -1, "EntityMismatch", id="anothers-entity"),
        pytest.param(KEY, VALUE, headers_for(8), -1, "EntityMismatch", id="anothers-subject"),
        pytest.param(KEY, VALUE, HEADERS, (RIGHT_PARTITION + 1) % 3, "WrongPartition", id="the-wrong-partition"),
        pytest.param(None, VALUE, HEADERS, -1, "MissingKey", id="a-null-key"),
        pytest.param(KEY, None, HEADERS, -1, "MalformedValue", id="a-null-value"),
        pytest.param(KEY, VALUE.replace(b"block", b"bl\xffck"), HEADERS, -1, "MalformedValue", id="broken-UTF-8"),
        pytest.param(KEY, VALUE.replace(b"0.9", b"NaN"), HEADERS, -1, "MalformedValue", id="NaN"),
        pytest.param(
            KEY,
            VALUE.replace(b'{"number":7}', b'{"number":' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
            HEADERS,
            -1,
            "MalformedValue",
            id="depth-10000",
        ),
        pytest.param(
            KEY, VALUE.replace(b'"number":7', b'"number":7' + b" " * 70_000), HEADERS, -1, "TooLarge", id="oversized"
        ),
    ],
)
def test_a_forged_record_is_a_dead_letter(
    module_world: GateWorld, key: bytes | None, value: bytes | None, headers: list[Any], partition: int, reason: str
) -> None:
    before = len(module_world.audits())
    module_world.write_as_agent([(key, value, headers)], partition=partition)
    eventually(lambda: len(module_world.audits()) == before + 1, "one more audit record")
    audit = max(module_world.audits(), key=lambda found: str(found["time"]))
    assert (audit["verdict"], audit["deadLetter"]) == ("DeadLetter", reason)
    assert module_world.dead_letters()[-1]["reason"] == reason
    assert module_world.commanded() == []


def test_a_record_above_the_topics_limit_is_refused_by_the_broker(module_world: GateWorld) -> None:
    producer = Producer({**module_world.agent_properties, "message.max.bytes": 4_000_000})
    errors: list[KafkaError | None] = []
    producer.produce(
        module_world.names.decisions, b"\x00" * 1_500_000, KEY, on_delivery=lambda error, _: errors.append(error)
    )
    assert producer.flush(30) == 0
    assert [error and error.code() for error in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]


def test_a_compressed_record_of_megabytes_is_a_dead_letter_without_its_bytes(module_world: GateWorld) -> None:
    before = len(module_world.dead_letters())
    config = {"message.max.bytes": 8_000_000, "compression.type": "gzip"}
    module_world.write_as_agent([(KEY, b"\x00" * 6_000_000, HEADERS)], **config)
    eventually(lambda: len(module_world.dead_letters()) == before + 1, "one more dead letter")
    letter = module_world.dead_letters()[-1]
    assert (letter["reason"], letter["value"]) == ("TooLarge", None)


def test_the_gate_lives_and_goes_on(module_world: GateWorld) -> None:
    process = module_world.processes[0]
    module_world.propose([1])
    eventually(lambda: module_world.commanded() == ["page-1"], "the command")
    assert process.poll() is None
    module_world.check_chains()
