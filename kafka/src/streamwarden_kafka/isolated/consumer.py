"""A consumer whose fetching and decoding is done by a process of its own. It reads what it is told and joins no group.

librdkafka decompresses what it fetches before anybody sees it, and a batch may end the process that does so: in an
assertion of the library, or for want of memory. Here that is a process with nothing else in it. After a death the next
one is started at once, and partitions are read one by one for a while, so that it is certain what the next one dies of.
What three have died of is told as an error in its place, ``DEADLY``, and whoever reads goes on behind it.
"""

import math
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import cast

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streamwarden_kafka.clients import ONE_BATCH, Settings
from streamwarden_kafka.codes import DEADLY, END_OF_PARTITION, TIMED_OUT
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.deaths import MOST_DEATHS, MOST_SKIPPED
from streamwarden_kafka.errors import ReaderFailedError
from streamwarden_kafka.isolated.child import Child
from streamwarden_kafka.isolated.rows import TAKE, Fault, Row, Taken
from streamwarden_kafka.isolated.suspects import Suspects
from streamwarden_kafka.process_limits import cause_of, died_by_itself
from streamwarden_kafka.records import Partition, headers_of, memory_of

PROCESS = "streamwarden_kafka.isolated.process"

_AT_ONCE: Settings = {"fetch.queue.backoff.ms": 10}
"""Once a batch was taken the next one is fetched, and not after librdkafka's second."""
_NO_ANSWER = Fault(TIMED_OUT, "the process that reads has died", fatal=False, retriable=True)
_MOST_FAILED = 5
"""So many processes may end in a row before they have answered anything."""


class _DiedError(Exception):
    """The process that was asked is gone."""


