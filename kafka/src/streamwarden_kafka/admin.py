"""One admin client for many requests: an answer or an error for each item, and patience while a change spreads."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar, cast

from confluent_kafka import KafkaError, KafkaException, ThrottleEvent
from confluent_kafka.admin import AdminClient

from streamwarden_kafka.clients import NO_SETTINGS, Settings, open_admin
from streamwarden_kafka.codes import LOGIN_REFUSED, SPREADING, TIMED_OUT, code_of, error_of
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import BrokerUnavailableError, NotSpreadError, ThrottledError
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.outcomes import OnAnswered, Outcome, ignore
from streamwarden_kafka.wire.connections import Wire

T = TypeVar("T")
R = TypeVar("R")

_OUTDATED = frozenset({TIMED_OUT, KafkaError.FENCED_LEADER_EPOCH})
"""What a client gets again and again that goes on by what it knew of the cluster (librdkafka 2.16): it asks no more a
group's coordinator that it has lost, and all leaders by the epoch that they had before their broker was away."""
_THROTTLED = (
    "Kafka makes this user wait, which makes, grows or deletes more topics than its quota controller_mutation_rate "
    "allows: it goes on by itself"
)
_ASK_AGAIN_S = 1.0
"""How long a request may take until the client is told to ask which broker takes changes ("the controller").

In KRaft mode that is any broker, drawn anew for each answer, and for 9 s after one has died still that one. librdkafka
(2.16) waits for the one that it was told of, and asks no more: in one of three such deaths all requests of the first
10 s timed out, however long the others had been there. (Of a client that knows no topic, its setting
topic.metadata.refresh.interval.ms is 10 s and more, whatever it says.)"""
_NO_TOPIC = "/"
"""A name that no topic can have: who asks for it is told of the brokers, and has nothing made."""
_PAUSE_S = 0.02
"""Between two looks at what has not spread yet."""


