"""What the admin client does with the answers to a request, without a broker."""

from __future__ import annotations

import asyncio
import gc
import weakref
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException, ThrottleEvent
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, ThrottledError


def admin(spread_s: float = 10.0) -> KafkaAdmin:
    """Make a client that knows no broker, and so never connects."""
    return KafkaAdmin(Connection(""), spread_s=spread_s)


def done(value: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(value)
    return future


def refused(code: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_exception(KafkaException(KafkaError(code)))
    return future


async def test_f31_every_item_of_a_request_has_its_own_answer() -> None:
    settled = await admin().settle({"a": done(1), "b": refused(KafkaError.INVALID_CONFIG), "c": done(3)})
    assert (settled["a"], settled["c"]) == (1, 3)
    assert isinstance(settled["b"], KafkaException)


async def test_the_first_refusal_is_raised_after_all_have_settled() -> None:
    with pytest.raises(KafkaException) as caught:
        await admin().all({"a": done(1), "b": refused(KafkaError.INVALID_CONFIG), "c": refused(KafkaError.NO_ERROR)})
    assert caught.value.args[0].code() == KafkaError.INVALID_CONFIG


async def test_an_error_that_is_not_kafkas_is_a_bug_and_raised_as_it_is() -> None:
    broken: Future[int] = Future()
    broken.set_exception(RuntimeError("results and futures differ"))
    with pytest.raises(RuntimeError):
        await admin().settle({"a": broken})


async def test_a_request_that_is_given_up_is_no_error_that_nobody_has_seen() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    future: Future[int] = Future()
    waits = asyncio.create_task(admin().one(future))
    await asyncio.sleep(0)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    del waits
    future.set_exception(KafkaException(KafkaError(KafkaError.INVALID_CONFIG)))  # it is answered all the same
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    assert told == []


class Listing:
    """A long answer."""


async def test_an_answer_that_nobody_needs_any_more_is_no_garbage_that_must_be_looked_for() -> None:
    future: Future[Listing] = Future()
    asked, told = admin(), list[str]()
    asked.on_answered = lambda request, _: told.append(request)
    asked.client._follow("list", [future])  # type: ignore[attr-defined]  # as of a request of the client's
    waits = asyncio.create_task(asked.one(future))
    await asyncio.sleep(0)
    future.set_result(Listing())
    listing = weakref.ref(await waits)
    del future, waits
    await asyncio.sleep(0)  # until the loop has let go of the turn that brought it
    assert (listing(), told) == (None, ["list"])


@pytest.mark.parametrize(
    ("code", "renewed"),
    [
        pytest.param(KafkaError._TIMED_OUT, True, id="a-coordinator-that-is-not-asked-any-more"),
        pytest.param(KafkaError.FENCED_LEADER_EPOCH, True, id="the-epoch-of-a-leader-that-was"),
        pytest.param(KafkaError.INVALID_CONFIG, False, id="what-a-broker-refuses"),
    ],
)
async def test_who_goes_on_by_what_is_outdated_is_replaced_by_a_client_that_knows_nothing(
    code: int, *, renewed: bool
) -> None:
    asked = admin()
    before = asked.client
    await asked.settle({"a": refused(code)})
    assert (asked.client is not before) is renewed


async def test_f38_whom_a_quota_makes_wait_makes_no_topics_meanwhile_and_looks_all_the_same() -> None:
    asked = admin()
    looks = asked.client
    assert asked.topic_writer is asked.topic_writer
    assert asked.topic_writer is not looks
    asked._on_throttle(ThrottleEvent("broker", 1, 30.0))
    asked._on_throttle(ThrottleEvent("broker", 1, 0.0))
    with pytest.raises(ThrottledError, match="controller_mutation_rate") as caught:
        _ = asked.topic_writer
    assert 29 < caught.value.left_s <= 30
    assert asked.writer is asked.client is looks


async def test_f38_after_its_time_topics_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, now_s = admin(), 1000.0
    monkeypatch.setattr("streamwarden_kafka.admin.time.monotonic", lambda: now_s)
    asked._on_throttle(ThrottleEvent("broker", 1, 30.0))
    now_s += 30.1
    assert asked.topic_writer is not None


async def test_a_request_is_repeated_until_the_brokers_know_the_topic() -> None:
    answers = iter([KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.NOT_LEADER_FOR_PARTITION, None])

    async def attempt() -> str:
        if (code := next(answers)) is not None:
            raise KafkaException(KafkaError(code))
        return "known"

    assert await admin().until_spread(attempt) == "known"


@pytest.mark.parametrize(
    ("code", "spread_s"),
    [
        pytest.param(KafkaError.INVALID_CONFIG, 10.0, id="another-error-at-once"),
        pytest.param(KafkaError.UNKNOWN_TOPIC_OR_PART, 0.0, id="an-unknown-topic-after-the-deadline"),
    ],
)
async def test_a_request_is_not_repeated_for_ever(code: int, spread_s: float) -> None:
    async def attempt() -> None:
        raise KafkaException(KafkaError(code))

    with pytest.raises(KafkaException):
        await admin(spread_s).until_spread(attempt)


async def test_a_change_that_the_brokers_never_show_is_an_outage() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(BrokerUnavailableError, match="shows after 0 s no new ACLs"):
        await admin(0.0).until(never, "new ACLs")


async def test_x99_who_is_not_let_in_gets_no_answer_and_is_told_why() -> None:
    made = admin()
    made._on_error(KafkaError(KafkaError._AUTHENTICATION, "invalid credentials"))
    made._on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all brokers are down"))
    with pytest.raises(KafkaException) as caught:
        await made.one(refused(KafkaError._TIMED_OUT))
    assert caught.value.args[0].code() == KafkaError._AUTHENTICATION
    assert "invalid credentials" in caught.value.args[0].str()
    assert await made.one(done(1)) == 1
    with pytest.raises(KafkaException) as later:
        await made.one(refused(KafkaError._TIMED_OUT))
    assert later.value.args[0].code() == KafkaError._TIMED_OUT


class Client:
    """Answers every request alike."""

    def __init__(self, answers: object) -> None:
        self.answers = answers

    def create_topics(self, *_arguments: object, **_named: object) -> object:
        return self.answers

    poll = create_topics


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        pytest.param({"a": done(1), "b": done(2)}, "ok", id="all-items-are-well"),
        pytest.param(done(1), "ok", id="a-request-with-one-answer"),
        pytest.param(
            {"a": done(1), "b": refused(KafkaError.INVALID_CONFIG)}, "refused", id="a-broker-refuses-one-item"
        ),
        pytest.param({"a": refused(KafkaError._TIMED_OUT), "b": done(1)}, "no_answer", id="the-client-gives-up"),
        pytest.param(
            {"a": refused(KafkaError.INVALID_CONFIG), "b": refused(KafkaError._TRANSPORT)},
            "no_answer",
            id="of-both-the-lack-of-an-answer-counts",
        ),
    ],
)
def test_a_request_is_told_once_with_how_it_went(
    answers: object, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamwarden_kafka.admin.open_admin", lambda *_: Client(answers))
    made, told = admin(), list[tuple[str, str]]()
    made.on_answered = lambda *answered: told.append(answered)
    assert made.client.create_topics([], request_timeout=3.0) is answers
    assert told == [("create_topics", outcome)]


def test_a_request_is_told_when_the_last_of_its_items_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = Future[int](), Future[int]()
    monkeypatch.setattr("streamwarden_kafka.admin.open_admin", lambda *_: Client({"a": first, "b": last}))
    made, told = admin(), list[tuple[str, str]]()
    made.on_answered = lambda *answered: told.append(answered)
    made.client.create_topics([])
    last.set_result(1)
    assert told == []
    first.set_result(1)
    assert told == [("create_topics", "ok")]


def test_what_is_no_request_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamwarden_kafka.admin.open_admin", lambda *_: Client(0))
    made, told = admin(), list[tuple[str, str]]()
    made.on_answered = lambda *answered: told.append(answered)
    assert made.client.poll(0) == 0
    assert told == []
