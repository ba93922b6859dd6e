"""Batches of an input that no client can read, or that end it, on a real broker and with the agent's own rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.decision import decode_decision, decode_failure
from streamwarden_contract.events import FAILURE_TYPE, decode
from streamwarden_kafka.records import headers_of
from support.agent_process import pages, stop, wait_for
from support.bombs import deadly_batch, gzip_bomb, zstd_bomb
from support.raw_records import UNPARSED, Fields, RawRecord, RawWriter, encode_batch, encode_record

if TYPE_CHECKING:
    from support.agent_process import DeployedAgent

_MIB = 1024 * 1024
_DEATHS_S = 240
"""Each of the two kills three or four processes, the bomb after seconds; a quiet machine needs less than a minute."""


def with_offsets(*deltas: int) -> bytes:
    """Return a batch whose records say other offsets than they have."""
    records = b"".join(encode_record(RawRecord(b"page-1", b"{}"), delta) for delta in deltas)
    return encode_batch(records, Fields(last_offset_delta=len(deltas) - 1, records=len(deltas)))


@pytest.mark.long
def test_x07_no_batch_stops_an_agent_or_takes_its_memory_also_where_it_rebuilds_that(deployed: DeployedAgent) -> None:
    labels = pages([1], kind="page.labelled", phishing=True)
    deployed.cluster.produce(deployed.topic, [*labels, *pages(range(20))])
    process = deployed.start()
    wait_for(deployed.caught_up)
    places = []
    with RawWriter(deployed.cluster.properties) as writer:
        for batch in (deadly_batch(), gzip_bomb(640 * _MIB)):
            answer = writer.write(deployed.topic, 0, batch)
            assert answer.code == 0
            places.append(answer.offset)
            deployed.cluster.produce(deployed.topic, [*labels, *pages([places[-1]])])
    deployed.cluster.produce(deployed.topic, pages(range(20, 40)))
    wait_for(deployed.caught_up, seconds=_DEATHS_S)
    assert process.poll() is None, "only what reads for it has died"
    assert stop(process) == 0
    deployed.cluster.produce(deployed.topic, pages([1]))
    process = deployed.start()
    wait_for(deployed.caught_up, seconds=_DEATHS_S)
    assert stop(process) == 0

    written = deployed.cluster.read_all(deployed.names.decisions)
    failed = [each for each in written if decode(headers_of(each), strict=True).type == FAILURE_TYPE]
    failures = [decode_failure(each.value() or b"") for each in failed]
    assert [(each.cause.partition, each.cause.offset, each.error) for each in failures] == [
        (0, at, f"UnreadableBatchError: offsets {at} to {at} are passed over: 3 processes died of reading a batch")
        for at in places
    ]
    decisions = [decode_decision(each.value() or b"")[0] for each in written if each not in failed]
    assert len({each.entity for each in decisions}) == 40
    assert [each.parameters["labels"] for each in decisions if each.entity == "page-0001"] == [1, 3]
    deaths = [line for line in deployed.log if line["event"].startswith("The process that reads has died")]
    assert {line["cause"] for line in deaths} == {"SIGABRT"}


def test_an_agent_passes_over_what_it_cannot_read_and_says_so_also_where_it_rebuilds_its_memory(
    deployed: DeployedAgent,
) -> None:
    batches = [with_offsets(1_000), with_offsets(2**31 - 1, 0, 1), zstd_bomb(640 * _MIB)]
    deployed.cluster.produce(deployed.topic, pages(range(20)))
    with RawWriter(deployed.cluster.properties) as writer:
        ranges = []
        for batch, records in zip(batches, (1, 3, 1), strict=True):
            answer = writer.write(deployed.topic, 0, batch)
            assert answer.code == 0
            ranges.append((answer.offset, answer.offset + records - 1))
            deployed.cluster.produce(deployed.topic, pages([ranges[-1][0]], kind="page.labelled", phishing=True))
    deployed.cluster.produce(deployed.topic, pages(range(20, 40)))
    process = deployed.start()
    wait_for(deployed.caught_up, seconds=60)
    assert stop(process) == 0
    deployed.cluster.produce(deployed.topic, pages(range(40, 60)))
    process = deployed.start()
    wait_for(deployed.caught_up, seconds=60)
    assert stop(process) == 0

    written = deployed.cluster.read_all(deployed.names.decisions)
    failed = [each for each in written if decode(headers_of(each), strict=True).type == FAILURE_TYPE]
    failures = sorted((decode_failure(each.value() or b"") for each in failed), key=lambda each: each.cause.offset)
    assert [(each.cause.partition, each.cause.offset) for each in failures] == [(0, first) for first, _ in ranges]
    for failure, (first, last) in zip(failures, ranges, strict=True):
        assert failure.error.startswith(f"UnreadableBatchError: offsets {first} to {last} are passed over: a ")
    assert len({decode_decision(each.value() or b"")[0].entity for each in written if each not in failed}) == 60
    told = [line for line in deployed.log if line["event"] == "Events passed over: their batch cannot be read"]
    assert [(line["offset"], line["last"], line["count"]) for line in told] == [
        (*each, number) for number, each in enumerate(ranges, 1)
    ]


@pytest.mark.long
def test_an_agent_reads_on_behind_what_its_client_cannot_parse_and_says_nothing_of(deployed: DeployedAgent) -> None:
    deployed.cluster.produce(deployed.topic, pages(range(20)))
    with RawWriter(deployed.cluster.properties) as writer:
        answer = writer.write(deployed.topic, 0, encode_batch(UNPARSED, Fields()))
    assert answer.code == 0
    deployed.cluster.produce(deployed.topic, pages(range(20, 40)))
    process = deployed.start()
    wait_for(deployed.caught_up, seconds=90)
    assert stop(process) == 0

    written = deployed.cluster.read_all(deployed.names.decisions)
    [failed] = [each for each in written if decode(headers_of(each), strict=True).type == FAILURE_TYPE]
    assert decode_failure(failed.value() or b"").error == (
        f"UnreadableBatchError: offsets {answer.offset} to {answer.offset} are passed over: a batch cannot be parsed"
    )
    assert len({decode_decision(each.value() or b"")[0].entity for each in written if each is not failed}) == 40
