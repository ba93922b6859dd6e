"""Whether audit chains are whole: chains as a gate writes them, and every way to break one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.audit import GENESIS, ChainHead, audit_key
from streamwarden_contract.audit_chains import AuditTopic, ChainId
from streamwarden_contract.audit_faults import MOST_TOLD, AuditFaultKind, Place
from streamwarden_contract.ids import audit_id, command_id, sha256_hex
from streamwarden_contract.reasons import DeadLetterReason
from streamwarden_gate.outcome import Run, Skip
from support.audit_records import (
    ID,
    NOW,
    PARTITION,
    TOPIC,
    build_chain,
    changed,
    judge,
    kinds,
    read_chain,
    resigned,
    values_of,
)
from support.gate_log import AGENT, NAMESPACE, record

if TYPE_CHECKING:
    from collections.abc import Callable

JUDGE = judge()
RECORDS, HEAD = build_chain(9, JUDGE)
"""Lengths 1 to 9; the record of length n is about offset 2 (n - 1)."""


def test_a_chain_as_a_gate_writes_it_is_whole() -> None:
    chain = read_chain(RECORDS, HEAD)
    assert kinds(chain) == []
    assert (chain.begins_at, chain.records, chain.length, chain.sha256) == (1, 9, 9, HEAD.sha256)


def test_its_records_say_what_was_judged() -> None:
    topic = AuditTopic(NAMESPACE)
    said = [topic.take(Place(TOPIC, 0, n), audit_key(*ID), value, log_start=0) for n, value in enumerate(RECORDS)]
    assert [(each.offset, each.digest) for each in said if each] == [
        (2 * number, sha256_hex(values_of(number))) for number in range(9)
    ]


def test_x07_a_skipped_range_is_a_link_and_nothing_in_it_is_judged_later() -> None:
    skipped = JUDGE.skip(record(None, offset=18), Skip(24, "0" * 64, "3 processes died of it"), HEAD, NOW)
    value = skipped.audit.value or b""
    chain = read_chain([*RECORDS, value], skipped.head)
    assert kinds(chain) == []
    assert (chain.length, chain.last_offset) == (10, 24)
    inside = JUDGE.judge(record(values_of(0), offset=22), skipped.head, NOW)
    assert kinds(read_chain([*RECORDS, value, inside.audit.value or b""], inside.head)) == ["Repeated"]
    assert kinds(read_chain([*RECORDS, changed(value, "decision", "lastOffset", to=3)])) == ["Unreadable"]


def test_x08_a_run_of_dead_letters_is_a_link_and_nothing_in_it_is_judged_later() -> None:
    run = Run(24, 5, "0" * 64, DeadLetterReason.MISSING_KEY, "too many dead letters")
    told = JUDGE.tell_run(record(None, offset=18), run, HEAD, NOW)
    value = told.audit.value or b""
    chain = read_chain([*RECORDS, value], told.head)
    assert (kinds(chain), chain.length, chain.last_offset) == ([], 10, 24)
    inside = JUDGE.judge(record(values_of(0), offset=22), told.head, NOW)
    assert kinds(read_chain([*RECORDS, value, inside.audit.value or b""], inside.head)) == ["Repeated"]


def test_no_verdict_of_policies_is_about_a_range() -> None:
    [*_, allowed] = build_chain(1, JUDGE)[0]
    chain = read_chain([changed(allowed, "decision", "lastOffset", to=3)])
    assert chain.last_offset == 0


def drop(at: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda records: records[:at] + records[at + 1 :]


def edit(at: int, *path: str, to: object) -> Callable[[list[bytes]], list[bytes]]:
    return lambda records: [*records[:at], changed(records[at], *path, to=to), *records[at + 1 :]]


def edit_and_resign(at: int, *path: str, to: object) -> Callable[[list[bytes]], list[bytes]]:
    return lambda records: resigned(edit(at, *path, to=to)(records))


def insert(at: int, value: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda records: [*records[:at], value, *records[at:]]


def forked(*lengths: int) -> list[bytes]:
    """Make records that follow the one of length 3, beside those that follow it already."""
    branch = resigned([*RECORDS[:3], *(changed(RECORDS[length - 1], "message", to="another") for length in lengths)])
    return branch[3:]


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        pytest.param(drop(0), ["Gap"], id="the-first-record-is-missing"),
        pytest.param(drop(4), ["Gap"], id="a-record-in-the-middle-is-missing"),
        pytest.param(drop(8), ["Truncated"], id="the-newest-record-is-missing"),
        pytest.param(lambda _: [], ["Truncated"], id="every-record-is-missing"),
        pytest.param(edit(4, "message", to="x"), ["Edited"], id="a-word-is-changed"),
        pytest.param(edit(8, "message", to="x"), ["Rewritten"], id="a-word-of-the-newest-is-changed"),
        pytest.param(edit(0, "chain", "previous", to="1" * 64), ["Edited", "Edited"], id="the-first-follows-another"),
        pytest.param(lambda found: [*found[:4], found[5], found[4], *found[6:]], ["Gap", "Fork"], id="two-are-swapped"),
        pytest.param(insert(5, RECORDS[4]), ["Repeated"], id="a-record-stands-there-twice"),
        pytest.param(insert(9, RECORDS[8]), ["Repeated"], id="the-newest-stands-there-twice"),
        pytest.param(insert(7, RECORDS[2]), ["Fork"], id="an-old-record-again"),
        pytest.param(lambda found: [*found, *forked(4)], ["Fork"], id="a-second-record-after-the-same-one"),
        pytest.param(lambda found: [*found, *forked(4, 5, 6)], ["Fork"], id="a-second-branch-is-told-once"),
        pytest.param(
            lambda found: [*found[:6], *forked(4), *found[6:], *forked(5)], ["Fork", "Fork"], id="two-forks-are-two"
        ),
        pytest.param(insert(4, b"{}"), ["Unreadable"], id="another-record-between"),
        pytest.param(insert(4, b"\xff"), ["Unreadable"], id="no-text"),
        pytest.param(insert(4, RECORDS[4] + b" "), ["Unreadable"], id="not-canonical"),
        pytest.param(insert(4, changed(RECORDS[4], "format", to=9)), ["Unreadable"], id="an-unknown-format"),
        pytest.param(insert(4, changed(RECORDS[4], "agent", to="other")), ["Unreadable"], id="another-agent-s"),
        pytest.param(insert(4, changed(RECORDS[4], "namespace", to="other")), ["Unreadable"], id="another-namespace-s"),
        pytest.param(insert(4, changed(RECORDS[4], "chain", to=None)), ["Unreadable"], id="no-link"),
        pytest.param(insert(4, changed(RECORDS[4], "decision", "offset", to=True)), ["Unreadable"], id="no-offset"),
        pytest.param(insert(4, changed(RECORDS[4], "agentUid", to=7)), ["Unreadable"], id="no-uid"),
        pytest.param(insert(4, changed(RECORDS[4], "decision", "digest", to="x")), ["Unreadable"], id="no-digest"),
        pytest.param(resigned, [], id="written-anew-as-it-was"),
        pytest.param(edit_and_resign(4, "message", to="x"), ["Rewritten"], id="edited-and-all-written-anew"),
        pytest.param(lambda found: resigned(drop(4)(found)), ["Truncated"], id="dropped-and-all-written-anew"),
        pytest.param(
            lambda found: resigned(insert(4, found[3])(found)),
            ["Repeated", "Rewritten", "Uncommitted"],
            id="judged-a-second-time-and-all-written-anew",
        ),
        pytest.param(edit_and_resign(4, "id", to="x"), ["Forged", "Rewritten"], id="an-id-of-one-s-choice"),
        pytest.param(
            edit_and_resign(3, "command", "id", to="x"), ["Forged", "Rewritten"], id="a-command-s-id-of-one-s-choice"
        ),
        pytest.param(
            edit_and_resign(3, "command", to=None), ["Contradictory", "Rewritten"], id="allowed-without-a-command"
        ),
        pytest.param(
            edit_and_resign(3, "verdict", to="Deny"), ["Contradictory", "Rewritten"], id="denied-with-a-command"
        ),
        pytest.param(
            edit_and_resign(4, "deadLetter", to="TooLarge"), ["Contradictory", "Rewritten"], id="a-reason-too-many"
        ),
        pytest.param(
            edit_and_resign(4, "epochs", "namespace", to=0), ["RolledBack", "Rewritten"], id="under-older-policies"
        ),
        pytest.param(
            edit_and_resign(4, "epochs", "guardrail", to=0), ["RolledBack", "Rewritten"], id="under-older-guardrails"
        ),
    ],
)
def test_what_is_broken_is_found(break_it: Callable[[list[bytes]], list[bytes]], expected: list[str]) -> None:
    assert kinds(read_chain(break_it(RECORDS), HEAD)) == expected


def test_a_fault_names_its_place() -> None:
    (fault,) = read_chain(drop(4)(RECORDS), HEAD).faults
    assert fault == (AuditFaultKind.GAP, Place(TOPIC, 0, 4), "length 5 is missing before this record")
    assert fault.place.text == f"{TOPIC} [0] @4"


def test_records_that_the_gate_has_not_committed_are_found() -> None:
    assert kinds(read_chain(RECORDS, ChainHead(8, sha256_hex(RECORDS[7]), 1, 1))) == ["Uncommitted"]


def test_records_that_it_has_committed_meanwhile_are_none() -> None:
    earlier = ChainHead(5, sha256_hex(RECORDS[4]), 1, 1)
    assert kinds(read_chain(RECORDS, earlier, now=HEAD)) == []
    assert kinds(read_chain(RECORDS[:7], earlier, now=HEAD)) == []


def test_another_newest_record_than_it_has_committed_meanwhile_is_found() -> None:
    earlier = ChainHead(5, sha256_hex(RECORDS[4]), 1, 1)
    assert kinds(read_chain(edit(8, "message", to="x")(RECORDS), earlier, now=HEAD)) == ["Rewritten"]


def test_a_chain_that_begins_late_is_whole_where_the_topic_begins_late() -> None:
    chain = read_chain(RECORDS[3:], HEAD, log_start=17)
    assert (kinds(chain), chain.begins_at, chain.records) == ([], 4, 6)


def test_a_chain_that_is_deleted_altogether_is_no_fault_where_the_topic_begins_late() -> None:
    chain = read_chain([], HEAD, log_start=17)
    assert (kinds(chain), chain.deleted) == ([], 9)


def remade(value: bytes, length: int, previous: str, *, uid: str, topic_id: str) -> bytes:
    """Return a record as the gate of an agent or a decision topic that was made again would write it."""
    place = (uid, topic_id, PARTITION, 0)
    for path, to in (
        (("agentUid",), uid),
        (("decision", "topicId"), topic_id),
        (("decision", "offset"), 0),
        (("id",), audit_id(*place)),
        (("command", "id"), command_id(*place)),
        (("chain",), {"length": length, "previous": previous}),
    ):
        value = changed(value, *path, to=to)
    return value


@pytest.mark.parametrize(("uid", "topic_id"), [("uid-2", "topic-id"), ("uid-1", "topic-2"), ("uid-2", "topic-2")])
def test_a_chain_that_begins_anew_for_another_agent_or_topic_is_said_and_no_fault(uid: str, topic_id: str) -> None:
    new = remade(RECORDS[0], 1, GENESIS, uid=uid, topic_id=topic_id)
    chain = read_chain([*RECORDS, new], ChainHead(1, sha256_hex(new), 1, 1))
    assert kinds(chain) == []
    assert chain.remade == [f"agent or decision topic were made again, and the chain begins anew before {TOPIC} [0] @9"]


def test_a_chain_that_goes_on_for_another_topic_is_said_and_may_begin_at_offset_0_again() -> None:
    new = remade(RECORDS[0], 10, HEAD.sha256, uid="uid-1", topic_id="topic-2")
    chain = read_chain([*RECORDS, new], HEAD.after(new))
    assert (kinds(chain), chain.remade) == ([], [f"the decision topic was made again before {TOPIC} [0] @9"])


def test_a_chain_that_begins_anew_for_the_same_agent_and_topic_is_a_fork() -> None:
    assert kinds(read_chain([*RECORDS, edit(0, "message", to="x")(RECORDS)[0]], HEAD)) == ["Fork"]


def test_what_is_kept_of_faults_is_bounded_and_their_number_is_not() -> None:
    chain = read_chain([b"{}"] * 1_000)
    assert (len(chain.faults.told), chain.faults.count) == (MOST_TOLD, 1_000)


def take_all(topic: AuditTopic, *records: tuple[bytes | None, bytes | None]) -> None:
    for offset, (key, value) in enumerate(records):
        topic.take(Place(TOPIC, 0, offset), key, value, log_start=0)


@pytest.mark.parametrize("key", [None, b"", b"guard", b"guard/x", b"guard/01", b"Guard/1", b"guard/1\n", b"\xff/1"])
def test_a_record_whose_key_names_no_chain_is_found(key: bytes | None) -> None:
    topic = AuditTopic(NAMESPACE)
    take_all(topic, (key, RECORDS[0]))
    assert [fault.kind for fault in topic.faults] == ["Unreadable"]
    assert topic.chains == []


def test_unreadable_records_begin_no_chain() -> None:
    topic = AuditTopic(NAMESPACE)
    take_all(topic, *((b"guard/%d" % number, None) for number in range(50)))
    assert (topic.faults.count, topic.chains) == (50, [])


def test_a_record_under_another_chain_s_key_is_found() -> None:
    topic = AuditTopic(NAMESPACE)
    take_all(topic, (b"other/1", RECORDS[0]))
    assert [(chain.id, kinds(chain)) for chain in topic.chains] == [(ChainId("other", 1), ["Unreadable"])]


def test_chains_of_other_agents_are_passed_over_where_one_is_named() -> None:
    topic = AuditTopic(NAMESPACE, agent=AGENT)
    take_all(topic, (b"other/1", RECORDS[0]), (audit_key(*ID), RECORDS[0]))
    assert [chain.id for chain in topic.chains] == [ID]


def test_a_chain_without_any_record_is_there_where_its_gate_has_committed_one() -> None:
    assert [chain.id for chain in AuditTopic(NAMESPACE, heads={ID: HEAD}).chains] == [ID]


@given(st.integers(0, 9))
def test_a_good_chain_of_any_length_has_no_faults(count: int) -> None:
    records = RECORDS[:count]
    head = ChainHead(count, sha256_hex(records[-1]) if records else GENESIS, 1, 1)
    assert kinds(read_chain(records, head)) == []


@given(st.data())
def test_any_single_change_of_any_record_is_found(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(RECORDS) - 1))
    byte = data.draw(st.integers(0, len(RECORDS[at]) - 1))
    other = data.draw(st.integers(1, 255))
    value = bytearray(RECORDS[at])
    value[byte] ^= other
    assert kinds(read_chain([*RECORDS[:at], bytes(value), *RECORDS[at + 1 :]], HEAD))


@given(st.sampled_from(["drop", "swap", "repeat", "move"]), st.integers(0, 8), st.integers(0, 8))
def test_any_single_change_of_the_order_is_found(how: str, first: int, second: int) -> None:
    found = list(RECORDS)
    if how == "drop":
        del found[first]
    elif how == "repeat":
        found.insert(second, found[first])
    elif how == "swap":
        found[first], found[second] = found[second], found[first]
    else:
        found.insert(second, found.pop(first))
    assert (kinds(read_chain(found, HEAD)) == []) == (found == RECORDS)


@given(st.integers(0, 8), st.sampled_from(["message", "time", "gate", "lineage"]))
def test_any_change_that_is_hidden_by_writing_all_anew_is_found_by_the_head(at: int, field: str) -> None:
    assert kinds(read_chain(edit_and_resign(at, field, to="another")(RECORDS), HEAD)) == ["Rewritten"]
