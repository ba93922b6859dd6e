"""docs/reference/formats.md names every field and header that is written, and no other."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden.core import offset_metadata
from streamwarden_contract import audit, decision, inventory, policylog
from streamwarden_contract.acks import GateAck, ReadFormats, RefusedEvents, RuleErrors, SignedEpoch, SignedEpochs
from streamwarden_contract.events import CloudEvent
from streamwarden_gate.judge import Judge
from streamwarden_gate.outcome import Skip
from streamwarden_gate.partitions import Partition, Place
from support.gate_log import MemoryLog, headers, record
from support.gate_log import decision as decided
from support.policy_records import BINDING, POLICY

if TYPE_CHECKING:
    from pydantic import BaseModel

PAGE = (Path(__file__).parents[3] / "docs/reference/formats.md").read_text(encoding="utf-8")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def section(heading: str) -> str:
    """Return what stands below a heading, up to the next one."""
    return re.split(r"\n#+ ", PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1)[0]


def listed(heading: str) -> list[str]:
    """Return the first column of a section's table."""
    return re.findall(r"^\| `([^`]+)` \|", section(heading), flags=re.MULTILINE)


def fields_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Decisions", decision.Decision),
        ("Cause", decision.Cause),
        ("Failure records", decision.Failure),
        ("Acks", GateAck),
        ("policy/NAME", policylog.PolicyRecord),
        ("schema/SHA256", policylog.SchemaRecord),
        ("binding/AGENT", policylog.BindingRecord),
        ("index", policylog.IndexRecord),
        ("epoch", policylog.EpochRecord),
        ("installation", inventory.InstallationItem),
        ("namespace/NAME", inventory.NamespaceItem),
        ("user/NAME", inventory.UserItem),
    ],
)
def test_a_table_has_the_fields_of_its_model(heading: str, model: type[BaseModel]) -> None:
    found = listed(heading)
    assert (set(found), len(found)) == (fields_of(model), len(set(found)))


def test_the_metadata_of_decisions_is_what_a_gate_writes_and_stands_here_alone() -> None:
    fields = audit.ChainHead().metadata("an-id", 7).split(";")
    form = f"`{audit.METADATA_FORMAT};<topic id>;<offset>;<chain length>;<sha256>;<namespace epoch>;<guardrail epoch>;"
    assert f"{form}<state number>;<tries>`" in section("Offset metadata")
    assert len(fields) == form.count(";") + 2
    audit_page = (Path(__file__).parents[3] / "docs/reference/audit.md").read_text(encoding="utf-8")
    assert "(formats.md#offset-metadata)" in audit_page
    assert ";<sha256>;" not in audit_page


def test_the_metadata_of_inputs_is_what_the_sdk_writes() -> None:
    said = section("Offset metadata of inputs")
    longest = offset_metadata.encode("x" * 64, 10**18 - 1, (1 << offset_metadata.MAX_AHEAD) - 1)
    assert f"`{offset_metadata.FORMAT};<topic id>;<offset>;<bitmap>`, at most {len(longest):,} bytes" in said
    assert f"It reaches {offset_metadata.MAX_AHEAD:,} offsets" in said


def test_the_table_of_dead_letters_has_their_fields() -> None:
    assert set(listed("Dead letters")) == audit.DeadLetter.__required_keys__


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Acks", SignedEpochs),
        ("Acks", SignedEpoch),
        ("Acks", ReadFormats),
        ("Acks", RuleErrors),
        ("Acks", RefusedEvents),
        ("Decisions", decision.ModelRef),
        ("binding/AGENT", policylog.BoundPolicyRef),
        ("binding/AGENT", policylog.CommandTarget),
        ("binding/AGENT", policylog.DecisionTopic),
        ("binding/AGENT", policylog.SkipRange),
    ],
)
def test_the_parts_of_a_field_are_named_beside_it(heading: str, model: type[BaseModel]) -> None:
    assert {name for name in fields_of(model) if f"`{name}`" not in section(heading)} == set()


