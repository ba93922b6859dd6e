"""Records of the signed policy log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import canonical, policylog
from streamwarden_contract.errors import PolicyLogError
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.policylog import (
    BindingRecord,
    BoundPolicyRef,
    CommandTarget,
    EpochRecord,
    IndexRecord,
    NamedBindingRecord,
    PolicyVersion,
    Record,
    SkipRange,
    close_epoch,
    format_needed,
    newer_fields,
    with_format,
)
from support.policy_records import BINDING, POLICY, SCHEMA, SPEC

EPOCH = EpochRecord(epoch=3, revision_counter=18)
INDEX = IndexRecord(
    epoch=3,
    revision=19,
    policies={POLICY.name: PolicyVersion(revision=POLICY.revision, digest=POLICY.digest)},
    bindings={BINDING.agent: BINDING.revision},
)
BY_NAME = BINDING.model_copy(update={"format": 3})
RECORDS = [
    pytest.param(POLICY, "policy/url-blocking", id="a-policy"),
    pytest.param(SCHEMA, "schema/" + "a" * 64, id="a-schema"),
    pytest.param(BINDING, "binding/url-guard", id="a-binding"),
    pytest.param(
        BINDING.model_copy(update={"not_applicable": {"block-url": ("url-blocking",)}}),
        "binding/url-guard",
        id="a-binding-with-a-policy-that-is-not-applicable",
    ),
    pytest.param(EPOCH, "epoch", id="an-epoch"),
    pytest.param(INDEX, "index", id="an-index"),
    pytest.param(BY_NAME.as_written, "binding/url-guard", id="a-binding-that-names-its-policies"),
    pytest.param(close_epoch(3, 19, INDEX), "epoch", id="an-epoch-with-an-index"),
]
parts = st.fixed_dictionaries(
    {
        "cluster_id": st.text(max_size=6),
        "topic": st.text(max_size=6),
        "key": st.binary(max_size=6),
        "value": st.binary(max_size=6),
    }
)


@pytest.mark.parametrize(("record", "key"), RECORDS)
def test_what_is_written_is_read_back(record: Record, key: str) -> None:
    assert record.key == key
    assert policylog.decode_record(key.encode(), record.encode()) == record


def test_a_binding_without_policies_that_are_not_applicable_says_nothing_of_them() -> None:
    assert b"not_applicable" not in BINDING.encode()
    marked = BINDING.model_copy(update={"not_applicable": {"block-url": ("url-blocking",)}})
    assert json.loads(marked.encode())["not_applicable"] == {"block-url": ["url-blocking"]}


def test_a_binding_that_names_no_policy_as_not_applicable_is_refused() -> None:
    raw = {**json.loads(BINDING.encode()), "not_applicable": {"block-url": []}}
    with pytest.raises(PolicyLogError, match=r"^binding/url-guard: not_applicable\.block-url: "):
        policylog.decode_record(b"binding/url-guard", canonical.encode(raw))


@pytest.mark.parametrize(("record", "key"), RECORDS)
def test_an_unknown_field_is_refused(record: Record, key: str) -> None:
    raw = canonical.decode(record.encode())
    with pytest.raises(PolicyLogError, match="shadow"):
        policylog.decode_record(key.encode(), canonical.encode({**raw, "shadow": True}))  # type: ignore[dict-item]  # an object


@pytest.mark.parametrize(("record", "key"), RECORDS)
@pytest.mark.parametrize(
    ("field", "value"),
    [("format", 4), ("format", "1"), ("epoch", 0), ("epoch", "3"), ("epoch", True)],
)
def test_another_format_or_epoch_is_refused(record: Record, key: str, field: str, value: object) -> None:
    raw = canonical.decode(record.encode())
    with pytest.raises(PolicyLogError, match=f"{field}: "):
        policylog.decode_record(key.encode(), canonical.encode({**raw, field: value}))  # type: ignore[dict-item]  # an object


@pytest.mark.parametrize(
    ("record", "newest"),
    [
        pytest.param(BINDING, 3, id="a-binding"),
        pytest.param(POLICY, 2, id="a-policy"),
        pytest.param(EPOCH, 3, id="an-epoch"),
    ],
)
def test_of_a_record_of_a_later_version_its_format_is_told_and_no_strange_field(record: Record, newest: int) -> None:
    raw = canonical.decode(record.encode())
    later = canonical.encode({"a": [], **raw, "format": 4})  # type: ignore[dict-item]  # an object
    with pytest.raises(PolicyLogError) as refused:
        policylog.decode_record(record.key.encode(), later)
    assert str(refused.value) == (f"{record.key}: format: 4 is later than {newest}, the newest that is read here")


def test_a_binding_by_name_has_no_revision_in_its_bytes_and_gets_it_from_the_index() -> None:
    raw = json.loads(BY_NAME.encode())
    assert (raw["format"], raw["policies"]) == (3, [{"name": "url-blocking", "namespace": "risk"}])
    read = policylog.decode_record(b"binding/url-guard", BY_NAME.encode())
    assert isinstance(read, NamedBindingRecord)
    assert read.resolved(INDEX) == BY_NAME
    assert isinstance(read.resolved(INDEX), BindingRecord)
    edited = PolicyVersion(revision=20, digest="b" * 64)
    [ref] = read.resolved(INDEX.model_copy(update={"policies": {POLICY.name: edited}})).policies
    assert (ref.namespace, ref.name, ref.revision, ref.digest) == ("risk", "url-blocking", 20, "b" * 64)


@pytest.mark.parametrize(
    "index", [None, INDEX.model_copy(update={"policies": {}})], ids=["no-index", "not-in-the-index"]
)
def test_a_policy_that_no_index_has_resolves_to_nothing(index: IndexRecord | None) -> None:
    read = policylog.decode_record(b"binding/url-guard", BY_NAME.encode())
    assert isinstance(read, NamedBindingRecord)
    with pytest.raises(PolicyLogError, match="index has no policy url-blocking"):
        read.resolved(index)


@pytest.mark.parametrize(
    "bindings", [pytest.param({}, id="of-none"), pytest.param({BINDING.agent: 20}, id="of-a-later-one")]
)
@pytest.mark.parametrize("policies", [BINDING.policies, ()], ids=["with-policies", "without"])
def test_a_binding_that_the_index_does_not_know_resolves_to_nothing(
    bindings: dict[str, int], policies: tuple[BoundPolicyRef, ...]
) -> None:
    named = BY_NAME.model_copy(update={"policies": policies})
    read = policylog.decode_record(b"binding/url-guard", named.encode())
    assert isinstance(read, NamedBindingRecord)
    assert read.resolved(INDEX) == named
    with pytest.raises(PolicyLogError, match="index has not its revision 18"):
        read.resolved(INDEX.model_copy(update={"bindings": bindings}))


def test_a_binding_with_revisions_that_says_format_3_is_refused() -> None:
    raw = {**json.loads(BINDING.encode()), "format": 3}
    with pytest.raises(PolicyLogError, match=r"^binding/url-guard: policies\.0\."):
        policylog.decode_record(b"binding/url-guard", canonical.encode(raw))


SKIP = SkipRange(topic_id="t-1", partition=0, from_offset=1, to_offset=2, reason="broken", requested_by="ada")
SHORT = CommandTarget(topic="risk.urls.commands", keyed=True, expires_after_ms=5_000)
PARAMS = POLICY.model_copy(update={"spec": SPEC.model_copy(update={"params": {"most": 3}})})


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(POLICY, (), id="a-policy"),
        pytest.param(PARAMS, ("params",), id="a-policy-with-data"),
        pytest.param(SCHEMA, (), id="a-schema"),
        pytest.param(EPOCH, (), id="an-epoch"),
        pytest.param(BINDING, (), id="a-binding"),
        pytest.param(
            BINDING.model_copy(update={"not_applicable": {"block-url": ("url-blocking",)}}),
            ("not_applicable",),
            id="a-binding-with-a-policy-that-is-not-applicable",
        ),
        pytest.param(
            BINDING.model_copy(update={"decisions": {"block-url": SHORT}, "skips": (SKIP,)}),
            ("expires_after_ms", "skips"),
            id="a-binding-with-what-to-skip-and-an-expiry-of-its-own",
        ),
    ],
)
def test_a_record_is_of_the_second_format_for_what_the_first_has_no_fields_for(
    record: Record, expected: tuple[str, ...]
) -> None:
    assert (newer_fields(record), format_needed(record)) == (expected, 2 if expected else 1)


def test_a_record_that_says_nothing_new_is_written_as_ever() -> None:
    assert with_format(POLICY.model_copy(update={"format": 2})).encode() == POLICY.encode()
    assert with_format(BINDING.model_copy(update={"format": 2})).encode() == BINDING.encode()
    assert (json.loads(POLICY.encode())["format"], json.loads(BINDING.encode())["format"]) == (1, 1)


def test_a_record_of_the_second_format_says_so_and_one_that_does_not_is_read_all_the_same() -> None:
    assert json.loads(with_format(PARAMS).encode())["format"] == 2
    assert policylog.decode_record(b"policy/url-blocking", with_format(PARAMS).encode()) == with_format(PARAMS)
    assert policylog.decode_record(b"policy/url-blocking", PARAMS.encode()) == PARAMS


@pytest.mark.parametrize(("key", "record"), [("schema/" + "a" * 64, SCHEMA), ("epoch", EPOCH)])
def test_schemas_and_epochs_have_the_first_format_alone(key: str, record: Record) -> None:
    raw = canonical.decode(record.encode())
    with pytest.raises(PolicyLogError, match="format: "):
        policylog.decode_record(key.encode(), canonical.encode({**raw, "format": 2}))  # type: ignore[dict-item]  # an object


@pytest.mark.parametrize(
    ("record", "key"),
    [
        pytest.param(POLICY, "policy/another", id="a-policy-under-another-name"),
        pytest.param(SCHEMA, "schema/" + "b" * 64, id="a-schema-under-another-hash"),
        pytest.param(BINDING, "binding/another", id="a-binding-under-another-agent"),
    ],
)
def test_a_record_under_another_key_is_refused(record: Record, key: str) -> None:
    with pytest.raises(PolicyLogError, match=f"^{key}: the record says that it is {record.key}$"):
        policylog.decode_record(key.encode(), record.encode())


@pytest.mark.parametrize("key", [b"", b"policies/x", b"epoch/x", b"\xff", b"Policy/x"])
def test_an_unknown_key_is_refused(key: bytes) -> None:
    with pytest.raises(PolicyLogError, match="unknown key"):
        policylog.decode_record(key, EPOCH.encode())


@pytest.mark.parametrize(
    "value",
    [b"", b"[]", b'{"epoch":3,"epoch":4,"format":1,"revision_counter":18}', b"\xff", b"[" * 9_999],
    ids=["nothing", "a-list", "a-repeated-key", "broken-utf8", "F56-deep"],
)
def test_strange_json_is_refused(value: bytes) -> None:
    with pytest.raises(PolicyLogError, match=r"^epoch: "):
        policylog.decode_record(b"epoch", value)


def test_an_unknown_field_deep_inside_is_refused() -> None:
    raw = canonical.decode(POLICY.encode())
    raw["spec"]["rules"][0]["onError"] = "Allow"  # type: ignore[index,call-overload]  # an object
    with pytest.raises(PolicyLogError, match=r"^policy/url-blocking: spec\.rules\.0\.onError: "):
        policylog.decode_record(b"policy/url-blocking", canonical.encode(raw))


def test_what_is_to_be_skipped_is_in_the_bytes_only_where_there_is_something() -> None:
    skip = policylog.SkipRange(
        topic_id="an-id", partition=0, from_offset=7, to_offset=9, reason="broken", requested_by="ada"
    )
    asking = BINDING.model_copy(update={"skips": (skip,)})
    assert policylog.decode_record(b"binding/url-guard", asking.encode()) == asking
    assert b"skips" not in BINDING.encode(), "a gate that does not know the field would refuse it"
    assert skip.digest == sha256_hex(
        b'{"from_offset":7,"partition":0,"reason":"broken","requested_by":"ada","to_offset":9,"topic_id":"an-id"}'
    )


def test_an_incomplete_binding_is_refused() -> None:
    for field in ("agent_uid", "policies", "decisions", "decision_topic", "audit_topic", "audit_topic_id", "labels"):
        raw: dict[str, object] = json.loads(BINDING.encode())
        del raw[field]
        with pytest.raises(PolicyLogError, match=f"^binding/url-guard: {field}: "):
            policylog.decode_record(b"binding/url-guard", canonical.encode(raw))


@given(one=parts, other=parts)
def test_two_things_to_sign_are_never_the_same_bytes(one: dict[str, object], other: dict[str, object]) -> None:
    same = policylog.signed_message(**one) == policylog.signed_message(**other)  # type: ignore[arg-type]  # as the strategy says
    assert same == (one == other)


def test_what_is_signed_is_cut_at_known_lengths() -> None:
    assert policylog.signed_message(cluster_id="c", topic="t", key=b"k", value=b"v") == (
        b"streamwarden.policy-log.1\n\0\0\0\1c\0\0\0\1t\0\0\0\1k\0\0\0\1v"
    )
    assert policylog.signed_message(cluster_id="ct", topic="", key=b"k", value=b"v") != policylog.signed_message(
        cluster_id="c", topic="t", key=b"k", value=b"v"
    )


def test_the_digest_follows_the_content_and_nothing_else() -> None:
    assert policylog.spec_digest(SPEC) == policylog.spec_digest(
        PolicySpec.model_validate(SPEC.model_dump(by_alias=True))
    )
    assert policylog.spec_digest(SPEC) != policylog.spec_digest(SPEC.model_copy(update={"failure_action": "Audit"}))
    assert policylog.spec_digest(PolicySpec()) == "e7a49ea83ce064297a370a950d32d4b17209e4f151883811b5f543bf20e9bca0"


def test_data_beside_the_rules_is_signed_with_them_and_left_out_where_there_is_none() -> None:
    with_data = SPEC.model_copy(update={"params": {"limits": {"EUR": 5}}})
    record = POLICY.model_copy(update={"spec": with_data, "digest": policylog.spec_digest(with_data)})
    assert json.loads(record.encode())["spec"]["params"] == {"limits": {"EUR": 5}}
    assert policylog.decode_record(record.key.encode(), record.encode()) == record
    assert b"params" not in POLICY.encode()
    other = with_data.model_copy(update={"params": {"limits": {"EUR": 6}}})
    assert len({policylog.spec_digest(spec) for spec in (SPEC, with_data, other)}) == 3
