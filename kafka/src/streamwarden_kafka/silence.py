"""Batches of which a client says nothing: it cannot parse them, and asks for them again and again, for ever.

Brokers read a record's lengths more leniently than librdkafka (2.16; Kafka 4.3): a key of length -5 is no key to them,
and the end of all reading to it. There is no error; only its statistics count what it could not parse, beside what was
merely cut off. So who hears nothing of a log that goes on asks for one batch by itself, which brokers send whole.
"""

import json
import time
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from confluent_kafka import Consumer, Message

from streamwarden_kafka.clients import ONE_BATCH, Settings

LONGEST_S = 20.0
"""After so long without a record or an end, a partition whose log has more is under suspicion.

Longer than a client takes on a busy machine to unpack a batch that then ends its process (13 s for 640 MiB)."""

ALONE: Settings = {**ONE_BATCH, "statistics.interval.ms": 100}
"""Of a client that is asked whether it can parse a batch; ``Parsing`` hears its statistics."""

_POLL_S = 0.05

K = TypeVar("K", bound=Hashable)


class Silence(Generic[K]):
    """How long nothing was heard of each partition. Pure: times are given, in seconds of one clock."""

    def __init__(self) -> None:
        """Listen to nobody yet."""
        self._heard_s: dict[K, float] = {}
        self._from: dict[K, int] = {}
        """From where each was read last."""
        self._silent_s: dict[K, float] = {}
        """How long those were silent that are not listened to now."""

    def follow(self, positions: Mapping[K, int], now_s: float) -> None:
        """Listen to these and no others from now on.

        The time of one that is read from the same place again goes on, without what it was not read in between: who
        reads all anew each second hears what is silent for long, too.
        """
        self._silent_s |= {each: now_s - at_s for each, at_s in self._heard_s.items()}
        before_s = {each: self._silent_s.pop(each, 0.0) for each in positions}
        self._heard_s = {
            each: now_s - before_s[each] if self._from.get(each) == position else now_s
            for each, position in positions.items()
        }
        self._from |= positions

    def heard(self, partition: K, now_s: float) -> None:
        """Take note of a record, or an end."""
        if partition in self._heard_s:
            self._heard_s[partition] = now_s

    def too_long(self, now_s: float, most: int | None = None) -> list[K]:
        """Return what was silent for too long; each again only after as long a time.

        Args:
            now_s: the time.
            most: how many to return, the ones that were silent for longest; the others are returned next time.
        """
        silent = [each for each, at_s in self._heard_s.items() if now_s - at_s >= LONGEST_S]
        silent = sorted(silent, key=self._heard_s.__getitem__)[:most]
        self._heard_s.update(dict.fromkeys(silent, now_s))
        return silent


class Parsing:
    """Hears from a client that reads one batch at a time whether it could parse it."""

    def __init__(self) -> None:
        self.failed = False
        """Whether there was a batch that it could not."""

    def poll(self, consumer: Consumer, timeout_s: float) -> Message | None:
        """Wait for what the client gives, or for word that it cannot parse what it has: then it gives nothing."""
        until_s = time.monotonic() + timeout_s
        while not self.failed and (left_s := until_s - time.monotonic()) > 0:
            message = consumer.poll(min(_POLL_S, left_s))
            if message is not None:
                return message
        return None

    def fails(self, consumer: Consumer, timeout_s: float) -> bool:
        """Tell whether the client cannot parse what it reads next."""
        self.poll(consumer, timeout_s)
        return self.failed

    def hear(self, statistics: str) -> None:
        """Take the client's statistics."""
        brokers = json.loads(statistics)["brokers"].values()
        self.failed = self.failed or any(broker["rxpartial"] for broker in brokers)
