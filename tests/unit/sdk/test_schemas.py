"""Events that break their contract's schema reach no handler, and nothing of their data is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden import Agent, Decision, Event
from streamwarden.core.routing import Routes
from streamwarden.core.schemas import EventSchema
from streamwarden.runtime.errors import ConfigurationError
from streamwarden.runtime.inputs import InputsFile
from streamwarden.testing import event, run
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import AgentInputs, InputTopic, SourceTopic

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = """{
  "type": "object", "required": ["score"], "additionalProperties": false,
  "properties": {
    "score": {"type": "number", "maximum": 1},
    "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
    "labels": {"additionalProperties": {"type": "string"}},
    "kind": {"enum": ["page", "site"]}
  },
  "$defs": {"tag": {"type": "object", "properties": {"name": {"type": "string"}}}}
}"""
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param({"score": 0.5, "tags": [{"name": "a"}]}, None, id="what-fits"),
        pytest.param({"score": SECRET}, '$.score: type: "number"', id="a-text-for-a-number"),
        pytest.param({"score": 1.5}, "$.score: maximum: 1", id="too-large"),
        pytest.param({}, '$: required: ["score"]', id="a-missing-field"),
        pytest.param({"score": 1, SECRET: 2}, "$: additionalProperties: false", id="a-field-too-much"),
        pytest.param({"score": 1, "labels": {SECRET: 1}}, '$.labels.?: type: "string"', id="names-that-are-data"),
        pytest.param({"score": 1, "tags": [{}, {"name": 1}]}, "$.tags[1].name: type", id="behind-a-reference"),
        pytest.param({"score": 1, "kind": SECRET}, '$.kind: enum: ["page", "site"]', id="none-of-the-words"),
        pytest.param([SECRET], '$: type: "object"', id="a-list-for-an-object"),
    ],
)
def test_a_mismatch_has_its_path_and_what_is_demanded_and_none_of_the_data(data: object, message: str | None) -> None:
    found = EventSchema(SCHEMA).mismatch(data)  # type: ignore[arg-type]  # JSON
    if message is None or found is None:
        assert found == message
    else:
        assert found.startswith(message)
        assert SECRET not in found


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param("{", id="not-json"),
        pytest.param('{"type": "text"}', id="no-schema"),
        pytest.param('{"$ref": "https://example.com/schema"}', id="a-reference-outside"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(definition: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        EventSchema(definition)


def deciding() -> Agent:
    agent = Agent()

    @agent.on_event("page.observed")
    def decide(_event: Event) -> Decision:
        return Decision("block-page")

    return agent


def test_what_breaks_the_contract_is_a_failure_at_once_and_reaches_no_handler() -> None:
    given = [event("page.observed", f"p{n}", data=data) for n, data in enumerate([{"score": 1}, {"score": SECRET}])]
    result = run(deciding(), given, schema=SCHEMA, retry=Retry(max_attempts=5))
    assert [each.entity for each in result.decisions] == ["p0"]
    [failure] = result.failures
    assert (failure.stage, failure.attempts) == ("Decode", 1)
    assert failure.error == 'MalformedEventError: not what the contract promises: $.score: type: "number"'
    assert result.handled[1].source == "/test"


def test_a_tombstone_breaks_no_schema() -> None:
    given = event("page.observed", "p", raw=b"")
    tombstone = type(given)(given.attributes, None, given.key, given.topic)
    assert len(run(deciding(), [tombstone], schema=SCHEMA).decisions) == 1


def routes() -> Routes:
    return Routes(deciding(), [SourceTopic(name="events", topic="test.events")])


def inputs(schema: str) -> str:
    found = AgentInputs(topics={"test.events": InputTopic(schema_sha256="1")}, schemas={"1": schema})
    return found.model_dump_json(by_alias=True, exclude_defaults=True)


def test_a_changed_file_is_taken_over_and_one_that_is_wrong_is_told_once(tmp_path: Path) -> None:
    file, found = InputsFile(tmp_path), routes()
    assert not file.apply(found)
    (tmp_path / "inputs.json").write_text(inputs(SCHEMA))
    assert file.apply(found)
    assert not file.apply(found)
    (tmp_path / "inputs.json").write_text(inputs("{"))
    with pytest.raises(ConfigurationError, match=r"inputs\.json"):
        file.apply(found)
    assert not file.apply(found)
    (tmp_path / "inputs.json").unlink()
    assert file.apply(found)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[]", id="no-object"),
        pytest.param('{"topics": {"t": {"schemaSha256": "2"}}}', id="a-schema-that-is-missing"),
        pytest.param('{"topics": {"t": {"framing": "Avro"}}}', id="an-unknown-frame"),
        pytest.param(b"\xff", id="not-utf-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_of_configuration(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "inputs.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=r"inputs\.json"):
        InputsFile(tmp_path).apply(routes())


def test_what_a_newer_operator_says_besides_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"format": 9, "topics": {"t": {"newer": 1}}}')
    assert InputsFile(tmp_path).apply(routes())
