"""``python -m streamwarden_kafka.isolated.process``: reads for the process that started it, and decodes nothing else.

It ends when the other end of its pipe is closed, or with that process: one that it has forked may have a copy of that
end. Signals that a terminal sends to both are the other one's affair.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from multiprocessing.connection import Connection as Pipe
from threading import Thread
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamwarden_kafka.clients import open_consumer
from streamwarden_kafka.codes import error_of
from streamwarden_kafka.isolated.rows import TAKE, Answer, Fault, Row, Taken
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.membership import known_end
from streamwarden_kafka.process_limits import EXIT_OUT_OF_MEMORY, end_with
from streamwarden_kafka.records import Partition, memory_of
from streamwarden_kafka.silence import ALONE, Parsing

_CHUNK = 50
"""Records that are taken without a look at their size."""


def serve(pipe: "Pipe[Any, Any]") -> None:
    """Answer requests, one after another, until nobody asks any more."""
    lines: list[dict[str, object]] = []

    def keep(_logger: object, level: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        lines.append({"level": level, **line})
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    connection, group, client, settings, alone = pipe.recv()
    parsing = Parsing()
    hears = {**ALONE, "stats_cb": parsing.hear} if alone else {}
    consumer = open_consumer(connection, group, ClientLog(client), {**settings, **hears})
    requests: Mapping[str, Callable[..., object]] = {**_REQUESTS, "cannot_parse": parsing.fails}
    while True:
        try:
            name, arguments = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        value, fault = None, None
        try:
            value = requests[name](consumer, *arguments)
        except KafkaException as exception:
            fault = Fault.of(error_of(exception))
        try:
            pipe.send(Answer(value, fault, lines))
        except BrokenPipeError:
            return
        lines.clear()


def _assign(consumer: Consumer, positions: Mapping[Partition, int]) -> None:
    consumer.assign([TopicPartition(*at, offset) for at, offset in positions.items()])


def _add(consumer: Consumer, positions: Mapping[Partition, int]) -> None:
    consumer.incremental_assign([TopicPartition(*at, offset) for at, offset in positions.items()])


def _pause(consumer: Consumer, partitions: Sequence[Partition]) -> None:
    consumer.pause([TopicPartition(*at) for at in partitions])


def _resume(consumer: Consumer, partitions: Sequence[Partition]) -> None:
    consumer.resume([TopicPartition(*at) for at in partitions])


def _take(consumer: Consumer, most: int, size: float, timeout_s: float) -> Taken:
    rows: list[Row] = []
    first = consumer.poll(timeout_s)
    more = [] if first is None else [first]
    while more:
        taken = [Row.of(message) for message in more]
        rows += taken
        size -= sum(memory_of(row.key, row.value, row.headers) for row in taken)
        wanted = min(_CHUNK, most - len(rows))
        more = consumer.consume(wanted, 0) if wanted > 0 and size > 0 else []
    places = {row.at for row in rows if row.fault is None}
    ends = {at: consumer.get_watermark_offsets(TopicPartition(*at), cached=True)[1] for at in places}
    return Taken(rows, ends)


def _watermarks(consumer: Consumer, at: Partition, timeout_s: float) -> tuple[int, int] | None:
    return consumer.get_watermark_offsets(TopicPartition(*at), timeout_s)


def _partitions(consumer: Consumer, timeout_s: float) -> dict[str, list[int]]:
    topics = consumer.list_topics(timeout=timeout_s).topics
    return {name: sorted(found.partitions) for name, found in topics.items() if found.error is None}


_REQUESTS: Mapping[str, Callable[..., object]] = {
    "assign": _assign,
    "add": _add,
    "pause": _pause,
    "resume": _resume,
    TAKE: _take,
    "watermarks": _watermarks,
    "fetched_end": known_end,
    "partitions": _partitions,
}


def main() -> None:
    """Serve whoever has the other end of the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Thread(target=end_with, args=(int(sys.argv[2]),), name="parent", daemon=True).start()
    try:
        serve(Pipe(int(sys.argv[1])))
    except (MemoryError, SystemError):  # the second is what a client says that could not copy a record
        os._exit(EXIT_OUT_OF_MEMORY)  # at once: what else there is to do may want memory too
    os._exit(0)  # nothing is left to be said to brokers: it is no member of its group


if __name__ == "__main__":
    main()
