"""The ready file: there while the gate's policies are current."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from streamwarden_contract.acks import ReadFormats, decode_ack
from streamwarden_gate.acks import Acks, Report
from streamwarden_gate.errors import ConfigError, FatalError
from streamwarden_gate.ready import ReadyFile
from streamwarden_gate.settings import read_settings
from streamwarden_gate.snapshot import Identity
from structlog.testing import capture_logs
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamwarden_contract.acks import GateState

STATES: list[GateState] = ["Stale", "InForce"]
IDENTITY = Identity("risk", "guard", "u", "pod-0", "streamwarden")


class SilentProducer:
    """Takes acks and does nothing with them."""

    def __init__(self) -> None:
        self.written: list[object] = []

    def produce(self, topic: str, **record: object) -> None:
        del topic
        self.written.append(record["value"])

    def poll(self, timeout: float) -> int:
        del timeout
        return 0

    def flush(self, timeout: float) -> int:
        del timeout
        return 0


def acks(path: Path | None) -> Acks:
    return Acks(IDENTITY, SilentProducer(), ReadyFile(path))  # type: ignore[arg-type]  # all of a producer that acks use


@pytest.mark.parametrize(
    ("states", "ready"),
    [
        pytest.param(["Starting"], False, id="no-policies-yet"),
        pytest.param(["Starting", "InForce"], True, id="policies-in-force"),
        pytest.param(["Starting", "InForce", "Rejected"], False, id="a-newer-set-was-refused"),
        pytest.param(["Starting", "Rejected", "InForce"], True, id="a-refused-set-was-mended"),
        pytest.param(["Starting", "InForce", "Starting"], False, id="the-binding-is-gone"),
        pytest.param(["Starting", "InForce", "Stopped"], False, id="stopped"),
    ],
)
def test_a_gate_is_ready_while_its_policies_are_current(
    tmp_path: Path,
    states: list[GateState],
    ready: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    file = tmp_path / "ready"
    reporting = acks(file)
    for state in states:
        reporting.report(Report(state))
    assert file.exists() == ready


def test_m09_an_ack_says_the_newest_formats_that_the_gate_reads() -> None:
    producer = SilentProducer()
    Acks(IDENTITY, producer, ReadyFile(None)).report(Report("Starting"))  # type: ignore[arg-type]  # as above
    [value] = producer.written
    assert isinstance(value, bytes)
    assert decode_ack(value).reads == ReadFormats(decision=2, policy_log=3, offset_metadata=2)


FORBIDDEN = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)


class RefusedProducer(SilentProducer):
    """Refuses each record: at once, as librdkafka does where it knows that it may not write there, or by a report.

    Attributes:
        refuses: whether it does now.
    """

    def __init__(self, *, at_once: bool) -> None:
        super().__init__()
        self.refuses = True
        self._at_once = at_once
        self._reports: list[Callable[[], None]] = []

    @override
    def produce(self, topic: str, **record: object) -> None:
        error = FORBIDDEN if self.refuses else None
        if error is not None and self._at_once:
            raise KafkaException(error)
        if error is None:
            super().produce(topic, **record)
        on_delivery = cast("Callable[[KafkaError | None, Message], None]", record["on_delivery"])
        self._reports.append(lambda: on_delivery(error, Message()))

    @override
    def poll(self, timeout: float) -> int:
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        return len(reports)


@pytest.mark.parametrize("at_once", [True, False], ids=["before-it-is-sent", "by-the-broker"])
def test_a_state_that_may_not_be_written_is_said_once_each_time_that_it_begins(at_once: bool) -> None:  # noqa: FBT001  # a parameter of the test
    producer = RefusedProducer(at_once=at_once)
    reporting = Acks(IDENTITY, producer, ReadyFile(None))  # type: ignore[arg-type]  # as above
    said = list[list[object]]()
    for state in STATES:
        with capture_logs() as lines:
            producer.refuses = True
            reporting.report(Report(state))
            for _ in range(50):
                reporting.serve()
            producer.refuses = False
            reporting.serve()
            reporting.serve()
        said.append([line["error"] for line in lines if line["log_level"] == "warning"])
    assert said == [["TOPIC_AUTHORIZATION_FAILED"]] * 2
    assert states_of(producer) == STATES


@pytest.mark.parametrize("at_once", [True, False], ids=["before-it-is-sent", "by-the-broker"])
def test_a_state_that_was_not_written_never_follows_a_newer_one(at_once: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Whoever reads the last one would believe for ever that this gate is stale."""
    producer = RefusedProducer(at_once=at_once)
    reporting = Acks(IDENTITY, producer, ReadyFile(None))  # type: ignore[arg-type]  # as above
    reporting.report(Report("Stale"))
    producer.refuses = False
    reporting.report(Report("InForce"))
    for _ in range(3):
        reporting.serve()
    assert states_of(producer) == ["InForce"]


def states_of(producer: SilentProducer) -> list[GateState]:
    return [decode_ack(cast("bytes", value)).state for value in producer.written]


def test_what_an_earlier_process_left_behind_goes_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    file.touch()
    acks(file).report(Report("Starting"))
    assert not file.exists()


def test_a_new_set_in_force_leaves_the_file_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    reporting = acks(file)
    reporting.report(Report("InForce", namespace_epoch=1))
    reporting.report(Report("InForce", namespace_epoch=2))
    assert file.exists()


def test_the_last_report_removes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    reporting = acks(file)
    reporting.report(Report("InForce"))
    reporting.stop(Report("Stopped"), timeout_s=0)
    assert not file.exists()


def test_without_a_path_nobody_asks() -> None:
    acks(None).report(Report("InForce"))


def test_a_file_that_cannot_be_made_ends_the_process(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"cannot make or remove .*absent/ready"):
        acks(tmp_path / "absent" / "ready").report(Report("InForce"))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "gate.json").write_text('{"namespace": "risk", "agent": "guard", "uid": "u"}')
    (tmp_path / "client.properties").write_text("bootstrap.servers=a:1\n")
    folder = str(tmp_path)
    return {"STREAMWARDEN_CONFIG": folder, "STREAMWARDEN_CREDENTIALS": folder, "STREAMWARDEN_POD": "pod-0"}


def test_the_file_is_named_by_the_environment(environment: dict[str, str], tmp_path: Path) -> None:
    assert read_settings(environment).ready_file is None
    named = environment | {"STREAMWARDEN_READY_FILE": str(tmp_path / "ready")}
    assert read_settings(named).ready_file == tmp_path / "ready"


def test_a_file_in_no_folder_is_a_configuration_error(environment: dict[str, str], tmp_path: Path) -> None:
    named = environment | {"STREAMWARDEN_READY_FILE": str(tmp_path / "absent" / "ready")}
    with pytest.raises(ConfigError, match="STREAMWARDEN_READY_FILE must name a file in a folder that exists"):
        read_settings(named)


def test_x83_a_gate_says_which_keys_it_takes_as_soon_as_they_are_others() -> None:
    producer, known = SilentProducer(), ["old"]
    said = Acks(IDENTITY, producer, ReadyFile(None), lambda: tuple(known))  # type: ignore[arg-type]  # as above
    said.report(Report("InForce"))
    said.report(Report("InForce"))
    known.append("new")
    said.report(Report("InForce"))
    assert [decode_ack(value).key_ids for value in producer.written] == [("old",), ("old", "new")]  # type: ignore[arg-type]  # bytes
