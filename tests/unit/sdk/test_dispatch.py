from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from streamwarden import Agent, Decision, Event
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Record, group_by_key
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.core.writing import Author
from streamwarden.testing import GivenEvent, event, run, run_async
from streamwarden_contract.decision import MAX_ERROR_LENGTH, Cause, Failure, decode_decision, decode_failure
from streamwarden_contract.events import CloudEvent, decode
from streamwarden_contract.models.agent_deployment import Backoff as Waits
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import SourceTopic

SECRET = "hunter2"  # the word that no failure may repeat


class Page(BaseModel):
    model_config = ConfigDict(extra="forbid")
    score: float


def record(key: bytes | None, offset: int) -> Record:
    return Record("t", 0, offset, 0, key, b"{}", ())


@given(st.lists(st.sampled_from([b"a", b"b", b"", None])))
def test_groups_keep_every_record_once_and_the_order_of_each_key(keys: list[bytes | None]) -> None:
    records = [record(key, offset) for offset, key in enumerate(keys)]
    groups = group_by_key(records)
    assert sorted(index for group in groups for index, _ in group) == list(range(len(keys)))
    for group in groups:
        assert [index for index, _ in group] == sorted(index for index, _ in group)
        assert len({each.key for _, each in group}) == 1
        assert len(group) == 1 or group[0][1].key is not None
    keyed = [group[0][1].key for group in groups if group[0][1].key is not None]
    assert len(keyed) == len(set(keyed))


async def test_keys_run_side_by_side_and_events_of_one_key_in_order() -> None:
    agent, trace = Agent(), list[tuple[str, object]]()
    both_began = asyncio.Barrier(2)

    @agent.on_event("step")
    async def handle(event: Event) -> Decision:
        trace.append((event.subject or "", event.data))
        if event.data == 1:
            await both_began.wait()  # passed only if two keys are at work at once
        return Decision("go", parameters={"n": event.data})

    async with asyncio.timeout(5):
        result = await run_async(agent, [event("step", key, data=n) for n in (1, 2) for key in ("a", "b")])
    assert [n for key, n in trace if key == "a"] == [1, 2]
    assert [n for key, n in trace if key == "b"] == [1, 2]
    assert [(d.entity, d.parameters["n"]) for d in result.decisions] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


async def test_no_more_handlers_wait_at_a_time_than_the_agent_allows() -> None:
    agent = Agent(concurrency=2)
    running, most = 0, 0

    @agent.on_event("step")
    async def handle(_event: Event) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(50):  # turns of the loop: enough for all ten to begin, were they allowed to
            await asyncio.sleep(0)
        running -= 1

    await run_async(agent, [event("step", str(n), data={}) for n in range(10)])
    assert most == 2


def test_an_event_that_fails_is_tried_again_with_growing_waits_and_then_succeeds() -> None:
    agent, attempts = Agent(), list[int]()

    @agent.on_event("step")
    def handle(_event: Event) -> Decision:
        attempts.append(1)
        if len(attempts) < 4:
            raise RuntimeError("not yet")
        return Decision("go")

    retry = Retry(max_attempts=5, backoff=Waits(initial="1s", factor=3, cap="5s"))
    result = run(agent, [event("step", "a", data={})], retry=retry)
    assert result.waits_s == (1.0, 3.0, 5.0)
    assert len(result.decisions) == 1
    assert result.failures == []


async def test_each_attempt_that_another_follows_is_told_before_the_wait_and_the_last_is_not() -> None:
    agent, told = Agent(), list[object]()

    @agent.on_event("step")
    def handle(_event: Event) -> None:
        raise RuntimeError("not yet")

    async def wait(seconds: float) -> None:
        told.append(f"waits for {seconds:g} s")

    headers = tuple(CloudEvent(id="e", source="/s", type="step").headers())
    dispatcher = Dispatcher(
        Routes(agent, [SourceTopic(name="steps", topic="t")]),
        Author("test", "agent", "u", None, None),
        Backoff.of(Retry(max_attempts=3, backoff=Waits(initial="1s", factor=3, cap="5s"))),
        concurrency=1,
        sleep=wait,
    )
    dispatcher.tell_retries(
        lambda failure, wait_s: told.append((failure.cause, failure.attempts, failure.error, wait_s))
    )
    [handled] = await dispatcher.handle([Record("t", 0, 7, 0, b"a", b"{}", headers)])
    assert handled.failure is not None
    cause, error = Cause(topic="t", partition=0, offset=7), handled.failure.error
    assert error.startswith("RuntimeError: not yet (")
    assert told == [(cause, 1, error, 1.0), "waits for 1 s", (cause, 2, error, 3.0), "waits for 3 s"]
    assert handled.failure.attempts == 3


