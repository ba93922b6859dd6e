from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.acks import proven_epoch
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.names import InstallationNames
from streamwarden_gate.errors import SetRefusedError
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.snapshot import Snapshot
from streamwarden_judging import rules
from streamwarden_kafka.records import TopicFacts
from support.gate_log import AGENT, CLUSTER, FACTS, IDENTITY, NAMESPACE, POLICIES, MemoryKeys, MemoryLog
from support.policy_log import (
    SigningKey,
    binding_record,
    epoch_record,
    policy_record,
    policy_spec,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamwarden_contract.models.policy import PolicySpec
    from streamwarden_judging.verdicts import BoundPolicy

INSTALLATION = InstallationNames()

CONFIDENT = policy_spec("decision.confidence >= 0.8")
STRICT = policy_spec("decision.confidence >= 0.95")


def refusal_of(log: MemoryLog) -> RefusalReason:
    with pytest.raises(SetRefusedError) as refused:
        log.build()
    return refused.value.reason


def test_a_complete_log_gives_the_set_it_describes(log: MemoryLog) -> None:
    log.write_all()
    active = log.build()
    assert (active.namespace_epoch, active.guardrail_epoch) == (1, 1)
    assert active.refs == (PolicyRef(namespace=NAMESPACE, name="confident", revision=1),)
    assert set(active.targets) == {"block", "free"}
    assert log.snapshot.refusal(active.binding) is None


def test_what_an_edit_writes_of_other_agents_is_neither_verified_nor_kept(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_all()
    first = log.build()
    verified: list[str] = []

    def counted(keys: MemoryKeys, key_id: str, signature: bytes, message: bytes) -> bool:
        verified.append(key_id)
        return verify(keys, key_id, signature, message)

    verify = MemoryKeys.verify
    monkeypatch.setattr(MemoryKeys, "verify", counted)
    edited = policy_record(NAMESPACE, "confident", STRICT, revision=2, epoch=2)
    others = [
        binding_record(NAMESPACE, f"other-{number:03}", [edited], log.targets, revision=4 + number, epoch=2)
        for number in range(100)
    ]
    own = binding_record(NAMESPACE, AGENT, [edited], log.targets, revision=3, epoch=2)
    log.write(edited, own, *others, epoch_record(2, revision_counter=104))
    assert len(verified) == 3, "the policy, its own binding, the epoch"
    active = log.build(first)
    assert (active.namespace_epoch, active.refs) == (2, (PolicyRef(namespace=NAMESPACE, name="confident", revision=2),))


def test_an_unbelievable_binding_of_another_agent_refuses_nothing_here(log: MemoryLog) -> None:
    log.write_all()
    other = binding_record(NAMESPACE, "other", [log.policy], log.targets, revision=9, epoch=2)
    assert log.write(other, key=SigningKey()) is None
    assert log.snapshot.refusal(log.build().binding) is None


def test_a_set_keeps_the_signed_epochs_that_closed_it(log: MemoryLog) -> None:
    log.write_all()
    epochs = log.build().epochs
    keys = MemoryKeys(log.key)
    own = proven_epoch(epochs.namespace, topic=POLICIES, cluster_id=CLUSTER, verifier=keys)
    guardrail = proven_epoch(epochs.guardrail, topic=INSTALLATION.guardrails, cluster_id=CLUSTER, verifier=keys)
    assert (own, guardrail) == (epoch_record(), epoch_record(revision_counter=0))


@pytest.mark.slow
def test_in_a_storm_of_policies_only_those_that_bind_the_agent_are_compiled_and_once_each(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[tuple[str, int]] = []

    def counted(namespace: str, name: str, revision: int, spec: PolicySpec) -> BoundPolicy:
        compiled.append((name, revision))
        return bind_policy(namespace, name, revision, spec)

    bind_policy = rules.bind_policy
    monkeypatch.setattr(rules, "bind_policy", counted)
    log.write_all()
    active = log.build()
    for epoch in range(2, 12):
        others = [
            policy_record(NAMESPACE, f"other-{number}", STRICT, revision=50 * epoch + number, epoch=epoch)
            for number in range(50)
        ]
        log.write(*others, epoch_record(epoch, revision_counter=50 * epoch + 49))
        active = log.build(active)
    assert active.namespace_epoch == 11
    assert compiled == [("confident", 1)]


def test_nothing_is_active_before_its_epoch_record(log: MemoryLog) -> None:
    log.write_guardrails()
    log.write(log.policy, log.schema, log.binding)
    assert refusal_of(log) is RefusalReason.LOG_MISSING


def test_without_the_guardrail_topics_epoch_nothing_is_active(log: MemoryLog) -> None:
    log.write(log.policy, log.schema, log.binding, epoch_record())
    assert refusal_of(log) is RefusalReason.LOG_MISSING


def test_a_record_above_the_closing_epoch_is_not_active(log: MemoryLog) -> None:
    log.write_all()
    newer = policy_record(NAMESPACE, "confident", STRICT, revision=2, epoch=3)
    log.write(newer, epoch_record(2, revision_counter=2))
    assert log.build().refs[0].revision == 1


def test_a_compacted_log_with_older_records_is_complete(log: MemoryLog) -> None:
    log.write_guardrails()
    log.write(log.policy, log.schema, log.binding, epoch_record(9))
    assert log.build().namespace_epoch == 9


def test_a_record_that_is_read_again_changes_nothing(log: MemoryLog) -> None:
    log.write_all()
    assert log.write(log.policy, log.binding, epoch_record()) is None
    assert log.snapshot.refusal(log.binding) is None


def incomplete_policy(log: MemoryLog) -> None:
    log.write(log.schema, log.binding, epoch_record())


def incomplete_schema(log: MemoryLog) -> None:
    log.write(log.policy, log.binding, epoch_record())


def other_revision(log: MemoryLog) -> None:
    log.write(policy_record(NAMESPACE, "confident", CONFIDENT, revision=2), log.schema, log.binding, epoch_record())


def other_digest(log: MemoryLog) -> None:
    log.write(policy_record(NAMESPACE, "confident", STRICT), log.schema, log.binding, epoch_record())


def lying_digest(log: MemoryLog) -> None:
    lying = log.policy.model_copy(update={"spec": STRICT})
    log.write(lying, log.schema, log.binding, epoch_record())


def lying_schema(log: MemoryLog) -> None:
    lying = log.schema.model_copy(update={"definition": "{}"})
    log.write(log.policy, lying, log.binding, epoch_record())


def other_uid(log: MemoryLog) -> None:
    log.write(log.policy, log.schema, log.binding.model_copy(update={"agent_uid": "uid-2"}), epoch_record())


def foreign_namespace(log: MemoryLog) -> None:
    foreign = policy_record("other", "confident", CONFIDENT)
    log.write(log.policy, log.schema, binding_record(NAMESPACE, AGENT, [foreign], log.targets), epoch_record())


def no_binding(log: MemoryLog) -> None:
    log.write(log.policy, log.schema, epoch_record())


def removed_binding(log: MemoryLog) -> None:
    log.write(log.policy, log.schema, log.binding)
    log.snapshot.feed(POLICIES, log.binding.key.encode(), None, None)
    log.write(epoch_record())


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        pytest.param(incomplete_policy, RefusalReason.BINDING_INCOMPLETE, id="missing-policy-is-incomplete"),
        pytest.param(incomplete_schema, RefusalReason.BINDING_INCOMPLETE, id="missing-schema-is-incomplete"),
        pytest.param(other_revision, RefusalReason.BINDING_INCOMPLETE, id="another-revision-is-incomplete"),
        pytest.param(foreign_namespace, RefusalReason.BINDING_INCOMPLETE, id="unread-namespace-is-incomplete"),
        pytest.param(other_digest, RefusalReason.DIGEST_MISMATCH, id="another-digest-is-refused"),
        pytest.param(lying_digest, RefusalReason.DIGEST_MISMATCH, id="a-digest-is-computed-again"),
        pytest.param(lying_schema, RefusalReason.DIGEST_MISMATCH, id="a-schemas-digest-is-computed-again"),
        pytest.param(other_uid, RefusalReason.AGENT_MISMATCH, id="another-agents-uid-is-refused"),
        pytest.param(no_binding, RefusalReason.BINDING_MISSING, id="no-binding"),
        pytest.param(removed_binding, RefusalReason.BINDING_MISSING, id="a-tombstone-removes-the-binding"),
    ],
)
def test_a_set_is_refused(write: Callable[[MemoryLog], None], reason: RefusalReason) -> None:
    log = MemoryLog()
    log.write_guardrails()
    write(log)
    assert refusal_of(log) is reason


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({}, id="the-topic-does-not-exist"),
        pytest.param(FACTS | {"risk.guard.decisions": TopicFacts("other", 3)}, id="another-decision-topic"),
        pytest.param(FACTS | {"risk.guard.decisions": TopicFacts("topic-id", 4)}, id="another-partition-count"),
        pytest.param(FACTS | {"risk.streamwarden.audit": TopicFacts("other", 1)}, id="another-audit-topic"),
    ],
)
def test_a_set_for_other_topics_is_refused(log: MemoryLog, facts: dict[str, TopicFacts]) -> None:
    log.write_all()
    with pytest.raises(SetRefusedError) as refused:
        log.snapshot.build(facts, None)
    assert refused.value.reason is RefusalReason.TOPIC_MISMATCH


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param([], RefusalReason.UNSIGNED, id="no-headers"),
        pytest.param([("sw-key-id", b"test-1")], RefusalReason.UNSIGNED, id="no-signature"),
        pytest.param([("sw-signature", b"0" * 64)], RefusalReason.UNSIGNED, id="no-key-id"),
        pytest.param([("sw-signature", b"0" * 63), ("sw-key-id", b"test-1")], RefusalReason.UNSIGNED, id="short"),
        pytest.param(
            [("sw-signature", b"0" * 64), ("sw-signature", b"0" * 64), ("sw-key-id", b"test-1")],
            RefusalReason.UNSIGNED,
            id="two-signatures",
        ),
        pytest.param([("sw-signature", b"0" * 64), ("sw-key-id", b"x")], RefusalReason.UNKNOWN_KEY, id="unknown-key"),
        pytest.param(
            [("sw-signature", b"0" * 64), ("sw-key-id", b"test-1")], RefusalReason.BAD_SIGNATURE, id="bad-signature"
        ),
    ],
)
def test_an_unsigned_record_is_refused(log: MemoryLog, headers: list[tuple[str, bytes]], reason: RefusalReason) -> None:
    log.write_guardrails()
    refusal = log.snapshot.feed(POLICIES, log.policy.key.encode(), log.policy.encode(), headers)
    assert refusal is not None
    assert refusal.reason is reason
    log.write(log.schema, log.binding, epoch_record())
    assert refusal_of(log) is RefusalReason.BINDING_INCOMPLETE
    found = log.snapshot.refusal(log.snapshot.binding)
    assert found is not None
    assert found.reason is reason


