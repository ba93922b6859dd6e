"""Commands as an executor gets them: not after they have expired, and no id twice."""

from collections import OrderedDict
from datetime import datetime

from streamwarden_contract.events import CloudEvent, format_time

from streamwarden.core.records import Record
from streamwarden.errors import CommandExpiredError

_VERDICT = "sw-verdict"
MAX_IDS = 10_000
"""That a process knows, and that are read back at start: of all its partitions together."""


def is_command(record: Record) -> bool:
    """Whether a gate wrote it: the broker lets nobody else write command topics, and agents no such header."""
    return any(name == _VERDICT for name, _ in record.headers)


def check_expiry(event: CloudEvent, now: datetime, dropped: frozenset[str] = frozenset()) -> None:
    """Refuse what it is too late for.

    Args:
        event: a command, or any other event.
        now: the time in UTC.
        dropped: attributes that could not be read.

    Raises:
        CommandExpiredError: the event has expired, or nobody knows when it does.
    """
    if "expirytime" in dropped:
        raise CommandExpiredError("its expirytime cannot be read")
    if event.expirytime is not None and event.is_expired(now):
        raise CommandExpiredError(f"expired at {format_time(event.expirytime)}")


class SeenCommands:
    """The ids of the last 10,000 commands, and where each stood first in its partition."""

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, int, str, str], tuple[str, int]] = OrderedDict()

    def is_repeated(self, event: CloudEvent, record: Record) -> bool:
        """Note a command, and tell whether the same id stood before it in its partition.

        The same place again is no repetition: its transaction was aborted, so that nothing came of it. Nor is a place
        before the known one: that is a copy's, which was passed over while this one was not finished. Other
        partitions do not count: of two owners each might pass over its own for the sake of the other's.

        In a topic that was made again an id that was seen in the old one is a copy: it is passed over, wherever it is.
        One that was only read back is told by its offset alone: nobody knows of which topic it was.
        """
        key = (record.topic, record.partition, event.source, event.id)
        topic_id, offset = self._places.setdefault(key, (record.topic_id, record.offset))
        if len(self._places) > MAX_IDS:
            self._places.popitem(last=False)
        made_again = bool(topic_id and record.topic_id) and topic_id != record.topic_id
        if made_again or record.offset > offset:
            return True
        self._places[key] = (record.topic_id or topic_id, record.offset)
        return False