async def test_a_failing_event_holds_up_its_own_key_only() -> None:
    agent, order = Agent(), list[int]()
    another_key_is_done = asyncio.Event()

    @agent.on_event("step")
    def handle(event: Event) -> None:
        order.append(event.offset)
        if event.offset == 2:
            another_key_is_done.set()
        if event.offset == 0:
            raise RuntimeError("no")

    async def wait(_seconds: float) -> None:
        await another_key_is_done.wait()

    headers = tuple(CloudEvent(id="e", source="/s", type="step").headers())
    records = [Record("t", 0, offset, 0, key, b"{}", headers) for offset, key in enumerate([b"a", b"a", b"b"])]
    author = Author("test", "agent", "u", None, None)
    routes = Routes(agent, [SourceTopic(name="steps", topic="t")])
    dispatcher = Dispatcher(routes, author, Backoff.of(Retry(max_attempts=2)), concurrency=1, sleep=wait)
    async with asyncio.timeout(5):
        await dispatcher.handle(records)
    assert order == [0, 2, 0, 1]


def test_a_failure_record_names_the_input_and_never_its_bytes() -> None:
    agent = Agent()

    @agent.on_event("page.observed")
    def handle(_page: Page) -> None:
        Page.model_validate({"score": SECRET})

    given = [
        event("page.observed", "p1", data={"score": SECRET, SECRET: 1}),
        event("page.observed", "p2", raw=b'{"score": "' + SECRET.encode()),
        event("page.observed", "p3", raw=b"\xff" + SECRET.encode()),
        event("page.observed", "p4", raw=b'{"score": 1, "score": 2}'),
        event("page.observed", "p5", data={"score": 1}),
    ]
    result = run(agent, given, retry=Retry(max_attempts=1))
    assert [(f.cause, f.stage, f.attempts) for f in result.failures] == [
        (Cause(topic="test.events", partition=0, offset=n), stage, 1)
        for n, stage in enumerate(["Decode", "Decode", "Decode", "Decode", "Handle"])
    ]
    assert result.failures[0].error == "MalformedEventError: Page: score: must be a number; ?: unknown field"
    assert result.failures[4].error.startswith("ValidationError: Page: ?: must be a number (")
    for written, failure in zip(result.records, result.failures, strict=True):
        assert SECRET.encode() not in written.value + b"".join(value for _, value in written.headers)
        assert decode_failure(written.value) == failure
        assert decode(written.headers, strict=True).type == "streamwarden.failure"


def test_a_record_that_is_no_event_or_has_no_usable_key_still_becomes_a_failure() -> None:
    agent = Agent()

    @agent.on_event("page.observed")
    def handle(_event: Event) -> None:
        raise ValueError

    plain = event("page.observed", None, data={})
    broken = GivenEvent(plain.attributes, plain.value, b"\xff\xfe", plain.topic)
    huge = GivenEvent(plain.attributes, plain.value, b"k" * 100_000, plain.topic)
    result = run(agent, [plain, broken, huge], retry=Retry(max_attempts=1))
    assert [written.key for written in result.records] == [b"failure"] * 3
    assert [f.error.partition(" (")[0] for f in result.failures] == ["ValueError"] * 3


