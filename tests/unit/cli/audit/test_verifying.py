"""What a verification says of what a principal sees: faults, what is no fault, and what it could not check."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_cli.audit.report import ChainReport, Report
from streamwarden_cli.audit.source import AbsentError, Committed, ForbiddenError, Log, Record
from streamwarden_cli.audit.spool import Spool
from streamwarden_cli.audit.verifying import Verification, Wanted
from streamwarden_contract.audit import ChainHead, audit_key
from streamwarden_contract.audit_chains import Chain, ChainId, Judged
from streamwarden_contract.audit_coverage import JudgedDecision
from streamwarden_contract.audit_faults import AuditFaultKind, Faults, Place
from streamwarden_contract.names import AgentNames
from streamwarden_gate.outcome import Skip
from support.audit_records import DECISIONS, EPOCHS, ID, NOW, PARTITION, TOPIC, build_chain, changed, judge
from support.audit_source import GROUP, MemorySource, judged_source, place, stalled
from support.gate_log import AGENT, NAMESPACE, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "audit.md"
CHAIN = f"{NAMESPACE}/{AGENT} partition {PARTITION}"


def verify(source: MemorySource, **wanted: Any) -> Report:
    return Verification(source, Wanted(namespace=NAMESPACE, **wanted), lambda *_: None).run()


def said(source: MemorySource, **wanted: Any) -> list[str]:
    return list(verify(source, **wanted).lines())


def test_all_is_whole() -> None:
    assert said(judged_source(), decisions=True) == [
        f"{CHAIN}: 6 records, from the beginning, 6 decisions compared, whole",
        "1 chain, 6 records, 0 faults: whole",
    ]


def test_nothing_at_all_is_whole() -> None:
    assert said(judged_source(0), decisions=True) == ["0 chains, 0 records, 0 faults: whole"]


def test_a_fault_is_a_line_with_kind_and_place() -> None:
    source = judged_source()
    del source.records[TOPIC][3]
    report = verify(source)
    assert list(report.lines()) == [
        f"{CHAIN}: 5 records, from the beginning, 1 fault",
        f"  Gap {TOPIC} [0] @4: length 4 is missing before this record",
        "1 chain, 5 records, 1 fault: NOT WHOLE",
    ]
    assert not report.whole


def test_a_record_of_no_chain_is_a_fault() -> None:
    source = judged_source()
    source.records[TOPIC].append(Record(0, 6, b"nobody's", b"{}"))
    assert said(source)[-3:] == [
        "records of no chain: 1 fault",
        f"  Unreadable {TOPIC} [0] @6: its key names no chain",
        "1 chain, 6 records, 1 fault: NOT WHOLE",
    ]


def test_an_audit_that_is_emptied_is_found_by_what_the_gate_has_committed() -> None:
    source = judged_source()
    source.records[TOPIC].clear()
    assert (
        f"  Truncated {DECISIONS} [{PARTITION}] @12: the gate has committed 6 records, and the chain ends at 0"
        in said(source)
    )
    assert verify(source, heads=False).whole


def test_a_gate_that_goes_on_meanwhile_is_no_fault() -> None:
    source = judged_source()
    source.later = source.offsets
    (_, head) = build_chain(4, judge())
    source.offsets = place(8, head)
    assert said(source, decisions=True) == [
        f"{CHAIN}: 6 records, from the beginning, 4 decisions compared, whole",
        "1 chain, 6 records, 0 faults: whole",
    ]


def test_records_that_the_gate_has_not_committed_are_found() -> None:
    source = judged_source()
    source.offsets = place(8, build_chain(4, judge())[1])
    assert "  Uncommitted " in said(source)[1]


def test_metadata_that_holds_no_head_is_found() -> None:
    source = judged_source()
    source.offsets = {GROUP: {PARTITION: Committed(12, "")}}
    assert (
        said(source)[1]
        == f"  Unreadable {DECISIONS} [{PARTITION}] @12: the committed metadata holds no head of this place"
    )


def test_decisions_are_compared_with_what_was_judged() -> None:
    source = judged_source()
    records = source.records[DECISIONS]
    records[2] = records[2]._replace(value=b"another")
    records.insert(4, Record(PARTITION, 7, b"page-1", b"slipped in"))
    del records[1]
    report = verify(source, decisions=True)
    (chain,) = report.chains
    assert chain.coverage is not None
    assert [(fault.kind, fault.place.offset) for fault in chain.coverage.faults] == [
        ("NoDecision", 2),
        ("Altered", 4),
        ("NotAudited", 7),
    ]
    assert next(iter(report.lines())) == f"{CHAIN}: 6 records, from the beginning, 4 decisions compared, 3 faults"


def test_of_records_with_untrue_offsets_it_is_said_that_nothing_can_be_told() -> None:
    source = judged_source()
    source.markers = frozenset({5})
    source.records[DECISIONS][3:3] = [Record(PARTITION, offset, b"page-1", b"untrue") for offset in (5, 2)]
    assert said(source, decisions=True) == [
        f"{CHAIN}: 6 records, from the beginning, 6 decisions compared, whole",
        (
            f"not checked: 2 records with untrue offsets, the first as {DECISIONS} [{PARTITION}] @5: "
            "where they are, and whether they were judged"
        ),
        "1 chain, 6 records, 0 faults, 1 not checked: not certain",
    ]


def test_x11_who_reads_the_decisions_is_told_what_a_gate_has_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    source = judged_source()
    asked: dict[str, Sequence[Log]] = {}
    _, head = build_chain(6, judge())
    skipped = judge().skip(record(None, offset=12), Skip(14, "0" * 64, "cannot be decoded"), head, NOW)
    source.records[TOPIC].append(Record(0, 6, audit_key(*ID), skipped.audit.value))
    source.records[DECISIONS].append(Record(PARTITION, 15, b"page-1", b"not judged yet"))
    source.offsets = place(15, skipped.head)
    read = source.read

    def note(topic: str, logs: Sequence[Log], *, of_agents: bool) -> Iterator[Sequence[Record]]:
        asked[topic] = logs
        return read(topic, logs, of_agents=of_agents)

    monkeypatch.setattr(source, "read", note)

    assert said(source, decisions=True) == [
        f"{CHAIN}: 7 records, from the beginning, 6 decisions compared, whole",
        "1 chain, 7 records, 0 faults: whole",
    ]
    assert asked[DECISIONS] == [Log(PARTITION, 0, 15, ((12, 14),))]


def test_what_retention_has_deleted_is_said_and_no_fault() -> None:
    source = judged_source()
    source.records[TOPIC] = source.records[TOPIC][2:]
    source.records[DECISIONS] = source.records[DECISIONS][3:]
    source.lows = {(TOPIC, 0): 2, (DECISIONS, PARTITION): 6}
    assert said(source, decisions=True) == [
        f"{CHAIN}: 4 records, from length 3 on, 3 decisions compared, whole",
        "  older records are deleted: the topic begins at offset 2",
        f"  1 judged decision deleted from {DECISIONS} by its retention",
        "1 chain, 4 records, 0 faults: whole",
    ]


@pytest.mark.parametrize(
    ("since", "chain"),
    [
        pytest.param(
            2,
            [
                f"{CHAIN}: 2 records, from length 5 on, 2 decisions compared, 1 fault",
                f"  decisions from offset 0 to 7 of {DECISIONS} are not compared: no audit record of them is left",
                f"  Gap {TOPIC} [0] @0: lengths 1 to 4 are missing before this record",
            ],
            id="X84-of-a-chain-that-has-gone-on-since",
        ),
        pytest.param(
            0,
            [
                f"{CHAIN}: 0 records, from the beginning, 1 fault",
                f"  decisions from offset 0 to 10 of {DECISIONS} are not compared: no audit record of them is left",
                f"  Truncated {DECISIONS} [0] @12: the gate has committed 6 records, and the chain ends at 0",
            ],
            id="X84-of-a-chain-with-nothing-since",
        ),
    ],
)
def test_what_went_with_a_lost_audit_topic_is_said_and_what_is_not_compared(since: int, chain: list[str]) -> None:
    source = judged_source()
    kept = source.records[TOPIC][6 - since :]
    source.records[TOPIC] = [Record(0, offset, each.key, each.value) for offset, each in enumerate(kept)]
    assert said(source, decisions=True) == [*chain, f"1 chain, {since} records, 1 fault: NOT WHOLE"]


def test_decisions_before_the_first_of_a_whole_chain_are_not_spoken_of() -> None:
    """A partition with nothing but transactions' markers has no chain yet."""
    source = judged_source()
    source.offsets[GROUP] = source.offsets[GROUP] | {1: Committed(4, ChainHead().metadata("topic-id", 4))}
    assert said(source, decisions=True)[1:] == ["1 chain, 6 records, 0 faults: whole"]


