"""Kafka's default partitioner for keyed records.

The algorithm is murmur2 with Kafka's seed (org.apache.kafka.common.utils.Utils#murmur2); every client
configuration that Streamwarden writes says ``partitioner=murmur2_random``.
"""

import struct

_WORDS = struct.Struct("<I")
_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Hash ``key`` to an unsigned 32-bit integer as Kafka's clients do."""
    length = len(key)
    h = (_SEED ^ length) & _MASK
    tail = length & ~3
    for (word,) in _WORDS.iter_unpack(key[:tail]):
        k = (word * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) ^ (k * _M)) & _MASK
    rest = length - tail
    if rest:
        h ^= int.from_bytes(key[tail:], "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a record with ``key`` on a topic with that many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