def test_decisions_carry_cause_lineage_and_an_id_that_a_retry_repeats() -> None:
    agent = Agent()

    @agent.on_event("step")
    def handle(_event: Event) -> list[Decision]:
        return [
            Decision("go", confidence=0.5, reasoning="because", expected_version=3),
            Decision("stay", entity="other"),
        ]

    given = [event("step", "a", data={}, id="e1", correlationid="c1", hops=2)]
    first, again = run(agent, given), run(agent, given)
    assert first.records == again.records
    one, two = (decode(each.headers, strict=True) for each in first.records)
    assert one.id != two.id
    assert (one.subject, one.correlationid, one.causationid, one.hops) == ("a", "c1", "e1", 3)
    assert (two.subject, first.records[1].key) == ("other", b"other")
    assert one.source == "/streamwarden/test/agent"
    read, _ = decode_decision(first.records[0].value)
    assert read == first.decisions[0]
    assert (read.confidence, read.reasoning, read.expectedVersion) == (0.5, "because", 3)


deep: dict[str, object] = {}
deep["deep"] = deep


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        pytest.param(Decision("undeclared"), "type 'undeclared' is not declared", id="undeclared-type"),
        pytest.param(Decision("go", parameters={"a": [float("nan")]}), "parameters.a.0: not a finite number", id="nan"),
        pytest.param(Decision("go", parameters={"a": 2**63}), "parameters.a: an integer outside", id="beyond-int64"),
        pytest.param(Decision("go", parameters={"a": object()}), "parameters.a: object is not JSON", id="not-json"),
        pytest.param(Decision("go", parameters={1: 2}), "a key that is no string", id="key-is-no-string"),  # type: ignore[dict-item]
        pytest.param(Decision("go", parameters=deep), "nested deeper than 64", id="refers-to-itself"),
        pytest.param(Decision("go", parameters={"a": "x" * 70_000}), "a gate takes 65536", id="too-large"),
        pytest.param(Decision("go", parameters={"a": "\ud800"}), "not valid Unicode", id="lone-surrogate"),
        pytest.param(Decision("go", confidence=1.5), "confidence: is too large: at most 1", id="confidence-above-1"),
        pytest.param(Decision("go", confidence=float("nan")), "confidence: not a number (NaN)", id="confidence-nan"),
        pytest.param(Decision("go", entity="a\nb"), "ce_subject has control characters", id="entity-with-newline"),
        pytest.param(Decision("go", entity=""), "entity: is too short", id="empty-entity"),
        pytest.param("go", "returns a Decision, several, or None; not str", id="a-string"),
        pytest.param([Decision("go"), 1], "not int", id="not-only-decisions"),
        pytest.param([Decision("go"), None], "lists or yields are Decisions; not None", id="a-list-with-nothing"),
    ],
)
def test_a_decision_that_no_gate_would_take_is_a_failure_at_once(returned: object, message: str) -> None:
    agent = Agent()

    @agent.on_event("step")
    def handle(_event: Event) -> object:
        return returned

    result = run(agent, [event("step", "a", data={})], decision_types=["go"])
    assert result.decisions == []
    [failure] = result.failures
    assert failure.attempts == 1
    assert message in failure.error


def test_numbers_of_other_libraries_are_numbers() -> None:
    agent = Agent()

    class Score(float):
        pass

    @agent.on_event("step")
    def handle(_event: Event) -> Decision:
        return Decision("go", parameters={"a": (Score(0.5), True, None), "b": Page(score=1)}, confidence=Score(0.25))

    result = run(agent, [event("step", "a", data={})])
    assert json.loads(result.records[0].value)["parameters"] == {"a": [0.5, True, None], "b": {"score": 1.0}}


class Bill(BaseModel):
    due: datetime
    total: float = Field(serialization_alias="totalAmount")
    paid: object = None


