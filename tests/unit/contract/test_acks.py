"""What gates report."""

import base64
import json

import pytest
from pydantic import ValidationError
from streamwarden_contract import canonical
from streamwarden_contract.acks import (
    GateAck,
    ReadFormats,
    RefusedEvents,
    RuleErrors,
    SignedEpoch,
    SignedEpochs,
    decode_ack,
    proven_epoch,
)
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import EpochRecord, Record
from streamwarden_contract.signatures import PublicKeys
from support.policy_log import SigningKey, epoch_record
from support.policy_records import POLICY

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
KEY = SigningKey()
TOPIC, CLUSTER = "risk.streamwarden.policies", "cluster-1"


def echo(record: Record | None = None, *, topic: str = TOPIC, cluster_id: str = CLUSTER) -> SignedEpoch:
    """What a gate says of an epoch record that was signed for a topic."""
    _, value, headers = KEY.signed(topic, record or epoch_record(5, revision_counter=9), cluster_id=cluster_id)
    signature = base64.b64encode(dict(headers)["sw-signature"]).decode()
    return SignedEpoch(value=(value or b"").decode(), signature=signature, key_id=KEY.key_id)


def proven(said: SignedEpoch | None) -> EpochRecord | None:
    keys = PublicKeys({KEY.key_id: KEY.private.public_key().public_bytes_raw()})
    return proven_epoch(said, topic=TOPIC, cluster_id=CLUSTER, verifier=keys)


def test_what_is_written_is_read_back() -> None:
    full = ACK.model_copy(update={"formats": ReadFormats(decision=2), "epochs": SignedEpochs(namespace=echo())})
    failing = RuleErrors(policy=ACK.policies[0], rule="confident", at_least=100, message="no such key: x")
    erring = ACK.model_copy(update={"rule_errors": (failing,)})
    assert [decode_ack(ack.encode()) for ack in (ACK, full, erring)] == [ACK, full, erring]
    assert b"ruleErrors" not in ACK.encode()  # of a gate without errors the bytes are those of earlier versions


def test_a_gate_may_say_when_a_rule_erred_last_and_one_of_an_earlier_version_does_not() -> None:
    failing = RuleErrors(policy=ACK.policies[0], rule="confident", at_least=1)
    timed = failing.model_copy(update={"last_error_at_ms": 1_772_000_000_123})
    acks = [ACK.model_copy(update={"rule_errors": (each,)}) for each in (failing, timed)]
    assert [decode_ack(ack.encode()) for ack in acks] == acks
    assert [b'"lastErrorAtMs":1772000000123' in ack.encode() for ack in acks] == [False, True]


def test_what_is_said_of_refused_events_is_read_back_and_left_out_where_there_are_none() -> None:
    found = RefusedEvents(topic="risk.pages", source="/web", at_least=10, reason="SchemaMismatch", message="$.n: type")
    refusing = ACK.model_copy(update={"refused_events": (found,)})
    assert decode_ack(refusing.encode()) == refusing
    assert json.loads(refusing.encode())["refusedEvents"] == [
        {"topic": "risk.pages", "source": "/web", "atLeast": 10, "reason": "SchemaMismatch", "message": "$.n: type"}
    ]
    assert b"refusedEvents" not in ACK.encode()


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
    [{"state": "Happy"}, {"format": 2}, {"namespaceEpoch": -1}, {"formats": {"decision": 0}}, {"epochs": 5}],
    ids=["an-unknown-state", "another-format", "a-negative-epoch", "a-format-of-0", "epochs-that-are-a-number"],
)
def test_what_is_no_ack_is_refused(change: dict[str, object]) -> None:
    raw = canonical.decode(ACK.encode())
    with pytest.raises(ValidationError):
        decode_ack(canonical.encode({**raw, **change}))  # type: ignore[dict-item]  # an object


@pytest.mark.parametrize("kind", ["ruleErrors", "refusedEvents"])
def test_a_count_is_small_enough_that_those_of_many_gates_fit_into_64_bits(kind: str) -> None:
    said: dict[str, dict[str, canonical.JsonValue]] = {
        "ruleErrors": {"policy": {"namespace": "risk", "name": "url-blocking", "revision": 17}, "rule": "confident"},
        "refusedEvents": {"topic": "risk.pages", "reason": "SchemaMismatch"},
    }
    raw = json.loads(ACK.encode())
    largest, larger = (
        canonical.encode({**raw, kind: [{**said[kind], "atLeast": count}] * 16}) for count in (10**15, 10**16)
    )
    assert 10**15 * 16 * 500 < 2**63
    assert decode_ack(largest).encode().count(b'"atLeast":1000000000000000') == 16
    with pytest.raises(ValidationError, match="less than or equal to 1000000000000000"):
        decode_ack(larger)


def test_what_a_newer_gate_says_besides_is_passed_over() -> None:
    raw = canonical.decode(ACK.model_copy(update={"formats": ReadFormats(decision=2)}).encode())
    assert isinstance(raw, dict)
    newer = {**raw, "skipped": [1], "formats": {"decision": 3, "command": 2}}
    ack = decode_ack(canonical.encode(newer))
    assert (ack.reads.decision, ack.reads.policy_log, ack.state) == (3, 1, "InForce")


def test_a_gate_that_does_not_say_reads_format_1() -> None:
    assert ACK.reads == ReadFormats(decision=1, policy_log=1, offset_metadata=1)


def test_an_epoch_is_believed_by_its_signature() -> None:
    assert proven(echo()) == epoch_record(5, revision_counter=9)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(None, id="nothing"),
        pytest.param(echo(topic="other.streamwarden.policies"), id="of-another-topic"),
        pytest.param(echo(cluster_id="cluster-2"), id="of-another-cluster"),
        pytest.param(
            echo().model_copy(update={"value": epoch_record(6, revision_counter=9).encode().decode()}),
            id="a-higher-number-under-the-signature-of-a-lower-one",
        ),
        pytest.param(echo().model_copy(update={"key_id": "another"}), id="of-a-key-that-is-not-known"),
        pytest.param(echo().model_copy(update={"signature": "no base64"}), id="a-signature-that-is-no-base64"),
        pytest.param(echo().model_copy(update={"value": "\ud800"}), id="a-value-that-is-no-text"),
        pytest.param(echo(POLICY), id="another-record-than-an-epoch"),
    ],
)
def test_an_epoch_without_its_signature_is_anybody_s_claim(said: SignedEpoch | None) -> None:
    assert proven(said) is None


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(MalformedEventError):
        decode_ack(b"{")
