"""What becomes of a transaction, error by error, with a producer that does what the test says."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from streamwarden_kafka import producer_session
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    ProducerFailedError,
    ProducerFencedError,
    RecordRefusedError,
    TransactionAbortedError,
    TransactionError,
    TransactionUnknownError,
)
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.producer_session import Limits
from streamwarden_kafka.records import Offset, Write
from streamwarden_kafka.transactions import TransactionalProducer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamwarden_kafka.clients import Settings

WRITES = [Write("out", b"k", b"v", [("h", b"1")], 2)]
OFFSETS = [Offset("in", 0, 7, "head")]


def error(
    code: int, *, fatal: bool = False, retriable: bool = False, abort: bool = False
) -> Callable[[], KafkaException]:
    return lambda: KafkaException(KafkaError(code, "why", fatal, retriable, abort))


TIMED_OUT = error(KafkaError._TIMED_OUT, retriable=True)
FENCED = error(KafkaError._FENCED, fatal=True)
ABORT = error(KafkaError.UNKNOWN_MEMBER_ID, abort=True)


class ScriptedProducer:
    """Notes its calls, and fails those that the script names, once for each error."""

    def __init__(self, script: dict[str, list[Any]], settings: Mapping[str, Any], log: ClientLog) -> None:
        self.calls: list[str] = []
        self.settings = settings
        self.log = log
        self._script = script

    def _called(self, name: str, *_given: object) -> None:
        self.calls.append(name)
        for fails in self._script.get(name, [])[:1]:
            self._script[name].pop(0)
            raise fails()

    def init_transactions(self, *_: object) -> None:
        self._called("init")

    def begin_transaction(self) -> None:
        self._called("begin")

    def send_offsets_to_transaction(self, offsets: list[Any], *_: object) -> None:
        self._called("offsets " + ",".join(f"{e.topic}/{e.partition}:{e.offset}:{e.metadata}" for e in offsets))

    def produce(self, topic: str, value: bytes, key: bytes, partition: int, headers: object) -> None:
        self._called(f"produce {topic}/{partition} {key!r} {value!r} {headers}")

    def commit_transaction(self, *_: object) -> None:
        self._called("commit")

    def abort_transaction(self, *_: object) -> None:
        self._called("abort")

    def poll(self, _timeout_s: float) -> None:
        """Say nothing."""

    def purge(self) -> None:
        self.calls.append("purge")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def script() -> dict[str, list[Any]]:
    """Errors by call, to be filled in by the test."""
    return {}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, script: dict[str, list[Any]]) -> list[ScriptedProducer]:
    """Every producer that was opened."""
    producers: list[ScriptedProducer] = []

    def open_producer(_connection: Connection, log: ClientLog, settings: Settings) -> ScriptedProducer:
        producers.append(ScriptedProducer(script, settings, log))
        return producers[-1]

    monkeypatch.setattr(producer_session, "open_producer", open_producer)
    return producers


def opened(*, replace_shaken: bool = True, **limits: float) -> TransactionalProducer:
    producer = TransactionalProducer(
        Connection(""), "id", ClientLog("test"), limits=Limits(**limits), replace_shaken=replace_shaken
    )
    producer.open()
    return producer


def test_the_offsets_come_before_the_records(made: list[ScriptedProducer]) -> None:
    opened().commit(WRITES, OFFSETS, "group")
    assert made[0].calls == [
        "init",
        "begin",
        "offsets in/0:7:head",
        "produce out/2 b'k' b'v' [('h', b'1')]",
        "commit",
    ]


def test_x99_where_it_cannot_be_aborted_either_what_failed_first_is_said_first(
    script: dict[str, list[Any]], made: list[ScriptedProducer]
) -> None:
    forbidden = error(KafkaError.TOPIC_AUTHORIZATION_FAILED, abort=True)
    script |= {"commit": [forbidden], "abort": [error(KafkaError.INVALID_TXN_STATE)]}
    producer = opened()
    with pytest.raises(
        TransactionUnknownError, match=r"^commit_transaction: TOPIC_AUTH.*; abort_trans.*: INVALID_TXN"
    ) as raised:
        producer.commit(WRITES)
    assert isinstance(raised.value.__cause__, KafkaException)
    assert raised.value.__cause__.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert made[0].calls[-1] == "close"


def test_an_open_producer_is_not_opened_again(made: list[ScriptedProducer]) -> None:
    producer = opened()
    producer.open()
    producer.commit(WRITES)
    producer.commit(WRITES)
    assert [each.calls.count("init") for each in made] == [1]


OFFSETS_CALL = "offsets in/0:7:head"


@pytest.mark.parametrize(
    ("fails", "expected", "aborts"),
    [
        pytest.param({"commit": [ABORT]}, TransactionAbortedError, True, id="what-must-be-aborted-is"),
        pytest.param({OFFSETS_CALL: [ABORT]}, TransactionAbortedError, True, id="likewise-before-any-record"),
        pytest.param(
            {"commit": [TIMED_OUT]}, TransactionUnknownError, False, id="a-commit-without-an-answer-is-unknown"
        ),
        pytest.param({"commit": [FENCED]}, ProducerFencedError, False, id="fenced"),
        pytest.param(
            {"commit": [error(KafkaError.INVALID_PRODUCER_EPOCH, abort=True)]},
            ProducerFencedError,
            False,
            id="an-old-epoch-is-fenced-too",
        ),
        pytest.param(
            {"commit": [error(KafkaError.UNKNOWN_PRODUCER_ID, fatal=True)]}, ProducerFailedError, False, id="fatal"
        ),
        pytest.param(
            {"commit": [ABORT], "abort": [TIMED_OUT]}, TransactionUnknownError, True, id="an-abort-without-an-answer"
        ),
        pytest.param({"commit": [ABORT], "abort": [FENCED]}, ProducerFencedError, True, id="fenced-in-the-abort"),
        pytest.param(
            {"produce out/2 b'k' b'v' [('h', b'1')]": [error(KafkaError.MSG_SIZE_TOO_LARGE)]},
            RecordRefusedError,
            True,
            id="a-record-that-the-client-refuses",
        ),
        pytest.param(
            {"produce out/2 b'k' b'v' [('h', b'1')]": [BufferError]},
            TransactionAbortedError,
            True,
            id="a-full-queue-is-no-reason-to-write-half",
        ),
    ],
)
def test_an_error_says_what_is_visible(
    made: list[ScriptedProducer],
    script: dict[str, list[Any]],
    fails: dict[str, list[Any]],
    expected: type[TransactionError],
    aborts: bool,  # noqa: FBT001  # a parameter of the table
) -> None:
    script |= {name: list(errors) for name, errors in fails.items()}
    producer = opened()
    with pytest.raises(TransactionError) as caught:
        producer.commit(WRITES, OFFSETS, "group")
    assert type(caught.value) is expected
    assert ("abort" in made[0].calls) is aborts


@pytest.mark.parametrize("fails", [pytest.param(TIMED_OUT, id="unknown"), pytest.param(FENCED, id="fenced")])
def test_a_producer_that_cannot_go_on_is_dropped_until_it_is_opened(
    made: list[ScriptedProducer], script: dict[str, list[Any]], fails: Callable[[], KafkaException]
) -> None:
    producer = opened()
    script["commit"] = [fails]
    with pytest.raises(TransactionError):
        producer.commit(WRITES)
    with pytest.raises(TransactionUnknownError, match="no producer is open"):
        producer.commit(WRITES)
    assert made[0].calls[-2:] == ["purge", "close"]
    producer.open()
    producer.commit(WRITES)
    assert len(made) == 2


def test_after_an_abort_the_same_producer_goes_on(made: list[ScriptedProducer], script: dict[str, list[Any]]) -> None:
    producer = opened()
    script["commit"] = [ABORT]
    with pytest.raises(TransactionAbortedError):
        producer.commit(WRITES)
    producer.commit(WRITES)
    assert len(made) == 1


def test_retriable_errors_are_met_with_patience_where_it_is_asked_for(
    made: list[ScriptedProducer], script: dict[str, list[Any]]
) -> None:
    script["commit"] = [TIMED_OUT, TIMED_OUT]
    opened(patience_s=60).commit(WRITES)
    assert made[0].calls.count("commit") == 3


def test_a_coordinator_may_have_fenced_whoever_took_longer_than_the_timeout(
    made: list[ScriptedProducer], script: dict[str, list[Any]]
) -> None:
    script["commit"] = [FENCED]
    with pytest.raises(ProducerFencedError) as caught:
        opened(transaction_s=0.0).commit(WRITES)
    assert not caught.value.certain
    assert len(made) == 1


def test_a_producer_that_lost_its_connection_is_replaced_before_its_next_transaction(
    made: list[ScriptedProducer],
) -> None:
    producer = opened()
    made[0].log.on_error(KafkaError(KafkaError._TRANSPORT))
    producer.commit(WRITES)
    assert [each.calls[-1] for each in made] == ["close", "commit"]


def test_who_must_learn_of_another_process_does_not_fence_it_by_a_new_producer(
    made: list[ScriptedProducer], script: dict[str, list[Any]]
) -> None:
    producer = opened(replace_shaken=False)
    made[0].log.on_error(KafkaError(KafkaError._TRANSPORT))
    script["commit"] = [FENCED]
    producer.open()
    with pytest.raises(ProducerFencedError):
        producer.commit(WRITES)
    assert [each.calls.count("init") for each in made] == [1]


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        pytest.param(TIMED_OUT, BrokerUnavailableError, id="no-answer"),
        pytest.param(FENCED, ProducerFencedError, id="fenced"),
        pytest.param(
            error(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, fatal=True), ProducerFailedError, id="not-allowed"
        ),
    ],
)
def test_opening_may_fail(
    made: list[ScriptedProducer],
    script: dict[str, list[Any]],
    fails: Callable[[], KafkaException],
    expected: type[Exception],
) -> None:
    script["init"] = [fails]
    with pytest.raises(expected):
        opened()
    assert made[0].calls[-1] == "close"


@pytest.mark.slow
def test_a_transaction_that_hangs_is_left_behind(made: list[ScriptedProducer], script: dict[str, list[Any]]) -> None:
    let_go = threading.Event()

    def hang() -> KafkaException:
        let_go.wait(30)
        return TIMED_OUT()

    producer = opened(hung_s=0.05)
    script["commit"] = [hang]
    with pytest.raises(TransactionUnknownError, match="hangs"):
        producer.commit(WRITES)
    producer.open()
    producer.commit(WRITES)
    assert [each.calls[-1] for each in made] == ["commit", "commit"]
    let_go.set()


def test_a_process_in_which_transactions_keep_hanging_must_end(
    made: list[ScriptedProducer], script: dict[str, list[Any]]
) -> None:
    release = threading.Event()

    def hang() -> KafkaException:
        release.wait(30)
        return TIMED_OUT()

    script["commit"] = [hang] * 3
    producer = opened(hung_s=0.01)
    for _ in range(3):
        with pytest.raises(TransactionUnknownError, match="hangs"):
            producer.commit(WRITES)
        if len(made) < 3:
            producer.open()
    with pytest.raises(ProducerFailedError, match="3 transactions hang: only a new process can go on"):
        producer.open()
    release.set()


def test_no_transaction_begins_before_the_last_one_is_finished(
    made: list[ScriptedProducer], script: dict[str, list[Any]]
) -> None:
    script["commit"] = [ABORT]
    producer = opened()
    first = producer.begin(WRITES, OFFSETS, "group")
    with pytest.raises(RuntimeError, match="finish the last transaction first"):
        producer.begin((), [Offset("in", 0, 9)], "group")
    with pytest.raises(TransactionAbortedError):
        first.finish()
    producer.commit((), OFFSETS, "group")
    assert [call for call in made[0].calls if call.startswith("offsets")] == [OFFSETS_CALL, OFFSETS_CALL]


def test_an_error_that_is_not_kafkas_leaves_no_transaction_open(
    made: list[ScriptedProducer], script: dict[str, list[Any]]
) -> None:
    script["commit"] = [lambda: TypeError("a bug")]
    producer = opened()
    with pytest.raises(TypeError, match="a bug"):
        producer.commit(WRITES)
    with pytest.raises(TransactionUnknownError, match="no producer is open"):
        producer.commit(WRITES)
    producer.open()
    assert len(made) == 2


def test_who_is_fenced_while_a_lost_producer_is_replaced_may_open_again(
    made: list[ScriptedProducer], script: dict[str, list[Any]]
) -> None:
    producer = opened()
    made[0].log.on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    script["init"] = [FENCED]
    with pytest.raises(TransactionUnknownError):
        producer.commit(WRITES)
    producer.open()
    producer.commit(WRITES)
    assert made[-1].calls[-1] == "commit"
