"""What gates report."""

import json

import pytest
from pydantic import ValidationError
from streamwarden_contract import canonical
from streamwarden_contract.acks import GateAck, decode_ack
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.models.policy import PolicyRef

ACK = GateAck(
    namespace="risk",
    agent="url-guard",
    agent_uid="uid-1",
    pod="url-guard-0",
    state="InForce",
    namespace_epoch=5,
    guardrail_epoch=1,
    policies=(PolicyRef(namespace="risk", name="url-blocking", revision=17),),
    reported_at_ms=1_769_860_800_000,
)


def test_what_is_written_is_read_back() -> None:
    assert decode_ack(ACK.encode()) == ACK


def test_the_key_names_the_agent_and_its_pod() -> None:
    assert ACK.key == b"url-guard/url-guard-0"


def test_the_wire_format_is_in_camel_case() -> None:
    assert sorted(json.loads(ACK.encode())) == [
        "agent",
        "agentUid",
        "format",
        "guardrailEpoch",
        "message",
        "namespace",
        "namespaceEpoch",
        "pod",
        "policies",
        "reason",
        "reportedAtMs",
        "state",
    ]


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"state": "Happy"}, {"format": 2}, {"namespaceEpoch": -1}],
    ids=["an-unknown-field", "an-unknown-state", "another-format", "a-negative-epoch"],
)
def test_what_is_no_ack_is_refused(change: dict[str, object]) -> None:
    raw = canonical.decode(ACK.encode())
    with pytest.raises(ValidationError):
        decode_ack(canonical.encode({**raw, **change}))  # type: ignore[dict-item]  # an object


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(MalformedEventError):
        decode_ack(b"{")
