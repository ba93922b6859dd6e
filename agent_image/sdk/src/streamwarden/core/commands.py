"""Commands as an executor gets them: not after they have expired, and no id twice."""

from collections import OrderedDict
from datetime import datetime

from streamwarden_contract.events import CloudEvent, format_time

from streamwarden.core.records import Record
from streamwarden.errors import CommandExpiredError

_VERDICT = "sw-verdict"
_MOST_IDS = 10_000


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
    """The ids of the last 10,000 commands, and where each stood. What an earlier process has seen is not known."""

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, str], tuple[str, int, int]] = OrderedDict()

    def is_repeated(self, event: CloudEvent, record: Record) -> bool:
        """Note a command, and tell whether the same id stood elsewhere before.

        The same place again is no repetition: its transaction was aborted, so that nothing came of it.
        """
        key, place = (event.source, event.id), (record.topic_id or record.topic, record.partition, record.offset)
        first = self._places.setdefault(key, place)
        if len(self._places) > _MOST_IDS:
            self._places.popitem(last=False)
        return first != place
