"""Whose events the agent refuses, as its failure records say: what an ack says of it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamwarden_contract.acks import MAX_REFUSED_EVENTS, RefusedEvents
from streamwarden_contract.decision import EventFault, Failure
from streamwarden_judging.words import as_words

from streamwarden_gate.magnitudes import at_least
from streamwarden_gate.records import Record

_MAX_KEPT = 256
"""Producers that are counted: whoever writes an input may name another source each time."""
_MAX_TEXT = 512


@dataclass(slots=True)
class _Entry:
    count: int
    reason: EventFault
    message: str
    """Of the event that reached the power of ten."""


class RefusedEventTally:
    """Counts by input topic and source, for as long as the process."""

    def __init__(self) -> None:
        self._topic_id = ""
        self._inputs: frozenset[str] = frozenset()
        self._counted: dict[int, int] = {}
        """By decision partition, the last failure record that was counted: after an abort they are judged again."""
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._told: tuple[RefusedEvents, ...] = ()

    def keep(self, topic_id: str, inputs: Iterable[str]) -> None:
        """Take over a new binding: what is counted of topics that are no inputs any more is forgotten.

        Args:
            topic_id: the decision topic's: offsets of another one begin anew.
            inputs: topics that the agent reads; it may say nothing of others.
        """
        if topic_id != self._topic_id:
            self._topic_id = topic_id
            self._counted.clear()
        self._inputs = frozenset(inputs)
        self._entries = {place: entry for place, entry in self._entries.items() if place[0] in self._inputs}
        self._tell()

    def note(self, record: Record, failure: Failure) -> None:
        """Count what a failure record says, once, where it is of an event that is not what its contract promises."""
        topic = failure.cause.topic
        if failure.fault is None or topic not in self._inputs:
            return
        if record.offset <= self._counted.get(record.partition, -1):
            return
        self._counted[record.partition] = record.offset
        place = topic, as_words(failure.source or "", _MAX_TEXT)
        entry = self._entries.get(place)
        if entry is None:
            if len(self._entries) >= _MAX_KEPT:
                return
            entry = self._entries[place] = _Entry(0, failure.fault, "")
        entry.count += 1
        if at_least(entry.count) == entry.count:
            entry.reason, entry.message = failure.fault, as_words(failure.message, _MAX_TEXT)
            self._tell()

    @property
    def told(self) -> tuple[RefusedEvents, ...]:
        """What an ack says of it: it changes only with a producer's first event, and then with each power of ten."""
        return self._told

    def _tell(self) -> None:
        # Of equals those that came first: a new name moves none of them.
        worst = sorted(self._entries.items(), key=lambda item: -at_least(item[1].count))[:MAX_REFUSED_EVENTS]
        self._told = tuple(
            RefusedEvents(
                topic=topic,
                source=source,
                at_least=at_least(entry.count),
                reason=entry.reason,
                message=entry.message,
            )
            for (topic, source), entry in worst
        )
