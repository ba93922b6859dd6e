"""Input records as events, in whichever of the ways that producers write them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel
from streamwarden import Agent, Event
from streamwarden.core.reading import read_event
from streamwarden.core.records import Record
from streamwarden.core.routing import Call, Routes
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.events import CloudEvent
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic

if TYPE_CHECKING:
    from streamwarden_contract.events import Headers

BINARY = tuple(CloudEvent(id="1", source="/web", type="page.observed", subject="p").headers())
PLAIN = InputTopic()
FRAMED = InputTopic(framing="Confluent")
CLOUD = {"specversion": "1.0", "id": "1", "source": "/web", "type": "page.observed"}
STRUCTURED: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


def record(value: bytes | None, headers: Headers = ()) -> Record:
    return Record("risk.pages", 2, 7, 0, b"p", value, headers)


def structured(**members: object) -> Record:
    return record(json.dumps(CLOUD | members).encode(), STRUCTURED)


def test_x26_plain_json_is_an_event_of_its_place() -> None:
    found = read_event(record(b'{"score": 1}', [("content-type", b"application/json"), ("x-trace", b"1")]), PLAIN)
    assert found.attributes == CloudEvent(id="risk.pages/2/7", source="/topics/risk.pages", type="risk.pages")
    assert found.value == b'{"score": 1}'


def test_x26_the_contract_says_the_type_of_plain_json() -> None:
    shape = InputTopic(event_type="page.observed")
    assert read_event(record(b"{}"), shape).attributes.type == "page.observed"
    assert read_event(record(b"{}", CloudEvent(id="1", source="/web", type="other").headers()), shape).attributes == (
        CloudEvent(id="1", source="/web", type="other")
    )


@pytest.mark.parametrize(
    ("members", "attributes", "value"),
    [
        pytest.param({"data": {"b": 1, "a": None}}, {}, b'{"a":null,"b":1}', id="X26-data-as-json"),
        pytest.param({"data": "text"}, {}, b'"text"', id="X26-data-as-text"),
        pytest.param({"data_base64": base64.b64encode(b'{"a":1}').decode()}, {}, b'{"a":1}', id="X26-data-in-base64"),
        pytest.param({}, {}, None, id="X26-no-data"),
        pytest.param({"subject": "p", "hops": 3}, {"subject": "p", "hops": 3}, None, id="X26-a-number"),
        pytest.param({"subject": None, "extension": True}, {}, None, id="X26-null-is-not-set"),
    ],
)
def test_x26_structured_mode_is_read(
    members: dict[str, object], attributes: dict[str, object], value: bytes | None
) -> None:
    found = read_event(structured(**members), PLAIN)
    assert found.attributes == CloudEvent(id="1", source="/web", type="page.observed", **attributes)  # type: ignore[arg-type]  # as the case says
    assert (found.value, found.dropped) == (value, frozenset())


def test_x26_a_structured_event_loses_only_the_optional_attributes_that_are_wrong() -> None:
    found = read_event(structured(time="yesterday", subject=["a"], hops=True), PLAIN)
    assert found.attributes == CloudEvent(id="1", source="/web", type="page.observed")
    assert found.dropped == {"time", "subject", "hops"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(structured(id=None), "missing ce_id", id="X26-structured-without-an-id"),
        pytest.param(structured(id={}), "ce_id has no value", id="X26-structured-with-an-object-as-id"),
        pytest.param(structured(data=1, data_base64="e30="), "has data or data_base64", id="X26-data-twice"),
        pytest.param(structured(data_base64="{"), "data_base64 is not Base64", id="X26-broken-base64"),
        pytest.param(record(b"[]", STRUCTURED), "is a JSON object", id="X26-structured-and-no-object"),
        pytest.param(record(b'{"id":1,"id":2}', STRUCTURED), "repeats a key", id="X26-structured-with-a-key-twice"),
        pytest.param(
            record(b"[]", [("content-type", b"application/cloudevents-batch+json")]),
            "only application/cloudevents\\+json is read",
            id="X26-a-batch",
        ),
        pytest.param(record(b"{}", [("\ufffd", None)]), "name of a header is not UTF-8", id="X06-unreadable-headers"),
        pytest.param(record(b"{}", BINARY[:3]), "missing ce_source", id="X26-half-a-cloudevent-is-none"),
    ],
)
def test_x26_what_is_no_event_is_refused(given: Record, message: str) -> None:
    with pytest.raises(MalformedEventError, match=message):
        read_event(given, PLAIN)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        pytest.param(b"\0\0\0\0\x07{}", b"{}", id="X26-framed"),
        pytest.param(b"\0\0\0\0\x07", b"", id="X26-nothing-in-the-frame"),
        pytest.param(None, None, id="X26-a-tombstone-has-no-frame"),
    ],
)
def test_x26_a_serialisers_frame_is_taken_off_where_the_contract_says_so(
    value: bytes | None, read: bytes | None
) -> None:
    assert read_event(record(value, BINARY), FRAMED).value == read


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        pytest.param(b"\0\0\0\0\x07{}", PLAIN, "say so: framing", id="X26-a-frame-that-nobody-promised"),
        pytest.param(b"{}", FRAMED, "as the contract's framing says", id="X26-a-frame-that-is-missing"),
        pytest.param(b"\0\0\0", FRAMED, "as the contract's framing says", id="X26-half-a-frame"),
    ],
)
def test_x26_frames_are_as_the_contract_says(value: bytes, shape: InputTopic, message: str) -> None:
    with pytest.raises(MalformedEventError, match=message) as caught:
        read_event(record(value, BINARY), shape)
    assert caught.value.reason is DeadLetterReason.MALFORMED_VALUE


class Page(BaseModel):
    score: float


def only_pages(_page: Page) -> None: ...
def pages_or_nothing(_page: Page | None) -> None: ...
def objects_or_nothing(_data: dict[str, object] | None, _event: Event) -> None: ...
def events(_event: Event) -> None: ...


def called(handler: object, value: bytes | None, headers: Headers = BINARY) -> Call | None:
    agent = Agent()
    agent.on_event("page.observed")(handler)  # type: ignore[type-var]  # one of those above
    inputs = AgentInputs(topics={"risk.pages": InputTopic(event_type="page.observed")})
    routes = Routes(agent, [SourceTopic(name="pages", topic="risk.pages")], inputs)
    return routes.prepare(record(value, headers), replay=False)


@pytest.mark.parametrize("headers", [pytest.param(BINARY, id="binary"), pytest.param((), id="without-headers")])
def test_x26_a_tombstone_goes_to_handlers_that_ask_for_it_and_is_passed_over_by_others(headers: Headers) -> None:
    assert called(only_pages, None, headers) is None
    for handler in (pages_or_nothing, objects_or_nothing):
        call = called(handler, None, headers)
        assert call is not None
        assert call.arguments[0] is None
    call = called(events, None, headers)
    assert call is not None
    assert (call.event.data, call.event.entity) == (None, "p")


def test_x26_null_is_data_and_nothing_only_where_the_handler_takes_nothing() -> None:
    call = called(pages_or_nothing, b"null")
    assert call is not None
    assert call.arguments == (None,)
    with pytest.raises(MalformedEventError, match="Page"):
        called(only_pages, b"null")
    with pytest.raises(MalformedEventError, match="not a JSON object"):
        called(objects_or_nothing, b"1")


def test_x26_a_handler_that_takes_nothing_is_given_its_model_where_there_is_data() -> None:
    call = called(pages_or_nothing, b'{"score": 1}')
    assert call is not None
    assert call.arguments == (Page(score=1),)
