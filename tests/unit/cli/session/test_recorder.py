"""Whose reader the recorder is, and what it makes of failure records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden_cli.session import recorder
from streamwarden_cli.session.roles import AgentTopics, TopicRoles
from streamwarden_contract.decision import Cause, Failure
from streamwarden_contract.events import DECISION_TYPE, FAILURE_TYPE
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_kafka import silence
from streamwarden_kafka.connection import Connection
from support.agent_process import wait_for
from support.bombs import deadly_batch
from support.mock_broker import mock_broker
from support.raw_records import UNPARSED, Fields, RawRecord, RawWriter, batch_of, encode_batch, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from confluent_kafka import Message, TopicPartition


class SilentConsumer:
    """Of a Kafka in which nothing happens."""

    def take(self, *_: float) -> list[Message]:
        return []

    def close(self) -> None:
        return


@pytest.mark.parametrize("installation", ["streamwarden", "green"])
def test_the_recorder_is_a_reader_of_its_installation(
    installation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = []

    def opened(_connection: Connection, group: str, *_: object, **_others: object) -> SilentConsumer:
        groups.append(group)
        return SilentConsumer()

    monkeypatch.setattr(recorder, "IsolatedConsumer", opened)
    connection = Connection.scram("127.0.0.1:1", f"{installation}.operator", "secret")
    reader = recorder.Recorder(connection, InstallationNames(installation), tmp_path / "decisions")

    reader.start()
    reader.stop()

    assert (groups, reader.failed) == ([f"{installation}.operator.recorder"], "")


GUARD = AgentTopics(AgentNames("risk", "guard"), inputs=frozenset({"risk.pages"}))
DECISIONS = GUARD.names.decisions


@dataclass
class Written:
    """A record of the decision topic, as the client gives it."""

    value_: bytes | None
    type_: str
    offset_: int = 0

    def error(self) -> None:
        return

    def topic(self) -> str:
        return DECISIONS

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.offset_

    def key(self) -> None:
        return

    def value(self) -> bytes | None:
        return self.value_

    def headers(self) -> list[tuple[str, bytes]]:
        return [("ce_id", b"1"), ("ce_type", self.type_.encode())]


@dataclass
class DecisionTopic:
    """A consumer of a log with nothing but these records."""

    records: list[Written]
    looks: int = 0
    """How often it was asked which topics there are."""
    assigned: list[tuple[str, int]] = field(default_factory=list)
    _read: int = 0

    def partitions(self, _timeout_s: float) -> dict[str, list[int]]:
        self.looks += 1
        return {DECISIONS: [0]}

    def add(self, partitions: Iterable[TopicPartition]) -> None:
        self.assigned += [(place.topic, place.partition) for place in partitions]

    def get_watermark_offsets(
        self, _place: TopicPartition, _timeout_s: float = 0, *, cached: bool = False
    ) -> tuple[int, int]:
        del cached
        return 0, len(self.records)

    def take(self, *_: float) -> list[Written]:
        if not self.assigned or self._read == len(self.records):
            return []
        record = self.records[self._read]
        record.offset_ = self._read
        self._read += 1
        return [record]

    def close(self) -> None:
        return


def test_failure_records_are_read_from_the_decision_topic_and_nothing_else_of_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failure(
        format=2,
        cause=Cause(topic="risk.pages", partition=0, offset=3),
        error="MalformedEventError: $.a: minimum: 1",
        attempts=1,
        stage="Decode",
        fault="SchemaMismatch",
        source="/web",
    ).encode()
    topic = DecisionTopic(
        [
            Written(failure, FAILURE_TYPE),
            Written(failure, DECISION_TYPE),
            Written(b"no failure", FAILURE_TYPE),
            Written(None, FAILURE_TYPE),
            Written(failure, FAILURE_TYPE),
        ]
    )
    monkeypatch.setattr(recorder, "IsolatedConsumer", lambda *_, **_others: topic)
    connection = Connection.scram("127.0.0.1:1", "streamwarden.operator", "secret")
    reader = recorder.Recorder(connection, InstallationNames(), tmp_path / "decisions")
    reader.watch(TopicRoles(agents=(GUARD,), decisions={DECISIONS: GUARD}))

    reader.start()
    try:
        assert reader.drain(10)
        assert (topic.assigned, reader.failed) == ([(DECISIONS, 0)], "")
        assert reader.look(lambda tally: tally.refused_events.report()["events"]) == 2
        assert reader.look(lambda tally: (tally.events, tally.agents)) == (0, {})
    finally:
        reader.stop()


@pytest.mark.slow
def test_whatever_ends_the_recorder_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = DecisionTopic([Written(b"[]", DECISION_TYPE)])
    monkeypatch.setattr(recorder, "IsolatedConsumer", lambda *_, **_others: topic)
    connection = Connection.scram("127.0.0.1:1", "streamwarden.operator", "secret")
    reader = recorder.Recorder(connection, InstallationNames(), tmp_path / "decisions")
    reader.watch(TopicRoles(audits=frozenset({DECISIONS})))

    with structlog.testing.capture_logs() as entries:
        reader.start()
        wait_for(lambda: bool(reader.failed), seconds=30)
        reader.stop()
    assert reader.failed.startswith("TypeError: ")
    assert [entry["event"] for entry in entries] == ["the recorder has failed"]


def test_a_topic_that_is_not_there_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = DecisionTopic([Written(b"{}", DECISION_TYPE)] * 2_000)
    monkeypatch.setattr(recorder, "IsolatedConsumer", lambda *_, **_others: topic)
    connection = Connection.scram("127.0.0.1:1", "streamwarden.operator", "secret")
    reader = recorder.Recorder(connection, InstallationNames(), tmp_path / "decisions")
    reader.watch(TopicRoles(events=frozenset({"risk.refused"}), decisions={DECISIONS: GUARD}))

    reader.start()
    try:
        assert reader.drain(30)
        assert topic.looks < 100, "it is asked now and then, and not before each record"
    finally:
        reader.stop()


UNTRUE = encode_batch(
    encode_record(RawRecord(b"k", b"{}"), 0) + encode_record(RawRecord(b"k", b"{}"), 1000),
    Fields(last_offset_delta=1, records=2),
)
"""Its second record gives an offset that is far beyond the end of the log."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "counted"),
    [
        pytest.param(deadly_batch(), 3, id="one-that-ends-a-process"),
        pytest.param(encode_batch(UNPARSED, Fields()), 3, id="one-that-no-client-can-parse"),
        pytest.param(UNTRUE, 4, id="one-with-an-untrue-offset-behind-a-good-record"),
    ],
)
def test_x07_no_batch_ends_what_counts_for_the_screen(
    bad: bytes, counted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "LONGEST_S", 1.0)
    good, topic = batch_of([RawRecord(b"page-1", b"{}")]), "risk.pages"
    with mock_broker(topic) as properties:
        with RawWriter(properties) as writer:
            for batch in (good, bad, good, good):
                assert writer.write(topic, 0, batch).code == 0
        reader = recorder.Recorder(Connection.of(properties), InstallationNames(), tmp_path / "decisions")
        reader.watch(TopicRoles(events=frozenset({topic})))
        reader.start()
        try:
            wait_for(lambda: reader.look(lambda tally: tally.events) == counted, seconds=60)
            assert (reader.drain(10), reader.failed) == (True, "")
        finally:
            reader.stop()