@pytest.mark.parametrize("what", ["topic", "cluster", "value", "key"])
def test_a_signature_holds_for_one_place_only(log: MemoryLog, what: str) -> None:
    topic = INSTALLATION.guardrails if what == "topic" else POLICIES
    cluster = "cluster-2" if what == "cluster" else CLUSTER
    key, value, headers = log.key.signed(topic, log.policy, cluster_id=cluster)
    assert value is not None
    if what == "value":
        value = value.replace(b"0.8", b"0.0")
    if what == "key":
        key = b"policy/other"
    refusal = log.snapshot.feed(POLICIES, key, value, headers)
    assert refusal is not None
    assert refusal.reason is RefusalReason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(b"strange", b"{}", id="an-unknown-key"),
        pytest.param(b"policy/x", b"not json", id="no-json"),
        pytest.param(b"policy/x", b'{"format":2}', id="another-format"),
        pytest.param(b"\xff", b"{}", id="a-key-that-is-no-text"),
    ],
)
def test_a_signed_record_of_another_format_is_refused(log: MemoryLog, key: bytes, value: bytes) -> None:
    refusal = log.snapshot.feed(POLICIES, *log.key.signed_bytes(POLICIES, key, value, cluster_id=CLUSTER))
    assert refusal is not None
    assert refusal.reason is RefusalReason.UNREADABLE


