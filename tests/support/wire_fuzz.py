"""Batches that no library writes, drawn by a seed: what is odd about each is its kind."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, NamedTuple

from support.raw_records import Fields, RawRecord, batch_of, encode_batch, encode_record
from support.wire_compression import SNAPPY, ZSTD, in_snappy, in_zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

GZIP = 1
_MOST_BYTES = 700_000
"""Of one record: above what a gate judges, and below what the topic takes."""

_VALUES: Sequence[bytes | None] = (
    None,
    b"",
    b"\0",
    b"null",
    b"[]",
    b"{}",
    b"1e999",
    b'"\\ud800"',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b"[" * 100_000,
    b'{"type":' * 5_000,
    b"9" * 5_000,
    b"-" + b"0" * 5_000,
    b'{"type":"block","type":"block"}',
)
"""What parsers of JSON differ about, or fall over."""

_NUMBERS = (
    *("0", "-0", "-1", "0.5", "1e400", "-1e400", "1e-400", "01", "NaN", "Infinity", "-Infinity", "1E+2", "0x10", "1_0"),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" * 400),
    *("true", "null", '"7"', '"\\u0000"', '"\\ud83d"', '"\\ud83d\\ude00"', "[[]]", '{"":{}}', '{"__proto__":1}'),
)
_NAMES = (
    *(b"ce_id", b"CE_ID", b"ce-id", b"ce_\xc3\xa9", b"ce_", b"ce_id\0", b" ce_id", b"ce_hops", b"ce_data"),
    *(b"sw-verdict", b"SW-verdict", b"sw-", b"sw_verdict", b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbf\xbd"),
)
_ATTRIBUTES = (
    *(None, b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"1" * 513),
    *(
        b"-1",
        b"1001",
        b"\xd9\xa1",
        b"0000-00-00T00:00:00Z",
        b"0001-01-01T00:00:00+23:59",
        b"9999-12-31T23:59:60Z",
        b"1.0",
    ),
)
_TIMES = (-1, 0, 1, -(2**63), 2**63 - 1, -62_135_596_800_001, 253_402_300_800_000, 2**53)
"""Milliseconds: the ends of int64, of what calendars hold, and of doubles' integers."""


class Shot(NamedTuple):
    """One batch."""

    kind: str
    batch: bytes


def draw_shot(chance: Random, good: RawRecord) -> Shot:
    """Draw a batch that differs from one with this record."""
    kind = chance.choice(list(KINDS))
    return Shot(kind, KINDS[kind](chance, good))


def _some_bytes(chance: Random, most: int) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 2, 8, 200, chance.randint(0, most))))


def _gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # the same every time


def _other_headers(chance: Random, good: RawRecord) -> bytes:
    """Add, repeat, change, take away, or put in another order."""
    headers = list(good.headers)
    for _ in range(chance.randint(1, 4)):
        name = chance.choice((*_NAMES, *(name for name, _ in good.headers), _some_bytes(chance, 300)))
        value = chance.choice((*_ATTRIBUTES, _some_bytes(chance, 2_000)))
        place = chance.randrange(len(headers) + 1)
        headers[place : place + chance.randint(0, 1)] = [(name, value)]
    if chance.random() < 0.2:
        chance.shuffle(headers)
    return batch_of([good._replace(headers=headers)])


def _many_headers(chance: Random, good: RawRecord) -> bytes:
    more = [(b"x-%d" % number, b"") for number in range(chance.choice((100, 5_000, 50_000)))]
    return batch_of([good._replace(headers=[*good.headers, *more])])


def _other_keys(chance: Random, good: RawRecord) -> bytes:
    other = (None, b"", b"\xff", b"\0", b"k" * _MOST_BYTES, (good.key or b"") + b" ", _some_bytes(chance, 99))
    key = chance.choice(other)
    return batch_of([good._replace(key=key)])


def _other_values(chance: Random, good: RawRecord) -> bytes:
    return batch_of([good._replace(value=chance.choice((*_VALUES, _some_bytes(chance, _MOST_BYTES))))])


def _damaged_values(chance: Random, good: RawRecord) -> bytes:
    value = bytearray(good.value or b"")
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(value) + 1)
        value[start : start + chance.randint(0, 3)] = _some_bytes(chance, 8)
    return batch_of([good._replace(value=bytes(value))])


def _other_json(chance: Random, good: RawRecord) -> bytes:
    """Put any JSON, or what is nearly that, in the place of a field's value, or under a name that is there already."""
    fields = json.loads(good.value or b"{}")
    texts = [(json.dumps(name), json.dumps(value)) for name, value in fields.items()]
    chosen, odd = chance.randrange(len(texts)), chance.choice(_NUMBERS)
    if chance.random() < 0.3:
        texts.insert(chance.randrange(len(texts) + 1), (texts[chosen][0], odd))
    else:
        texts[chosen] = (chance.choice((texts[chosen][0], '"\\u0074ype"', '""')), odd)
    inner = ",".join(f"{name}:{value}" for name, value in texts)
    return batch_of([good._replace(value=f"{{{inner}}}".encode())])


