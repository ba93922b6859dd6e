"""From decisions to records: whole or not at all, and a failure always becomes one."""

from __future__ import annotations

import enum
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest
from pydantic import BaseModel, ValidationError
from streamwarden import Decision, DecisionRefusedError, Event
from streamwarden.core.records import Record
from streamwarden.core.writing import Author, build_failure, describe_error, write_decisions, write_failure
from streamwarden_contract.decision import MAX_ERROR_LENGTH, MAX_RECORD_BYTES, Cause, Failure, decode_failure
from streamwarden_contract.events import CloudEvent, decode
from streamwarden_contract.ids import decision_id, sha256_hex
from streamwarden_contract.models.agent_deployment import Model
from streamwarden_contract.runtime_config import AgentConfig, SourceTopic

AUTHOR = Author("risk", "guard", "uid", frozenset({"go"}), None)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Colour(enum.StrEnum):
    RED = "red"


class Old(str, enum.Enum):  # noqa: UP042  # agents have them, and their str() is another text
    RED = "red"


def seen(**attributes: object) -> Event:
    given: dict[str, object] = {
        "id": "e1",
        "source": "/web",
        "type": "page.observed",
        "subject": "page-1",
        "data": {},
        "topic": "pages",
        "partition": 2,
        "offset": 7,
        "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "key": b"key",
    }
    return Event(**given | attributes)  # type: ignore[arg-type]  # as the test says


def unreadable(key: bytes | None) -> Record:
    return Record("pages", 2, 7, 0, key, b"{", ())


def failure(error: str = "why") -> Failure:
    return build_failure(AUTHOR, unreadable(None), error=error, attempts=3, stage="Handle")


def test_a_decision_says_who_decides_upon_what_and_whence_it_came() -> None:
    event = seen(correlationid="first", hops=4, traceparent=PARENT)
    (built,), (record,) = write_decisions(AUTHOR, event, [Decision("go", parameters={"n": 1})])
    assert built.cause == Cause(topic="pages", partition=2, offset=7)
    assert (record.key, record.value) == (b"page-1", built.encode())
    attributes = decode(record.headers, strict=True)
    assert (attributes.source, attributes.subject) == ("/streamwarden/risk/guard", "page-1")
    assert (attributes.correlationid, attributes.causationid, attributes.hops) == ("first", "e1", 5)
    assert (attributes.id, attributes.traceparent) == (decision_id("uid", "pages", 2, 7, 0), PARENT)


def test_a_gate_that_reads_format_2_is_told_which_topic_and_which_bytes_are_answered() -> None:
    event = seen(topic_id="T1", digest="ab" * 32)
    (built,), (record,) = write_decisions(replace(AUTHOR, decision_format=2), event, [Decision("go")])
    assert json.loads(record.value)["format"] == 2
    assert built.cause == Cause(topic="pages", partition=2, offset=7, topicId="T1", digest="ab" * 32)
    (_,), (older,) = write_decisions(AUTHOR, event, [Decision("go")])
    assert older.value == (
        b'{"cause":{"offset":7,"partition":2,"topic":"pages"},"entity":"page-1","parameters":{},"type":"go"}'
    )


def test_a_failure_in_format_2_says_which_topic_and_which_bytes_were_given_up() -> None:
    given = replace(unreadable(None), topic_id="T1")
    author = replace(AUTHOR, decision_format=2)
    built = build_failure(author, given, error="why", attempts=3, stage="Decode")
    cause = {"offset": 7, "partition": 2, "topic": "pages", "topicId": "T1", "digest": sha256_hex(b"{")}
    assert json.loads(built.encode()) == {"attempts": 3, "cause": cause, "error": "why", "format": 2, "stage": "Decode"}
    tombstone = build_failure(author, replace(given, value=None), error="why", attempts=1, stage="Decode")
    assert tombstone.cause.digest is None


@pytest.mark.parametrize("decision_format", [1, 2])
@pytest.mark.parametrize(
    ("before", "after", "ids"),
    [
        pytest.param("T1", "T1", 1, id="a-repetition-has-the-same-id"),
        pytest.param("T1", "T2", 2, id="X20-a-topic-that-was-made-again-gives-other-ids"),
        pytest.param("", "", 1, id="without-a-topic-id-the-name-counts"),
    ],
)
def test_ids_follow_from_the_topic_s_id(before: str, after: str, ids: int, decision_format: Literal[1, 2]) -> None:
    author = replace(AUTHOR, decision_format=decision_format)
    decided, given_up = set[str](), set[str]()
    for topic_id in (before, after):
        _, (record,) = write_decisions(author, seen(topic_id=topic_id), [Decision("go")])
        decided.add(decode(record.headers, strict=True).id)
        written = write_failure(author, replace(unreadable(b"k"), topic_id=topic_id), None, failure())
        given_up.add(decode(written.headers, strict=True).id)
    assert (len(decided), len(given_up)) == (ids, ids)


