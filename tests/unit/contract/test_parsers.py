"""Whatever bytes come, each parser reads them or refuses them in its own words; what it has read, it reads again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from streamwarden_contract import canonical, events
from streamwarden_contract.acks import GateAck, decode_ack
from streamwarden_contract.decision import Cause, Decision, Failure, decode_decision, decode_failure
from streamwarden_contract.errors import MalformedEventError, PolicyLogError
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import (
    EpochRecord,
    decode_record,
)
from support.policy_records import BINDING, POLICY, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

CAUSE = Cause(topic="risk.urls", partition=3, offset=42)
ACK = GateAck(
    namespace="risk",
    agent="guard",
    agent_uid="uid-1",
    pod="guard-0",
    state="InForce",
    policies=(PolicyRef(namespace="risk", name="p", revision=17),),
    reported_at_ms=1,
)


@dataclass(frozen=True)
class Parser:
    """Reads bytes; what it gives can be written as bytes again."""

    read: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    sample: bytes


def parser_of(record: Any) -> Parser:
    key = record.key.encode()
    return Parser(lambda raw: decode_record(key, raw), (PolicyLogError,), record.encode())


DECISION = Decision(type="block", entity="page-1", parameters={"a": [1, {"b": None}]}, cause=CAUSE, confidence=0.9)
PARSERS = {
    "a-decision": Parser(lambda raw: decode_decision(raw)[0], (MalformedEventError,), DECISION.encode()),
    "a-failure": Parser(
        decode_failure, (MalformedEventError,), Failure(cause=CAUSE, error="KeyError: 'x'", attempts=2).encode()
    ),
    "a-policy": parser_of(POLICY),
    "a-schema": parser_of(SCHEMA),
    "a-binding": parser_of(BINDING),
    "an-epoch": parser_of(EpochRecord(epoch=3, revision_counter=18)),
    "an-ack": Parser(decode_ack, (MalformedEventError, ValidationError), ACK.encode()),
}

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@st.composite
def damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    """Put other bytes in the place of some."""
    start = draw(st.integers(0, len(raw)))
    return raw[:start] + draw(st.binary(max_size=12)) + raw[start + draw(st.integers(0, 12)) :]


@st.composite
def altered(draw: st.DrawFn, raw: bytes) -> bytes:
    """Change, add or take away one field, at any depth."""
    whole: Any = canonical.decode(raw)
    part = whole
    while True:
        keys: list[Any] = sorted(part) if isinstance(part, dict) else list(range(len(part)))
        key = draw(st.sampled_from(keys)) if keys else "added"
        if keys and isinstance(part[key], dict | list) and part[key] and draw(st.booleans()):
            part = part[key]
            continue
        break
    if isinstance(part, dict) and draw(st.booleans()):
        key = draw(st.text(max_size=8) | st.just(key))
    if keys and key in keys and draw(st.booleans()):
        del part[key]
    elif isinstance(part, dict) or keys:
        part[key] = draw(json_values)
    return canonical.encode(whole)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    raw = data.draw(st.binary(max_size=100) | damaged(parser.sample) | altered(parser.sample))
    try:
        found = parser.read(raw)
    except parser.refusals:
        return
    assert parser.read(found.encode()) == found


@pytest.mark.parametrize("name", PARSERS)
def test_the_samples_are_read(name: str) -> None:
    parser = PARSERS[name]
    assert parser.read(parser.sample).encode() == parser.sample


names = st.sampled_from([name for name, _ in events.CloudEvent(id="1", source="/s", type="t").headers()])
values = st.none() | st.binary(max_size=20) | st.text(max_size=20)
headers = st.lists(st.tuples(names | st.text(max_size=12) | st.text(max_size=6).map("ce_".__add__), values), max_size=8)


@given(added=headers, replaced=headers, strict=st.booleans())
def test_any_headers_are_read_or_refused(added: events.Headers, replaced: events.Headers, *, strict: bool) -> None:
    attributes = dict(events.CloudEvent(id="1", source="/s", type="t").headers()) | dict(replaced)
    try:
        found = events.decode([*attributes.items(), *added], strict=strict)
    except MalformedEventError:
        return
    assert events.decode(found.headers(), strict=True) == found