def test_a_chain_that_retention_has_deleted_altogether_is_said() -> None:
    source = judged_source()
    source.records[TOPIC], source.lows = [], {(TOPIC, 0): 6}
    assert said(source)[1:] == [
        "  deleted up to length 6: the topic begins at offset 6",
        "1 chain, 0 records, 0 faults: whole",
    ]


@pytest.mark.parametrize("how", ["gone", "made again"])
def test_a_decision_topic_that_is_gone_or_made_again_is_said_and_no_fault(how: str) -> None:
    source = judged_source()
    source.offsets = place(0, ChainHead())
    if how == "gone":
        del source.counts[DECISIONS]
    else:
        source.ids[DECISIONS] = "topic-2"
    lines = said(source, decisions=True)
    assert lines[0] == f"{CHAIN}: 6 records, from the beginning, whole"
    assert re.fullmatch(r"  the decision topic (is gone|has been made again since): nothing is committed .*", lines[1])
    assert lines[2] == "1 chain, 6 records, 0 faults: whole"


@pytest.mark.parametrize(
    ("failing", "not_checked"),
    [
        pytest.param(DECISIONS, f"what the gate of {AGENT} has committed (no right)", id="the-decision-topic"),
        pytest.param(GROUP, f"what the gate of {AGENT} has committed (no right)", id="the-gate-s-group"),
        pytest.param(f"read {DECISIONS}", "no right", id="to-read-decisions"),
    ],
)
def test_what_one_may_not_read_is_said_and_nothing_is_certain(failing: str, not_checked: str) -> None:
    source = judged_source()
    source.failing[failing] = ForbiddenError("no right")
    report = verify(source, decisions=True)
    assert report.not_checked == [not_checked]
    assert list(report.lines())[-2:] == [
        f"not checked: {not_checked}",
        "1 chain, 6 records, 0 faults, 1 not checked: not certain",
    ]
    assert not report.whole


