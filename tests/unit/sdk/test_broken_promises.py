"""Events that are not what their contract promises: the failure record says whose they are, and what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel
from streamwarden import Agent
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.records import Record
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.core.writing import Author
from streamwarden_contract.decision import decode_failure
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic

if TYPE_CHECKING:
    from streamwarden_contract.decision import DecisionFormat, Failure

SCHEMA = json.dumps({"type": "object", "properties": {"score": {"type": "number"}}})
SHA256 = "ab" * 32
TOPIC = InputTopic(schema_sha256=SHA256, event_type="page.observed")
SOURCE = "/web"


class Page(BaseModel):
    score: float


async def no_wait(_seconds: float) -> None:
    return None


async def given_up(
    value: bytes, *, headers: bool = True, drop: str = "", source: str = SOURCE, reads: DecisionFormat = 2
) -> Failure:
    agent = Agent()

    @agent.on_event("page.observed")
    def handle(_page: Page) -> None:
        raise RuntimeError("no")

    shapes = AgentInputs(topics={"pages": TOPIC}, schemas={SHA256: SCHEMA})
    routes = Routes(agent, [SourceTopic(name="pages", topic="pages")], shapes)
    author = Author("risk", "guard", "uid", None, None)
    retry = Backoff.of(Retry(max_attempts=1))
    dispatcher = Dispatcher(routes, author, retry, concurrency=1, sleep=no_wait, decision_format=lambda: reads)
    event = CloudEvent(id="e1", source=source, type="page.observed")
    given = tuple(each for each in event.headers() if each[0] != drop) if headers else ()
    (handled,) = await dispatcher.handle([Record("pages", 0, 7, 0, b"page-1", value, given)])
    (written,) = handled.outgoing
    return decode_failure(written.value)


@pytest.mark.parametrize(
    ("value", "fault", "source", "error"),
    [
        pytest.param(
            b'{"score": "high"}',
            "SchemaMismatch",
            SOURCE,
            'MalformedEventError: not what the contract promises: $.score: type: "number"',
            id="what-does-not-fit-its-schema",
        ),
        pytest.param(b'{"score":', "MalformedValue", SOURCE, "MalformedEventError: ", id="what-is-not-json"),
        pytest.param(
            b"\0\0\0\0\1{}",
            "MalformedValue",
            None,
            "MalformedEventError: the value begins with a zero byte",
            id="what-has-a-frame-may-be-a-structured-event-of-anybody",
        ),
    ],
)
async def test_an_event_is_told_with_its_source_and_fault(
    value: bytes, fault: str, source: str | None, error: str
) -> None:
    found = await given_up(value)
    assert (found.fault, found.source, found.stage) == (fault, source, "Decode")
    assert found.error.startswith(error)


async def test_plain_json_is_told_by_its_topic() -> None:
    found = await given_up(b'{"score": "high"}', headers=False)
    assert (found.fault, found.source) == ("SchemaMismatch", "/topics/pages")


async def test_a_source_that_cannot_be_read_is_left_out() -> None:
    found = await given_up(b"{}", drop="ce_id")
    assert (found.fault, found.source) == ("MalformedHeaders", None)


@pytest.mark.parametrize(
    ("value", "stage"),
    [
        pytest.param(b"{}", "Decode", id="the-handler-s-model-does-not-take"),
        pytest.param(b'{"score": 1}', "Handle", id="the-handler-fails-on"),
    ],
)
async def test_what_fits_its_contract_is_nobody_s_fault_but_the_agent_s(value: bytes, stage: str) -> None:
    found = await given_up(value)
    assert (found.stage, found.fault, found.source) == (stage, None, None)


async def test_a_gate_that_reads_format_1_is_told_neither() -> None:
    found = await given_up(b'{"score": "high"}', reads=1)
    assert (found.format, found.fault, found.source) == (1, None, None)
    assert sorted(json.loads(found.encode())) == ["attempts", "cause", "error", "stage"]