def test_a_record_without_a_key_is_refused(log: MemoryLog) -> None:
    refusal = log.snapshot.feed(POLICIES, None, b"{}", [])
    assert refusal is not None
    assert refusal.reason is RefusalReason.UNREADABLE


def test_a_lower_epoch_is_refused_and_the_last_good_set_stays(log: MemoryLog) -> None:
    log.write_guardrails()
    log.write(log.policy, log.schema, log.binding, epoch_record(5))
    refusal = log.write(epoch_record(4))
    assert refusal is not None
    assert refusal.reason is RefusalReason.ROLLED_BACK
    assert log.build().namespace_epoch == 5
    found = log.snapshot.refusal(log.binding)
    assert found is not None
    assert found.reason is RefusalReason.ROLLED_BACK


def test_an_old_policy_that_is_written_again_is_refused(log: MemoryLog) -> None:
    log.write_all()
    newer = policy_record(NAMESPACE, "confident", STRICT, revision=2, epoch=2)
    binding = binding_record(NAMESPACE, AGENT, [newer], log.targets, revision=3, epoch=2)
    log.write(newer, binding, epoch_record(2, revision_counter=3))
    refusal = log.write(log.policy)
    assert refusal is not None
    assert refusal.reason is RefusalReason.ROLLED_BACK
    assert log.build().refs[0].revision == 2