def test_a_group_that_has_committed_nothing_leaves_the_end_unchecked() -> None:
    source = judged_source()
    source.offsets = {}
    assert verify(source).not_checked == [
        f"the end of the chain {AGENT}/{PARTITION} ({GROUP} has committed nothing for partition {PARTITION})"
    ]


def test_an_audit_that_could_not_be_read_to_its_end_is_not_said_to_be_cut_off() -> None:
    source = judged_source()
    source.records[TOPIC], source.failing[f"read {TOPIC}"] = source.records[TOPIC][:3], stalled(TOPIC)
    report = verify(source, decisions=True)
    assert (report.fault_count, report.whole) == (0, False)
    assert report.not_checked == [
        f"{TOPIC} [0] @3 and what follows: a transaction is open there, or the broker is away"
    ]


@pytest.mark.parametrize(
    ("others", "known"),
    [
        pytest.param([], "none", id="no-other"),
        pytest.param(
            ["ops.streamwarden.audit", "bank.streamwarden.audit", "a.b.streamwarden.audit"], "bank, ops", id="two"
        ),
    ],
)
def test_without_an_audit_topic_it_fails_and_says_where_one_is(others: list[str], known: str) -> None:
    source = judged_source()
    del source.counts[TOPIC]
    source.counts |= dict.fromkeys(others, 1)
    with pytest.raises(AbsentError) as failed:
        verify(source)
    assert str(failed.value) == (
        f"there is no topic {TOPIC}, which the operator makes with the first agent of a namespace. Is it this Kafka, "
        f"and the name right? Namespaces with an audit that this user may see: {known}"
    )