@pytest.mark.parametrize(
    ("given", "written"),
    [
        pytest.param(np.bool_(True), True, id="X23-a-truth-value-of-numpy"),
        pytest.param(np.int64(3), 3, id="X23-an-integer-of-numpy"),
        pytest.param(np.float32(0.5), 0.5, id="X23-a-float-of-numpy"),
        pytest.param(np.str_("a"), "a", id="X23-a-text-of-numpy"),
        pytest.param(np.array(7), 7, id="X23-an-array-without-dimensions"),
        pytest.param([{"a": np.bool_(False)}], [{"a": False}], id="X23-numpy-at-any-depth"),
        pytest.param(
            Bill(due=datetime(2026, 1, 31, tzinfo=UTC), total=1, paid={"by": Path("a")}),
            {"due": "2026-01-31T00:00:00Z", "totalAmount": 1.0, "paid": {"by": "a"}},
            id="X23-a-model-with-a-date-and-an-alias",
        ),
    ],
)
def test_x23_parameters_may_be_numpys_and_models(given: object, written: object) -> None:
    agent = Agent()

    @agent.on_event("step")
    def handle(_event: Event) -> Decision:
        return Decision("go", parameters={"v": given})

    result = run(agent, [event("step", "a", data={})])
    assert result.failures == []
    found = json.loads(result.records[0].value)["parameters"]["v"]
    assert (found, type(found)) == (written, type(written))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(np.datetime64("2026-01-31"), "parameters.v: date is not JSON", id="X23-a-date-of-numpy"),
        pytest.param(np.float64("nan"), "parameters.v: not a finite number", id="X23-no-number-of-numpy"),
        pytest.param(np.array([1]), "parameters.v: ndarray is not JSON", id="X23-an-array"),
        pytest.param(
            Bill(due=datetime(2026, 1, 31, tzinfo=UTC), total=float("inf")),
            "parameters.v.totalAmount: not a finite number",
            id="X23-a-model-with-infinity",
        ),
        pytest.param(
            Bill(due=datetime(2026, 1, 31, tzinfo=UTC), total=1, paid=object()),
            "parameters.v: Bill cannot be written as JSON",
            id="X23-a-model-with-what-is-no-json",
        ),
    ],
)
def test_x23_what_no_json_can_hold_is_refused_with_its_place(given: object, message: str) -> None:
    agent = Agent()

    @agent.on_event("step")
    def handle(_event: Event) -> Decision:
        return Decision("go", parameters={"v": given})

    [failure] = run(agent, [event("step", "a", data={})]).failures
    assert message in failure.error


def test_a_handler_whose_own_task_was_cancelled_has_failed() -> None:
    agent = Agent()

    @agent.on_event("step")
    async def handle(_event: Event) -> None:
        raise asyncio.CancelledError

    result = run(agent, [event("step", "a", data={})], retry=Retry(max_attempts=2))
    line = handle.__code__.co_firstlineno + 2
    where = f"test_dispatch.py:{line} in test_a_handler_whose_own_task_was_cancelled_has_failed.<locals>.handle"
    [failure] = result.failures
    assert failure.error.endswith(f"{where})")
    error = failure.error
    assert error.startswith("CancelledError (")
    assert failure == Failure(cause=Cause(topic="test.events", partition=0, offset=0), error=error, attempts=2)


class Shop:
    """Not in the handler's own function."""

    def sell(self) -> None:
        raise ValueError("my own bug")


@pytest.mark.parametrize("cause", ["raised", "returned", "validated"])
def test_x22_a_failure_names_the_authors_file_and_line(cause: str) -> None:
    agent = Agent()

    @agent.on_event("step")
    def handle(event: Event) -> object:
        if event.subject == "raised":
            Shop().sell()
        if event.subject == "validated":
            Page.model_validate({})
        return "no decision"

    [failure] = run(agent, [event("step", cause, data={})], retry=Retry(max_attempts=1)).failures
    first = handle.__code__.co_firstlineno
    prefix = "test_x22_a_failure_names_the_authors_file_and_line.<locals>.handle"
    expected = {
        "raised": f"test_dispatch.py:{Shop.sell.__code__.co_firstlineno + 1} in Shop.sell)",
        "returned": f"test_dispatch.py:{first} in {prefix})",
        "validated": f"test_dispatch.py:{first + 5} in {prefix})",
    }
    assert failure.error.endswith(expected[cause])


def test_x22_a_long_message_leaves_room_for_the_place() -> None:
    agent = Agent()

    @agent.on_event("step")
    def handle(_event: Event) -> None:
        raise ValueError("x" * 5_000)

    [failure] = run(agent, [event("step", "a", data={})], retry=Retry(max_attempts=1)).failures
    assert len(failure.error) == MAX_ERROR_LENGTH
    assert failure.error.endswith(".handle)")


def test_a_validation_error_of_a_handler_repeats_no_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Page.model_validate({"score": SECRET})
    assert SECRET in str(caught.value)