def test_a_lower_revision_in_a_newer_epoch_is_refused(log: MemoryLog) -> None:
    log.write_guardrails()
    known = policy_record(NAMESPACE, "confident", CONFIDENT, revision=5)
    log.write(known, epoch_record(revision_counter=5))
    refusal = log.write(policy_record(NAMESPACE, "confident", STRICT, revision=4, epoch=2))
    assert refusal is not None
    assert refusal.reason is RefusalReason.ROLLED_BACK


def test_a_lower_revision_counter_is_refused(log: MemoryLog) -> None:
    log.write(epoch_record(1, revision_counter=7))
    refusal = log.write(epoch_record(2, revision_counter=6))
    assert refusal is not None
    assert refusal.reason is RefusalReason.ROLLED_BACK


def test_a_log_read_again_may_not_fall_behind_the_set_in_force(log: MemoryLog) -> None:
    log.write_guardrails()
    log.write(log.policy, log.schema, log.binding, epoch_record(5))
    in_force = log.build()
    again = MemoryLog()
    again.write_all()
    with pytest.raises(SetRefusedError) as refused:
        again.build(in_force)
    assert (refused.value.reason, str(refused.value)) == (
        RefusalReason.ROLLED_BACK,
        "namespace epoch fell from 5 to 1",
    )


def test_f46_a_tombstone_takes_effect_with_the_next_epoch(log: MemoryLog) -> None:
    log.write_all()
    log.snapshot.feed(POLICIES, b"policy/confident", None, None)
    assert log.build().refs[0].revision == 1
    log.write(epoch_record(2))
    assert refusal_of(log) is RefusalReason.BINDING_INCOMPLETE


def test_a_good_record_heals_a_refused_one(log: MemoryLog) -> None:
    log.write_all()
    stranger = SigningKey(key_id="stranger")
    newer = policy_record(NAMESPACE, "confident", STRICT, revision=2, epoch=2)
    assert log.write(newer, key=stranger) is not None
    assert log.snapshot.refusal(log.binding) is not None
    binding = binding_record(NAMESPACE, AGENT, [newer], log.targets, revision=3, epoch=2)
    log.write(newer, binding, epoch_record(2, revision_counter=3))
    assert log.snapshot.refusal(log.snapshot.binding) is None
    assert log.build().refs[0].revision == 2


def test_guardrail_policies_come_from_the_guardrail_topic(log: MemoryLog) -> None:
    guardrail = policy_record("streamwarden", "never", policy_spec("false"))
    log.write(guardrail, epoch_record(4), topic=INSTALLATION.guardrails)
    binding = binding_record(NAMESPACE, AGENT, [log.policy, guardrail], log.targets)
    log.write(log.policy, log.schema, binding, epoch_record(2))
    active = log.build()
    assert [f"{ref.namespace}/{ref.name}" for ref in active.refs] == ["risk/confident", "streamwarden/never"]
    assert (active.namespace_epoch, active.guardrail_epoch) == (2, 4)


def test_a_gate_reads_the_guardrail_topic_of_its_own_installation(log: MemoryLog) -> None:
    assert log.snapshot.topics == (POLICIES, "streamwarden.policies")
    other = Snapshot(replace(IDENTITY, installation="other"), cluster_id=CLUSTER, keys=MemoryKeys(log.key))
    assert other.topics == (POLICIES, "other.policies")