class IsolatedConsumer:
    """The part of a consumer's interface that is needed to read. Used from one thread at a time."""

    def __init__(
        self,
        kafka: Connection,
        group: str,
        client: str,
        settings: Settings,
        *,
        quiet: bool = False,
        module: str = PROCESS,
        alone: bool = False,
    ) -> None:
        """Start the process; it connects by itself.

        Args:
            kafka: the Kafka, and the user.
            group: librdkafka wants the name of one.
            client: what it is for; every line of its log bears it.
            settings: where to begin (``auto.offset.reset``) and all else that this use needs.
            quiet: hear only of deaths, and of nothing that librdkafka says.
            module: what the process runs.
            alone: it is for asking of one batch whether it can be parsed.
        """
        self._opening = kafka, group, client, settings
        self._alone = alone
        self._quiet = quiet
        self._module = module
        self._log = structlog.get_logger(__name__)
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._ends: dict[Partition, int] = {}
        self._suspects = Suspects()
        self._failed = 0
        self._reading: Partition | None = None
        self._process: Child | None = self._start()

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """Read these, each from its offset, and nothing else; what was fetched before is thrown away."""
        if self._paused:  # else they would be so for ever: librdkafka keeps it over another assignment
            self.resume([TopicPartition(*at) for at in self._paused])
        self._positions = {(place.topic, place.partition): place.offset for place in places}
        self._ends.clear()
        self._suspects.moved()
        self._reading = None
        self._tell("assign", {} if self._suspects.active else self._read_as_usual())

    def add(self, places: Iterable[TopicPartition]) -> None:
        """Read these too, each from its offset, and go on with all others where they are."""
        new = {(place.topic, place.partition): place.offset for place in places}
        self._positions |= new
        if self._process is not None and not self._suspects.active:  # else the next one is told of them with the others
            self._tell("add", new)

    def pause(self, places: Iterable[TopicPartition]) -> None:
        """Fetch nothing of these until ``resume``."""
        self._paused |= (some := {(place.topic, place.partition) for place in places})
        if not self._suspects.active:
            self._tell("pause", sorted(some.difference(self._suspects.halted)))

    def resume(self, places: Iterable[TopicPartition]) -> None:
        """Fetch of these again, each from where it was left."""
        self._paused -= (some := {(place.topic, place.partition) for place in places})
        if not self._suspects.active:
            self._tell("resume", sorted(some.difference(self._suspects.halted)))

    def take(self, most: int, size: float, timeout_s: float) -> list[Message]:
        """Wait for something, then take what is there besides, up to so many records and about so many bytes."""
        if self._suspects.resume(self._positions, time.monotonic()):
            self._end()
        try:
            if not self._suspects.active:
                return self._take(most, size, timeout_s)
        except _DiedError:
            return []
        return self._take_one_by_one(most, size, timeout_s)

    def poll(self, timeout_s: float) -> Message | None:
        """Wait for a record, or for anything that is told as one."""
        return next(iter(self.take(1, math.inf, timeout_s)), None)

    def consume(self, most: int, timeout_s: float) -> list[Message]:
        """Take what is there; wait where nothing is."""
        return self.take(most, math.inf, timeout_s)

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0, *, cached: bool = False
    ) -> tuple[int, int] | None:
        """Return the first offset that a log still has, and its end: as it was known last, or as brokers say now.

        Raises:
            KafkaException: no answer.
        """
        at = partition.topic, partition.partition
        if cached:
            return -1, self._ends.get(at, -1)
        return cast("tuple[int, int] | None", self._ask_broker("watermarks", at, timeout))

    def fetched_end(self, place: TopicPartition) -> int:
        """Return where a log ended when it was last fetched from; negative where the process that reads never did."""
        if self._suspects.active:
            return -1
        with suppress(_DiedError, KafkaException):
            return cast("int", self._ask("fetched_end", (place.topic, place.partition)))
        return -1

    def cannot_parse(self, place: TopicPartition, timeout_s: float) -> bool:
        """Tell whether the batch at a place cannot be parsed: another process reads it alone. One that dies says no.

        Nor is that said while partitions are read one by one, when most wait for their turn, or of one that is halted.
        """
        if self._suspects.active or (place.topic, place.partition) in self._suspects.halted:
            return False
        kafka, group, client, settings = self._opening
        alone = IsolatedConsumer(kafka, group, client, settings, quiet=True, module=self._module, alone=True)
        try:
            alone.assign([place])
            return bool(alone._ask("cannot_parse", timeout_s))
        except _DiedError:
            return False  # what kills is found by who reads
        finally:
            alone.close()

    def partitions(self, timeout_s: float) -> dict[str, list[int]]:
        """Return the partitions of all topics that there are.

        Raises:
            KafkaException: no answer.
        """
        return cast("dict[str, list[int]]", self._ask_broker("partitions", timeout_s))

    def close(self) -> None:
        """End the process."""
        self._end()

    def _take(self, most: int, size: float, timeout_s: float) -> list[Message]:
        taken = cast("Taken", self._ask(TAKE, most, size, timeout_s))
        self._ends.update(taken.ends)
        return [row.message() for row in taken.rows if self._is_new(row, taken.ends.get(row.at, -1))]

    def _is_new(self, row: Row, end: int) -> bool:
        """Follow what was taken; tell whether it was not before: a client may give a record twice.

        Not where the log ends before our position: that is another one, which is read from its beginning.
        """
        if row.fault is None:
            if row.offset < self._positions.get(row.at, -1) <= end:
                return False
            self._positions[row.at] = row.offset + 1
        elif row.fault.code == END_OF_PARTITION:
            self._positions[row.at] = row.offset
        return True

    def _take_one_by_one(self, most: int, size: float, timeout_s: float) -> list[Message]:
        """Take of one partition, or tell that it cannot be read."""
        now_s = time.monotonic()
        at = self._suspects.choose(self._positions, self._paused, now_s)
        if at is None:
            self._end()  # the next one reads as usual
            return []
        if self._reading not in (None, at):
            self._end()  # it may still be at what it fetched for the one before, and die of that
        position = self._positions[at]
        if self._suspects.may_read(position):
            return self._take_singly(at, most, size, timeout_s)
        if self._suspects.give_up(position, now_s):
            return [_deadly(at)]
        self._log.error(
            "A batch is not passed over: too many were within an hour",
            topic=at[0],
            partition=at[1],
            offset=position,
            most=MOST_SKIPPED,
        )
        return []

    def _take_singly(self, at: Partition, most: int, size: float, timeout_s: float) -> list[Message]:
        """Take one record after another, so that it is known behind which one the process died."""
        found = list[Message]()
        try:
            if self._reading != at:
                self._ask("assign", {at: self._positions[at]})
                self._reading = at
            while len(found) < most and size > 0:
                new = self._take(1, math.inf, 0 if found else timeout_s)
                found += new
                if new:
                    self._suspects.took()
                if not new or new[0].error() is not None:
                    if any(_is_end(message) for message in new):
                        self._suspects.ended()
                        self._reading = None
                    break
                size -= memory_of(new[0].key(), new[0].value(), headers_of(new[0]))
        except _DiedError:
            pass  # what came before is as good as ever
        return found

    def _tell(self, name: str, *arguments: object) -> None:
        """Ask for what the next process is told anyway, where this one is gone."""
        try:
            self._ask(name, *arguments)
        except _DiedError:
            return

    def _ask_broker(self, name: str, *arguments: object) -> object:
        with suppress(_DiedError):
            return self._ask(name, *arguments)
        try:
            return self._ask(name, *arguments)
        except _DiedError as error:
            raise KafkaException(_NO_ANSWER.error()) from error

    def _ask(self, name: str, *arguments: object) -> object:
        """Return what the process answers; start one where there is none.

        Raises:
            KafkaException: librdkafka raised it there.
            ReaderFailedError: no process lives long enough to answer.
            _DiedError: the process is gone, and this was noted.
        """
        process = self._process or self._restart()
        try:
            answer = process.ask(name, arguments)
        except (EOFError, OSError) as error:
            self._process = None
            self._mourn(process.end(), answered=process.answered)
            raise _DiedError from error
        self._failed = 0
        for line in () if self._quiet else answer.lines:
            level, fields = str(line["level"]), {key: value for key, value in line.items() if key != "level"}
            getattr(self._log, level)(**fields)
        if answer.fault is not None:
            raise KafkaException(answer.fault.error())
        return answer.value

    def _restart(self) -> "Child":
        """Start a process that goes on where the one before it was."""
        self._process = process = self._start()
        self._reading = None
        if not self._suspects.active:
            self._ask("assign", self._read_as_usual())
            self._ask("pause", sorted(self._paused.difference(self._suspects.halted)))
        return process

    def _read_as_usual(self) -> dict[Partition, int]:
        return {at: offset for at, offset in self._positions.items() if at not in self._suspects.halted}

    def _start(self) -> "Child":
        kafka, group, client, settings = self._opening
        if self._suspects.active:
            settings = {**settings, **ONE_BATCH, **_AT_ONCE}
        return Child(self._module, (kafka, group, client, settings, self._alone))

    def _end(self) -> None:
        process, self._process, self._reading = self._process, None, None
        if process is not None:
            process.end()

    def _mourn(self, code: int, *, answered: bool) -> None:
        """Draw conclusions from a death."""
        self._failed += not answered
        if self._failed >= _MOST_FAILED:
            raise ReaderFailedError(f"the process that reads ends before it has begun: {cause_of(code)}")
        at, counts = self._suspects.turn, answered and died_by_itself(code)
        place = {} if at is None else {"topic": at[0], "partition": at[1], "offset": self._positions[at]}
        self._log.error(
            "The process that reads has died; starting it again", cause=cause_of(code), counts=counts, **place
        )
        if not counts:
            return
        if not self._suspects.active:
            self._suspects.begin(time.monotonic())
        elif at is not None:
            self._suspects.died(self._positions[at])


def _deadly(at: Partition) -> Message:
    why = f"{MOST_DEATHS} processes died of reading a batch"
    return Message(topic=at[0], partition=at[1], error=KafkaError(DEADLY, why))


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == END_OF_PARTITION
