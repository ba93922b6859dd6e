"""What the fuzz draws: the same for the same seed, of every kind, and compressed as it says."""

from __future__ import annotations

from random import Random

import pytest
from streamwarden_kafka.deaths import MOST_SKIPPED
from support.mock_broker import mock_broker, read
from support.raw_records import Fields, RawRecord, RawWriter, encode_batch, encode_record
from support.wire_compression import SNAPPY, ZSTD, in_snappy, in_zstd
from support.wire_fuzz import KINDS, UNREADABLE, draw_shot
from support.wire_rounds import SHOTS, SkipsLeft

GOOD = RawRecord(b"page-1", b'{"type":"block","parameters":{}}', [(b"ce_id", b"1"), (b"ce_type", b"t")])
RECORDS = b"".join(encode_record(GOOD._replace(value=b"x" * 5_000), number) for number in range(3))


def test_a_seed_gives_the_same_batches_again_and_every_kind_comes() -> None:
    one, other = Random(7), Random(7)  # noqa: S311  # to be had again, not to be secret
    drawn = [draw_shot(one, GOOD) for _ in range(150)]
    assert drawn == [draw_shot(other, GOOD) for _ in drawn]
    assert {shot.kind for shot in drawn} == set(KINDS)


@pytest.mark.parametrize(
    ("cost", "most_gates"), [pytest.param(1.0, 30, id="each-costs-a-skip"), pytest.param(0.2, 15, id="few-cost-one")]
)
def test_no_gate_has_to_pass_over_more_than_it_may_and_every_kind_is_written(cost: float, most_gates: int) -> None:
    chance, left = Random(2), SkipsLeft()  # noqa: S311  # likewise
    gates, written = [0], set[str]()
    for _ in range(30):
        if not left.enough:
            left = SkipsLeft(sum(gates))
            gates.append(0)
        for _ in range(SHOTS):
            kind = draw_shot(chance, GOOD).kind
            if left.may_write(kind):
                left.wrote(kind)
                written.add(kind)
                gates[-1] += kind in UNREADABLE and chance.random() <= cost
        assert gates[-1] <= MOST_SKIPPED
        left.observe(sum(gates))
    assert written == set(KINDS)
    assert 1 < len(gates) <= most_gates


@pytest.mark.parametrize(
    ("attributes", "data"),
    [
        pytest.param(SNAPPY, in_snappy(RECORDS), id="snappy"),
        pytest.param(SNAPPY, in_snappy(RECORDS, framed=True), id="snappy-in-Java-s-frame"),
        pytest.param(ZSTD, in_zstd(RECORDS), id="zstd"),
        pytest.param(ZSTD, in_zstd(RECORDS, size_known=False), id="zstd-of-unknown-size"),
    ],
)
def test_what_is_said_to_be_compressed_is_read_by_a_client(attributes: int, data: bytes) -> None:
    with mock_broker("pages") as properties:
        with RawWriter(properties) as writer:
            writer.write("pages", 0, encode_batch(data, Fields(attributes, last_offset_delta=2, records=3)))
        found = read(properties, "pages", 3)
    assert [(message.key(), message.value()) for message in found] == [(GOOD.key, b"x" * 5_000)] * 3