def test_the_table_of_events_has_every_attribute() -> None:
    attributes = {f"ce_{name}" for name in CloudEvent.__dataclass_fields__}
    assert set(listed("Events")) == attributes | {"content-type", "ce_specversion"}


def skipped(log: MemoryLog, skip: Skip | None) -> dict[str, Any]:
    """Return the audit record of a range that was skipped: by the gate, or as the binding asks."""
    judge = Judge(log.build(), "pod-0")
    first = record(None, offset=3)
    if skip is None:
        place = Place(3, audit.ChainHead(), "topic-id")
        found = judge.requested(Partition(first.partition, place), 3, NOW)
        assert found is not None
        first, skip = found
    written: dict[str, Any] = json.loads(judge.skip(first, skip, audit.ChainHead(), NOW).audit.value or b"")
    return written


def test_the_table_of_skipped_ranges_has_what_a_gate_writes_of_them() -> None:
    log = MemoryLog()
    asked = policylog.SkipRange(
        topic_id="topic-id",
        partition=record(None).partition,
        from_offset=3,
        to_offset=5,
        reason="a broken library",
        requested_by="ada",
    )
    log.binding = log.binding.model_copy(update={"skips": (asked,)})
    log.write_all()
    itself, on_request = skipped(log, Skip(5, "ab" * 32, "3 processes died of it")), skipped(log, None)
    for found in (itself, on_request):
        fields = {*found, *(f"decision.{name}" for name in found["decision"])}
        assert set(listed("Skipped ranges")) < fields
        assert found.keys() == audit.AuditRecord.__required_keys__
        position = audit.DecisionPosition
        assert found["decision"].keys() == position.__required_keys__ | {"lastOffset"}
        assert (found["verdict"], found["decision"]["offset"], found["decision"]["lastOffset"]) == ("Skipped", 3, 5)
        assert (found["command"], found["deadLetter"], found["cause"], found["reasoning"]) == (None,) * 4
        assert f"`{found['reason']}`" in section("Skipped ranges")
    assert (itself["reason"], itself["decision"]["digest"]) == ("Skipped", "ab" * 32)
    assert (on_request["reason"], on_request["decision"]["digest"]) == ("SkippedOnRequest", asked.digest)
    assert on_request["decision"]["timestamp"] == int(NOW.timestamp() * 1000)
    judged = Judge(log.build(), "pod-0").judge(record(decided().encode()), audit.ChainHead(), NOW)
    assert b"lastOffset" not in (judged.audit.value or b"")


def test_the_table_of_commands_has_the_headers_that_a_gate_writes() -> None:
    log = MemoryLog()
    log.write_all()
    given = [*headers(), ("ce_traceparent", PARENT.encode())]
    command = (
        Judge(log.build(), "pod-0").judge(record(decided().encode(), headers_=given), audit.ChainHead(), NOW).command
    )
    assert command is not None
    assert listed("Commands") == [name for name, _ in command.headers]


def test_the_fields_that_make_a_record_of_the_second_format_are_named() -> None:
    skip = policylog.SkipRange(topic_id="t", partition=0, from_offset=0, to_offset=0, reason="r", requested_by="ada")
    target = policylog.CommandTarget(topic="risk.commands", keyed=True, expires_after_ms=1_000)
    everything = {"not_applicable": {"block-url": ("p",)}, "decisions": {"block-url": target}, "skips": (skip,)}
    records = (
        POLICY.model_copy(update={"spec": POLICY.spec.model_copy(update={"params": {"most": 1}})}),
        BINDING.model_copy(update=everything),
    )
    newer = {field for record in records for field in policylog.newer_fields(record)}
    sentence = next(line for line in section("Versions that may meet").splitlines() if "is of format 2 where" in line)
    assert set(re.findall(r"`(\w+)`", sentence)) - {"spec"} == newer
    assert f"| operator: policy log | gate | 1, 2, {policylog.NEWEST_FORMAT} |" in section("Versions that may meet")
