"""What an agent writes on its decision topic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import canonical
from streamwarden_contract.decision import (
    Cause,
    Decision,
    Failure,
    ModelRef,
    build,
    decode_decision,
    decode_failure,
)
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason

CAUSE = Cause(topic="risk.urls.observed", partition=3, offset=42)
DECISION = Decision(
    type="block-url",
    entity="page-0001",
    parameters={"minutes": 30, "note": None, "nested": {"a": [1, None]}},
    cause=CAUSE,
    confidence=0.93,
    reasoning="many dashes",
    model=ModelRef(name="forest", version="3"),
    expectedVersion=7,
)
RAW = {
    "type": "block-url",
    "entity": "page-0001",
    "parameters": {},
    "cause": {"topic": "risk.urls.observed", "partition": 3, "offset": 42},
}


def test_what_is_written_is_read_back() -> None:
    decision, value = decode_decision(DECISION.encode())
    assert decision == DECISION
    assert value == canonical.decode(DECISION.encode())


def test_the_wire_format() -> None:
    assert (
        Decision(type="block-url", entity="é", parameters={"b": 1, "a": None}, cause=CAUSE).encode()
        == (
            '{"cause":{"offset":42,"partition":3,"topic":"risk.urls.observed"},"entity":"é",'
            '"parameters":{"a":null,"b":1},"type":"block-url"}'
        ).encode()
    )


def test_the_wire_format_2() -> None:
    cause = Cause(topic="risk.urls", partition=3, offset=42, topicId="T1", digest="a" * 64)
    written = Decision(format=2, type="block-url", entity="é", parameters={}, cause=cause).encode()
    assert (
        written
        == (
            f'{{"cause":{{"digest":"{"a" * 64}","offset":42,"partition":3,"topic":"risk.urls","topicId":"T1"}},'
            '"entity":"é","format":2,"parameters":{},"type":"block-url"}'
        ).encode()
    )
    assert decode_decision(written)[0].cause == cause


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(
    parameters=st.dictionaries(st.text(max_size=4), json_values, max_size=3),
    format=st.sampled_from([1, 2]),
    confidence=st.none() | st.floats(0, 1),
    model=st.sampled_from([None, ModelRef(name="forest", version="3"), ModelRef(name="a", version="1", digest="d")]),
    cause=st.sampled_from([CAUSE, Cause(topic="t", partition=0, offset=1, topicId="T1")]),
)
def test_what_is_set_is_written_as_the_model_says(**fields: object) -> None:
    decision = build(Decision, {"type": "block-url", "entity": "page-0001", **fields})
    said = decision.model_dump(exclude_none=True, exclude={"format"} if fields["format"] == 1 else None)
    assert decision.encode() == canonical.encode(said)


def test_a_cause_may_be_given_as_its_fields() -> None:
    assert build(Decision, {**RAW, "cause": CAUSE}) == build(Decision, RAW)


def test_a_null_parameter_stays_a_parameter() -> None:
    _, value = decode_decision(DECISION.encode())
    assert value["parameters"] == {"minutes": 30, "note": None, "nested": {"a": [1, None]}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"verdict": "Allow"}, "verdict", id="an-unknown-field"),
        pytest.param({"type": "block url"}, "type", id="a-type-with-a-space"),
        pytest.param({"type": "\u0430dmin"}, "type", id="F23-a-type-in-cyrillic"),
        pytest.param({"format": 3}, "format", id="a-newer-format"),
        pytest.param({"cause": {**RAW["cause"], "topicId": ""}}, "cause.topicId", id="an-empty-topic-id"),  # type: ignore[dict-item]  # a dict
        pytest.param({"cause": {**RAW["cause"], "digest": "A" * 64}}, "cause.digest", id="a-digest-in-capitals"),  # type: ignore[dict-item]  # a dict
        pytest.param({"entity": ""}, "entity", id="an-empty-entity"),
        pytest.param({"entity": "x" * 513}, "entity", id="a-long-entity"),
        pytest.param({"entity": 5}, "entity", id="an-entity-that-is-a-number"),
        pytest.param({"parameters": []}, "parameters", id="parameters-that-are-a-list"),
        pytest.param({"parameters": None}, "parameters", id="parameters-that-are-null"),
        pytest.param({"cause": None}, "cause", id="no-cause"),
        pytest.param({"cause": {**RAW["cause"], "key": "x"}}, "cause.key", id="an-unknown-field-of-the-cause"),  # type: ignore[dict-item]  # a dict
        pytest.param({"cause": {**RAW["cause"], "offset": -1}}, "cause.offset", id="a-negative-offset"),  # type: ignore[dict-item]  # a dict
        pytest.param({"cause": {**RAW["cause"], "offset": "42"}}, "cause.offset", id="an-offset-as-text"),  # type: ignore[dict-item]  # a dict
        pytest.param({"confidence": 1.01}, "confidence", id="confidence-above-one"),
        pytest.param({"confidence": True}, "confidence", id="confidence-that-is-a-boolean"),
        pytest.param({"confidence": "0.9"}, "confidence", id="confidence-as-text"),
        pytest.param({"reasoning": "x" * 4_097}, "reasoning", id="long-reasoning"),
        pytest.param({"model": "forest"}, "model", id="a-model-that-is-a-name"),
        pytest.param({"expectedVersion": 1.5}, "expectedVersion", id="a-broken-version"),
    ],
)
def test_refused_as_malformed(change: dict[str, object], field: str) -> None:
    with pytest.raises(MalformedEventError) as caught:
        decode_decision(canonical.encode({**RAW, **change}))
    assert caught.value.reason is DeadLetterReason.MALFORMED_DECISION
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize("value", [b"[]", b"null", b'"x"', b"5"], ids=["a-list", "null", "a-string", "a-number"])
def test_a_value_that_is_no_object_is_no_decision(value: bytes) -> None:
    with pytest.raises(MalformedEventError) as caught:
        decode_decision(value)
    assert caught.value.reason is DeadLetterReason.MALFORMED_DECISION


def test_a_value_that_is_no_json_has_a_reason_of_its_own() -> None:
    with pytest.raises(MalformedEventError) as caught:
        decode_decision(b'{"type":"a","type":"b"}')
    assert caught.value.reason is DeadLetterReason.MALFORMED_VALUE


def test_a_whole_number_is_a_confidence_too() -> None:
    decision, _ = decode_decision(canonical.encode({**RAW, "confidence": 1}))
    assert decision.confidence == 1.0


def test_a_failure_is_read_back_and_names_no_bytes_of_the_input() -> None:
    failure = Failure(cause=CAUSE, error="ValueError: boom", attempts=5, stage="Decode")
    assert decode_failure(failure.encode()) == failure
    # Of the input it has its place, and its producer's name.
    assert set(Failure.model_fields) == {"format", "cause", "error", "attempts", "stage", "fault", "source"}


def test_a_failure_says_whose_event_it_was_and_what_was_wrong_with_it() -> None:
    failure = Failure(format=2, cause=CAUSE, error="e", attempts=1, stage="Decode", fault="SchemaMismatch", source="/w")
    assert decode_failure(failure.encode()) == failure
    assert failure.encode() == (
        b'{"attempts":1,"cause":{"offset":42,"partition":3,"topic":"risk.urls.observed"},"error":"e",'
        b'"fault":"SchemaMismatch","format":2,"source":"/w","stage":"Decode"}'
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"fault": "TooLarge"}, id="a-fault-that-no-event-has"),
        pytest.param({"source": "s" * 513}, id="a-source-that-is-too-long"),
        pytest.param({"source": 5}, id="a-source-that-is-a-number"),
    ],
)
def test_a_failure_with_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    raw = canonical.decode(Failure(cause=CAUSE, error="e", attempts=1).encode())
    assert isinstance(raw, dict)
    with pytest.raises(MalformedEventError, match=next(iter(change))):
        decode_failure(canonical.encode({**raw, **change}))


def test_a_failure_with_another_field_is_refused() -> None:
    with pytest.raises(MalformedEventError, match="value: "):
        decode_failure(b'{"attempts":1,"cause":{"offset":1,"partition":0,"topic":"t"},"error":"e","value":"x"}')