def test_only_the_agent_that_is_named_is_looked_at() -> None:
    source = judged_source()
    other = AgentNames(NAMESPACE, "other").decisions  # it is there, and has decided nothing
    source.counts[other], source.ids[other] = 1, "another-id"
    assert said(source, agent="other") == ["0 chains, 0 records, 0 faults: whole"]


def test_json_has_the_shape_that_the_reference_shows() -> None:
    source = judged_source()
    source.records[TOPIC].append(Record(0, 6, None, b"{}"))
    source.records[TOPIC][3] = source.records[TOPIC][3]._replace(
        value=changed(source.records[TOPIC][3].value or b"", "message", to="x")
    )
    found = json.loads(verify(source, decisions=True).to_json())
    (chain,), (stray,) = found["chains"], found["faults"]
    documented = set(
        re.findall(r"`([A-Za-z]+(?:\[\])?(?:\.[A-Za-z0-9]+(?:\[\])?)*)`", PAGE.read_text().split("## As JSON")[1])
    )
    shown = {name if name not in {"chains", "faults"} else f"{name}[]" for name in found}
    assert (shown - {"chains[]"}) | {f"chains[].{name}" for name in chain if name != "faults"} <= documented
    assert "chains[].faults[]" in documented
    assert set(chain["faults"][0]) == set(stray) <= documented
    assert set(chain["decisions"]) <= documented
    assert (found["whole"], found["faultCount"], chain["faultCount"]) == (False, 2, 1)
    assert chain["faults"][0] | {"message": ""} == {
        "kind": "Edited",
        "topic": TOPIC,
        "partition": 0,
        "offset": 4,
        "message": "",
    }


def test_the_reference_s_ten_lines_verify_a_chain_by_hand() -> None:
    code = PAGE.read_text().split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  # the page is ours
    records, head = build_chain(5, judge())
    assert names["verify"](records) == (head.length, head.sha256)
    with pytest.raises(ValueError, match="the chain breaks at length 4"):
        names["verify"]([*records[:2], *records[3:]])


def test_faults_that_are_not_kept_are_counted() -> None:
    faults = Faults()
    for offset in range(103):
        faults.add(AuditFaultKind.GAP, Place(TOPIC, 0, offset), "x")
    chain = ChainReport(Chain(ID, NAMESPACE, EPOCHS, faults=faults))
    assert list(chain.lines(NAMESPACE))[-1] == "  and 3 further faults"
    assert chain.fault_count == 103


def test_what_was_judged_comes_back_from_the_disk_chain_by_chain() -> None:
    chains = [ChainId("a", 0), ChainId("a", 1)]
    with Spool() as spool:
        for offset in range(1_000):
            for chain in chains:
                spool.add(Judged(chain, "topic", offset + chain.partition, f"{offset:064x}"))
        for chain in chains:
            expected = [JudgedDecision(at + chain.partition, at.to_bytes(32, "big")) for at in range(1_000)]
            assert list(spool.judged(chain)) == expected


def test_what_is_out_of_order_or_of_a_topic_that_is_gone_is_not_kept() -> None:
    with Spool() as spool:
        for topic, offset in (("old", 7), ("old", 8), ("new", 3), ("new", 3), ("new", 2), ("new", 5)):
            spool.add(Judged(ID, topic, offset, "0" * 64))
        assert ([each.offset for each in spool.judged(ID)], spool.topic_id(ID)) == ([3, 5], "new")
        assert list(spool.judged(ChainId("other", 0))) == []


def test_an_agent_that_does_not_exist_is_not_whole() -> None:
    source = MemorySource(records={TOPIC: []}, counts={TOPIC: 1})
    report = verify(source, agent="nope")
    assert report.not_checked == ["there is no agent nope here: it has no decision topic"]
    assert not report.whole