class KafkaAdmin:
    """Sends admin requests without blocking the event loop; knows nothing of what they mean."""

    def __init__(
        self,
        connection: Connection,
        *,
        timeout_s: float = 10.0,
        spread_s: float = 10.0,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a client; it connects by itself.

        Args:
            connection: the Kafka, and a user with the rights.
            timeout_s: longest wait for the answer to one request.
            spread_s: longest wait until all that was made is known to the brokers.
            guard: asked before each request that changes something; it raises where nothing may be changed.
        """
        self.guard = guard
        self.timeout_s = timeout_s
        self._spread_s = spread_s
        self._trouble: KafkaError | None = None
        self.on_answered: OnAnswered = ignore
        """Called after each request that was sent with ``client``."""
        self.on_wire_answered: OnAnswered = ignore
        """Called after each request that was sent over a ``wire``."""
        self.connection = connection
        self._log = ClientLog("admin", quiet=True, on_error=self._on_error)
        self.client = self._connect()
        self._topic_writer: AdminClient | None = None
        self._retired: tuple[AdminClient | None, ...] = ()
        self._renew_after_s = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._throttled_until_s = 0.0

    @property
    def writer(self) -> AdminClient:
        """The client, for a request that changes something: all of them are made through it."""
        self.guard()
        return self.client

    @property
    def topic_writer(self) -> AdminClient:
        """The client, for a request that makes, grows or deletes topics: it has connections of its own.

        Of who does more of that than ``controller_mutation_rate`` allows, brokers read nothing for a while, on the
        connection that it was sent by. Looks, and rights that are taken away, must not wait for that.

        Raises:
            ThrottledError: that time is not over.
        """
        self.guard()
        left_s = self._throttled_until_s - time.monotonic()
        if left_s > 0:
            raise ThrottledError(_THROTTLED, left_s)
        if self._topic_writer is None:
            self._topic_writer = self._connect({"throttle_cb": self._on_throttle})
        return self._topic_writer

    def wire(self, client_id: str) -> Wire:
        """Return connections for what the client cannot do; whoever takes them closes them."""
        return Wire(self.connection, client_id, timeout_s=self.timeout_s, on_answered=self._wire_answered)

    def _connect(self, settings: Settings = NO_SETTINGS) -> AdminClient:
        return cast("AdminClient", _ToldClient(open_admin(self.connection, self._log, settings), self._answered))

    def _answered(self, request: str, outcome: Outcome) -> None:
        self.on_answered(request, outcome)

    def _wire_answered(self, request: str, outcome: Outcome) -> None:
        self.on_wire_answered(request, outcome)

    def _renew(self) -> None:
        """Go on with a new client, which knows nothing that is outdated."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._renew_after_s:
            return  # requests that were sent together time out together
        self._renew_after_s = now_s + self.timeout_s
        # Kept until the next time: librdkafka drops the requests of a client that is garbage.
        self._retired = (self.client, self._topic_writer)
        self.client, self._topic_writer = self._connect(), None

    async def settle(self, futures: Mapping[T, Future[R]]) -> dict[T, R | KafkaException]:
        """Wait for every item of a request, and return a result or an error for each."""
        results = await self._wait(asyncio.gather(*map(_in_loop, futures.values()), return_exceptions=True))
        for client in filter(None, (self.client, self._topic_writer)):
            client.poll(0)  # hands queued log lines and errors over; without it they would pile up
        settled: dict[T, R | KafkaException] = {}
        for key, result in zip(futures, results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, KafkaException):
                raise result
            if isinstance(result, KafkaException):
                if code_of(result) in _OUTDATED:
                    self._renew()
                settled[key] = self._explain(result)
            else:
                self._trouble = None
                settled[key] = result
        return settled

    async def _wait(self, answers: "asyncio.Future[list[T]]") -> list[T]:
        """Wait for answers; the clients that are asked look for another broker meanwhile, where one does not answer."""
        try:
            while not (await asyncio.wait([answers], timeout=_ASK_AGAIN_S))[0]:
                if self._asking is None or self._asking.done():
                    self._asking = asyncio.create_task(self._ask_for_brokers())
        finally:
            if answers.cancel():  # nobody waits any more: else asyncio logs each as an error that nobody has seen
                answers.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return answers.result()

    async def _ask_for_brokers(self) -> None:
        for client in filter(None, (self.client, self._topic_writer)):
            with suppress(KafkaException):  # nobody answers: the requests themselves say so
                await asyncio.to_thread(client.list_topics, _NO_TOPIC, timeout=_ASK_AGAIN_S)

    async def all(self, futures: Mapping[T, Future[R]]) -> dict[T, R]:
        """Wait for every item, and raise the first error once all have settled."""
        settled = await self.settle(futures)
        for result in settled.values():
            if isinstance(result, KafkaException):
                raise result
        return {key: result for key, result in settled.items() if not isinstance(result, KafkaException)}

    async def one(self, future: Future[R]) -> R:
        """Wait for one result."""
        return (await self.all({"": future}))[""]

    async def until_spread(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Repeat a request until the brokers know of what it speaks.

        Raises:
            KafkaException: another error, or still unknown after ``spread_s``.
            NotSpreadError: likewise, of an attempt that goes over the wire client.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._spread_s
        while True:
            try:
                return await attempt()
            except KafkaException as error:
                if code_of(error) not in SPREADING or loop.time() > deadline:
                    raise
            except NotSpreadError:
                if loop.time() > deadline:
                    raise
            await asyncio.sleep(_PAUSE_S)

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until the brokers show a change: the controller answers some milliseconds before they do.

        Raises:
            BrokerUnavailableError: not shown after ``spread_s``.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._spread_s
        while not await holds():
            if loop.time() > deadline:
                raise BrokerUnavailableError(f"Kafka took the change, but shows after {self._spread_s:g} s no {what}")
            await asyncio.sleep(_PAUSE_S)

    async def cluster_id(self) -> str:
        """Return Kafka's id of the cluster."""
        description = await self.one(self.client.describe_cluster(request_timeout=self.timeout_s))
        return str(description.cluster_id)

    def _explain(self, error: KafkaException) -> KafkaException:
        """Return the error with the client's last trouble, where it got no answer: "timed out" alone helps nobody.

        Who is not let in gets no answer either: then it is that error.
        """
        code, trouble = code_of(error), self._trouble
        if code >= 0 or trouble is None:
            return error
        code = trouble.code() if trouble.code() in LOGIN_REFUSED else code
        return KafkaException(KafkaError(code, f"{error_of(error).str()} (before it: {trouble.str()})"))

    def _on_throttle(self, event: ThrottleEvent) -> None:
        """Note how long brokers read nothing of the topic writer. Called while it is polled."""
        self._throttled_until_s = max(self._throttled_until_s, time.monotonic() + event.throttle_time)

    def _on_error(self, error: KafkaError) -> None:
        refused = self._trouble is not None and self._trouble.code() in LOGIN_REFUSED
        if not refused or error.code() in LOGIN_REFUSED:  # that all brokers are down follows from it
            self._trouble = error


class _ToldClient:
    """An admin client whose every request is told once all of its items are answered, whoever sends it."""

    def __init__(self, client: AdminClient, tell: OnAnswered) -> None:
        self._client = client
        self._tell = tell

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the client has
        method = getattr(self._client, name)

        def send(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  # as the client's own
            answers = method(*arguments, **named)
            self._follow(name, list(answers.values()) if isinstance(answers, dict) else [answers])
            return answers

        return send

    def _follow(self, name: str, answers: list[object]) -> None:
        futures = [answer for answer in answers if isinstance(answer, Future)]
        answered, number = itertools.count(1), len(futures)  # its next is one step for all threads
        errors = list[BaseException]()

        def note(future: Future[Any]) -> None:  # which keeps no future: an answer of thousands would live on in a cycle
            if not future.cancelled() and (error := future.exception()) is not None:
                errors.append(error)
            if next(answered) == number:
                self._tell(name, _outcome(errors))

        for future in futures:
            future.add_done_callback(note)


def _in_loop(answer: Future[R]) -> "asyncio.Future[R]":
    """Return an answer of another thread for who waits in this event loop.

    As ``asyncio.wrap_future``, whose two futures hold each other: an answer of thousands lives on until it is looked
    for as garbage. Nothing is to be cancelled: a request that was sent is answered.
    """
    loop = asyncio.get_running_loop()
    awaited: asyncio.Future[R] = loop.create_future()

    def hand_over(answered: Future[R]) -> None:
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(_pass_on, answered, awaited)

    answer.add_done_callback(hand_over)
    return awaited


def _pass_on(answered: Future[R], awaited: "asyncio.Future[R]") -> None:
    if awaited.done():  # nobody waits any more
        return
    if (error := answered.exception()) is None:
        awaited.set_result(answered.result())
    else:
        awaited.set_exception(error)


def _outcome(errors: Sequence[BaseException]) -> Outcome:
    """Tell how a request has ended, by the errors of its items."""
    if not errors:
        return "ok"
    answered = (isinstance(error, KafkaException) and code_of(error) > 0 for error in errors)
    return "refused" if all(answered) else "no_answer"
