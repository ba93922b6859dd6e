"""What is told of events once they are done: failures, what was left out of them, and what was passed over."""

import structlog
from streamwarden_contract.decision import Failure

from streamwarden.core.records import Handled, Record, UnreadableBatch
from streamwarden.core.tally import Tally, is_worth_telling


def tell_retry(failure: Failure, wait_s: float) -> None:
    """Tell of an attempt that failed, before the wait for the next one: it may be long."""
    structlog.get_logger().warning(
        "Handler failed; its event is tried again",
        topic=failure.cause.topic,
        partition=failure.cause.partition,
        offset=failure.cause.offset,
        attempt=failure.attempts,
        error=failure.error,
        wait_s=wait_s,
    )


class Reports:
    """Counts by where an event stood and whose it is, and tells."""

    def __init__(self) -> None:
        self._dropped = Tally()
        self._given_up = Tally()
        self._repeated = Tally()
        self._unreadable = Tally()
        self._log = structlog.get_logger()

    def tell(self, handled: Handled, *, replay: bool = False) -> None:
        """Tell of one event what there is to tell."""
        for attribute in sorted(handled.dropped) if not replay else ():
            topic = handled.record.topic
            count = self._dropped.add(topic, handled.source, attribute)
            if is_worth_telling(count):
                self._log.warning(
                    "Attribute that is not valid left out of events",
                    topic=topic,
                    source=handled.source,
                    attribute=f"ce_{attribute}",
                    count=count,
                )
        if handled.repeated and is_worth_telling(count := self._repeated.add(handled.record.topic, handled.source)):
            self._log.warning("Command passed over: its id was handled before", topic=handled.record.topic, count=count)
        if handled.failure is None or (replay and handled.failure.stage == "Decode"):
            return  # what does not decode in a replay was given up when it was new
        if handled.record.unreadable is not None:
            self._tell_unreadable(handled.record, handled.record.unreadable)
            return
        cause = handled.failure.cause
        self._log.warning(
            "Event given up",
            topic=cause.topic,
            partition=cause.partition,
            offset=cause.offset,
            stage=handled.failure.stage,
            attempts=handled.failure.attempts,
            error=handled.failure.error,
            source=handled.source,
            count=self._given_up.add(cause.topic, handled.source),
            replay=replay,
        )

    def _tell_unreadable(self, record: Record, batch: UnreadableBatch) -> None:
        self._log.error(
            "Events passed over: their batch cannot be read",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            last=batch.last,
            problem=batch.why,
            count=self._unreadable.add(record.topic),
        )
