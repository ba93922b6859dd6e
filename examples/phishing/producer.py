"""Plays the world outside: a crawler that observes pages, and analysts who label them a little later.

Each is a principal of its own, and may write one topic only.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import KafkaError, Message
from pages import LABEL_DELAY_PAGES, PAGES, Row, read_rows
from streamwarden_contract import canonical
from streamwarden_contract.events import CloudEvent
from streamwarden_kafka.clients import open_producer
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.logs import ClientLog

OBSERVED = "web.pages.observed"
LABELLED = "web.pages.labelled"
FLUSH_S = 30


def observed(row: Row) -> tuple[CloudEvent, bytes]:
    """Return what the crawler says about a page."""
    event = CloudEvent(id=f"{row.page}-observed", source="/web/page-crawler", type="page.observed", subject=row.page)
    return event, canonical.encode({"features": row.features})


def labelled(row: Row) -> tuple[CloudEvent, bytes]:
    """Return what an analyst says about it; it belongs to the same story, so it carries the same correlation."""
    event = CloudEvent(
        id=f"{row.page}-labelled",
        source="/web/analysts",
        type="page.labelled",
        subject=row.page,
        correlationid=f"{row.page}-observed",
        causationid=f"{row.page}-observed",
    )
    return event, canonical.encode({"features": row.features, "phishing": row.phishing})


class Writer:
    """Writes events as one principal."""

    def __init__(self, connection: Connection) -> None:
        settings = {"enable.idempotence": True, "linger.ms": 2}
        self._producer = open_producer(connection, ClientLog("producer"), settings)
        self.refused = 0

    def write(self, topic: str, event: CloudEvent, data: bytes) -> None:
        self._producer.produce(topic, key=event.subject, value=data, headers=event.headers(), callback=self._delivered)
        self._producer.poll(0)

    def close(self) -> int:
        """Wait for the broker's answers; return how many events it did not take."""
        return self._producer.flush(FLUSH_S) + self.refused

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self.refused += error is not None


def read_credentials(principals: list[str]) -> list[Connection]:
    """Get client configurations for these principals, side by side; the files are gone when this returns."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{principal}.properties" for principal in principals]
        command = ["streamwarden", "credentials", "--format", "librdkafka"]
        running = [
            subprocess.Popen([*command, "--principal", principal, "--output", str(file)], stdout=subprocess.DEVNULL)
            for principal, file in zip(principals, files, strict=True)
        ]
        codes = [process.wait() for process in running]
        if any(codes):
            sys.exit("no credentials: is streamwarden dev running in this folder?")
        return [Connection.read(file) for file in files]


def replay(rows: list[Row], crawler: Writer, analysts: Writer, pages_per_s: float) -> None:
    """Write the pages in order at a steady rate, and each label ``LABEL_DELAY_PAGES`` pages later."""
    started = time.monotonic()
    for number in range(len(rows) + LABEL_DELAY_PAGES):
        time.sleep(max(0.0, started + number / pages_per_s - time.monotonic()))
        if number < len(rows):
            crawler.write(OBSERVED, *observed(rows[number]))
        if number >= LABEL_DELAY_PAGES:
            analysts.write(LABELLED, *labelled(rows[number - LABEL_DELAY_PAGES]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES, help="how many pages, from the first one on")
    parser.add_argument("--rate", type=float, default=50, help="pages a second")
    arguments = parser.parse_args()
    writers = [Writer(connection) for connection in read_credentials(["page-crawler", "analysts"])]
    replay(read_rows(arguments.pages), *writers, arguments.rate)
    if missing := sum(writer.close() for writer in writers):
        sys.exit(f"{missing} events were not taken by the broker")


if __name__ == "__main__":
    main()