def test_each_of_several_decisions_has_an_id_of_its_own() -> None:
    _, records = write_decisions(AUTHOR, seen(), [Decision("go"), Decision("go", entity="other")])
    assert [record.key for record in records] == [b"page-1", b"other"]
    assert [decode(record.headers, strict=True).id for record in records] == [
        decision_id("uid", "pages", 2, 7, ordinal) for ordinal in (0, 1)
    ]


def test_of_several_decisions_one_that_is_refused_refuses_all() -> None:
    with pytest.raises(DecisionRefusedError, match="'stop' is not declared"):
        write_decisions(AUTHOR, seen(), [Decision("go"), Decision("stop")])


@pytest.mark.parametrize("key", [Colour.RED, Old.RED], ids=repr)
def test_an_enum_of_texts_is_a_text_as_key_and_as_value_at_any_depth(key: str) -> None:
    decision = Decision("go", parameters={key: key, "in": {key: [key]}})
    _, (record,) = write_decisions(AUTHOR, seen(), [decision])
    assert json.loads(record.value)["parameters"] == {"red": "red", "in": {"red": ["red"]}}


@pytest.mark.parametrize(
    ("event", "entity"),
    [
        pytest.param(seen(), "page-1", id="the-subject"),
        pytest.param(seen(subject=None), "key", id="else-the-key"),
    ],
)
def test_a_decision_is_about_what_its_event_is_about(event: Event, entity: str) -> None:
    (built,), _ = write_decisions(AUTHOR, event, [Decision("go")])
    assert built.entity == entity


@pytest.mark.parametrize("key", [None, b"", b"\xff"], ids=repr)
def test_a_decision_about_nothing_is_refused(key: bytes | None) -> None:
    with pytest.raises(DecisionRefusedError, match="names no entity"):
        write_decisions(AUTHOR, seen(subject=None, key=key), [Decision("go")])


def test_an_event_at_the_last_hop_has_no_decisions() -> None:
    with pytest.raises(DecisionRefusedError, match="ce_hops"):
        write_decisions(AUTHOR, seen(hops=1_000), [Decision("go")])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(b"page-1", b"page-1", id="its-key"),
        pytest.param(None, b"failure", id="no-key"),
        pytest.param(b"\xff", b"failure", id="a-key-that-is-no-text"),
        pytest.param(b"k" * MAX_RECORD_BYTES, b"failure", id="a-key-that-no-record-has-room-for"),
    ],
)
def test_a_failure_has_a_key_whatever_its_record_has(key: bytes | None, expected: bytes) -> None:
    record = write_failure(AUTHOR, unreadable(key), None, failure())
    assert (record.key, decode_failure(record.value)) == (expected, failure())
    assert record.size <= MAX_RECORD_BYTES
    attributes = decode(record.headers, strict=True)
    assert (attributes.hops, attributes.causationid, attributes.correlationid) == (0, None, None)
    assert attributes.subject == (expected.decode() if expected != b"failure" else None)


def test_a_failure_carries_on_what_can_be_read_of_its_event() -> None:
    attributes = CloudEvent(id="e1", source="/web", type="page.observed", subject="page-1", hops=1_000)
    written = decode(write_failure(AUTHOR, unreadable(b"k"), attributes, failure()).headers, strict=True)
    assert (written.subject, written.correlationid, written.causationid) == ("page-1", "e1", "e1")
    assert written.hops == 1_000


def test_a_failure_names_its_record_and_keeps_the_beginning_of_a_long_error() -> None:
    built = failure("x" * (MAX_ERROR_LENGTH + 1) + "\ud800")
    assert built.error == "x" * MAX_ERROR_LENGTH
    assert (built.cause, built.attempts, built.stage) == (Cause(topic="pages", partition=2, offset=7), 3, "Handle")
    assert failure("\ud800").error == "?"


class Page(BaseModel):
    score: float


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Page.model_validate({"score": "hunter2"})
    return caught.value


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(ValueError("no"), "ValueError: no", id="type-and-message"),
        pytest.param(KeyError(), "KeyError", id="no-message"),
        pytest.param(invalid(), "ValidationError: Page: ?: must be a number", id="a-model's-without-the-input"),
    ],
)
def test_an_error_is_described(error: BaseException, text: str) -> None:
    assert describe_error(error) == text


def test_the_author_is_read_from_the_agents_configuration() -> None:
    config = AgentConfig(
        namespace="risk",
        agent="guard",
        uid="uid",
        entrypoint="a:b",
        decision_topic="t",
        sources=(SourceTopic(name="pages", topic="pages"),),
        decision_types=("go",),
        model=Model(name="forest", version="3"),
    )
    author = Author.of(config)
    assert (author.source, author.decision_types) == ("/streamwarden/risk/guard", frozenset({"go"}))
    (built,), _ = write_decisions(author, seen(), [Decision("go")])
    assert built.model is not None
    assert (built.model.name, built.model.version) == ("forest", "3")