def _odd_offsets(chance: Random, good: RawRecord) -> bytes:
    """Let records say other places in their batch than they have."""
    deltas = [chance.choice((0, 1, 2, 3, -1, 1_000, 2**31 - 1, -(2**31))) for _ in range(chance.randint(1, 4))]
    records = b"".join(encode_record(good, delta) for delta in deltas)
    fields = Fields(last_offset_delta=len(deltas) - 1, records=len(deltas))
    if chance.random() < 0.3:
        records, fields = _gzipped(records), fields._replace(attributes=GZIP)
    return encode_batch(records, fields)


def _odd_fields(chance: Random, good: RawRecord) -> bytes:
    """Let the batch say other things of its records than are so."""
    changes = {
        "attributes": chance.choice((3, 4, 5, 7, 8, 16, 32, 64, 128, -(2**15))),
        "last_offset_delta": chance.choice((-1, 1, 1_000, 2**31 - 1)),
        "records": chance.choice((-1, 0, 2, 2**31 - 1)),
        "producer_id": chance.choice((0, 1, 2**63 - 1)),
        "producer_epoch": chance.choice((0, 2**15 - 1)),
        "first_sequence": chance.choice((0, 2**31 - 1)),
    }
    chosen = chance.sample(list(changes), chance.randint(1, 3))
    return encode_batch(encode_record(good, 0), Fields()._replace(**{name: changes[name] for name in chosen}))


def _odd_times(chance: Random, good: RawRecord) -> bytes:
    record = good._replace(timestamp_delta=chance.choice((*_TIMES, 0, 0, 0)))
    fields = Fields(first_timestamp=chance.choice(_TIMES), max_timestamp=chance.choice(_TIMES))
    return encode_batch(encode_record(record, 0), fields)


def _flipped(chance: Random, good: RawRecord) -> bytes:
    """Damage records and their lengths, which are varints, under a right checksum."""
    records = bytearray(encode_record(good, 0) + encode_record(good, 1))
    for _ in range(chance.randint(1, 3)):
        records[chance.randrange(min(len(records), chance.choice((12, 60, len(records)))))] = chance.randrange(256)
    return encode_batch(bytes(records), Fields(last_offset_delta=1, records=2))


def _compressed(chance: Random, good: RawRecord) -> bytes:
    """Compress in every way, rightly and nearly so; some in parts, as few clients write and few read."""
    count = chance.choice((1, 1, 2, 50))
    encoded = [encode_record(good, number) for number in range(count)]
    whole, half = b"".join(encoded), count // 2
    first, second = b"".join(encoded[:half]), b"".join(encoded[half:])
    ways: list[tuple[int, bytes]] = [
        (GZIP, _gzipped(whole)),
        (GZIP, _gzipped(first) + _gzipped(second)),
        (GZIP, _gzipped(whole) + _gzipped(b"")),
        (GZIP, _gzipped(whole) + _some_bytes(chance, 40)),
        (GZIP, _gzipped(whole)[: -chance.randint(1, 9)]),
        (GZIP, _gzipped(whole + _some_bytes(chance, 40))),
        (GZIP, _gzipped(b"")),
        (SNAPPY, in_snappy(whole)),
        (SNAPPY, in_snappy(whole, framed=True)),
        (SNAPPY, in_snappy(first, framed=True) + in_snappy(second)),
        (ZSTD, in_zstd(whole)),
        (ZSTD, in_zstd(first) + in_zstd(second)),
        (ZSTD, in_zstd(whole, size_known=False)),
        (ZSTD, in_zstd(whole) + b"\x50\x2a\x4d\x18\0\0\0\0"),  # and a frame to be skipped
        (chance.randrange(8), whole),
    ]
    attributes, data = chance.choice(ways)
    return encode_batch(data, Fields(attributes=attributes, last_offset_delta=count - 1, records=count))


def _damaged_batches(chance: Random, good: RawRecord) -> bytes:
    """Damage what the checksum does not cover, or all of it."""
    batch = bytearray(batch_of([good]))
    for _ in range(chance.randint(1, 3)):
        batch[chance.randrange(chance.choice((8, 12, 17, 61, len(batch))))] = chance.randrange(256)
    return bytes(batch)


def _as_they_should_be(_chance: Random, good: RawRecord) -> bytes:
    return batch_of([good])


KINDS: dict[str, Callable[[Random, RawRecord], bytes]] = {
    "headers": _other_headers,
    "many-headers": _many_headers,
    "keys": _other_keys,
    "values": _other_values,
    "damaged-values": _damaged_values,
    "json": _other_json,
    "offsets": _odd_offsets,
    "fields": _odd_fields,
    "times": _odd_times,
    "records": _flipped,
    "compression": _compressed,
    "batches": _damaged_batches,
    "good": _as_they_should_be,
}
UNREADABLE = frozenset({"offsets", "fields", "records", "compression", "batches"})
"""Kinds of batches that a gate may have to pass over, as one that cannot be read: one range each, at the most."""
