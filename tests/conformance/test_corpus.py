"""What the corpus says of each record is what the gate makes of it; README.md here has the format."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from streamwarden_contract.audit import ChainHead
from streamwarden_gate.judge import Judge
from streamwarden_judging.typed.functions import FUNCTIONS, WRITTEN
from support import conformance
from support.conformance import FOLDER, Case, Row, expectation_of
from support.conformance_records import record_of

if TYPE_CHECKING:
    from streamwarden_gate.outcome import Outcome
    from streamwarden_gate.records import Record
    from streamwarden_kafka.records import Write

FILES = sorted((FOLDER / "cases").glob("*.yaml"))
BROKEN = [case for case in conformance.cases() if "broken" in case.said]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LEAST = 150
OPERATORS = (
    *("==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "-_", "*", "/", "%", "!", "&&", "||", "?:", "[]"),
    *("has", "all", "exists", "exists_one", "map", "filter", "size", "contains", "startsWith", "endsWith", "matches"),
    *("duration", "timestamp", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    *("int", "uint", "double", "string", "bytes", "bool", "type", "dyn"),
)
"""What rules may use of CEL; ``-_`` is the negative."""


def test_what_rules_may_use_is_what_the_checker_has() -> None:
    signs = {"@in": "in", "-_": "-_", "_?_:_": "?:", "_[_]": "[]"}
    known = {name if name.isidentifier() else signs.get(name, name.strip("_")) for name in (*FUNCTIONS, *WRITTEN)}
    assert known - {"@not_strictly_false"} == set(OPERATORS)  # that one is a part of loops, and nobody writes it


def marks(case: Case) -> list[pytest.MarkDecorator]:
    """Skip what cannot be judged yet."""
    return [pytest.mark.skip(reason=case.skipped)] if case.skipped else []


def case_param(case: Case) -> Any:
    return pytest.param(case, id=f"{case.file}: {case.said['case']}", marks=marks(case))


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.sentence, marks=marks(row.case)) for row in conformance.rows()]
)
def test_of_a_record_follows_what_the_corpus_says(row: Row) -> None:
    given, head, outcome = row.case.judged[row.number]
    check_always(given, head, outcome)
    expected = expectation_of(row.said)
    audit = _decoded(outcome.audit)
    fault_parts = expected.pop("faultParts", [])
    if fault_parts:
        check_not_applicable(row, audit, fault_parts)
    found = _found(outcome, audit)
    assert _like(expected, found) == _resolved(expected, found, given)
    if "wholeAudit" in expected:
        assert set(audit) == set(expected["wholeAudit"])


def check_not_applicable(row: Row, audit: dict[str, Any], parts: list[str]) -> None:
    """The checker says what is wrong, and the audit names the policy."""
    situation = conformance.with_rule(row.case.situation, row.said)
    faults = conformance.rule_faults(situation)[audit["decision"]["type"]]
    assert [part for part in parts if part not in "; ".join(faults.values())] == []
    assert [policy for policy in faults if f"/{policy}@" not in audit["message"]] == []


def check_always(given: Record, head: ChainHead, outcome: Outcome) -> None:
    """What holds of every record, whatever is expected of it."""
    audit = _decoded(outcome.audit)
    verdict = audit["verdict"]
    assert (verdict == "Allow", verdict == "DeadLetter") == (bool(outcome.command), bool(outcome.dead_letter))
    assert (audit["decision"]["partition"], audit["decision"]["offset"]) == (given.partition, given.offset)
    assert audit["chain"] == {"length": head.length + 1, "previous": head.sha256}
    assert outcome.head.sha256 == hashlib.sha256(outcome.audit.value or b"").hexdigest()
    if outcome.dead_letter is not None:
        letter = _decoded(outcome.dead_letter)
        headers = [[name, _in_base64(value)] for name, value in given.headers]
        assert (letter["key"], letter["value"]) == (_in_base64(given.key), _in_base64(given.value))
        assert letter["headers"] == headers


@pytest.mark.parametrize("case", [case_param(case) for case in BROKEN])
def test_what_does_not_compile_is_told_and_denies(case: Case) -> None:
    active, said = conformance.active_set(case.situation), case.said["broken"]
    (fault,) = active.faults
    assert fault.reason == said["reason"]
    assert [text for text in said.get("says", ()) if text not in fault.message] == []
    audit_only = all(policy.get("failureAction") == "Audit" for policy in case.situation["policies"] if policy["rules"])
    given = record_of({}, 0, case.situation["partitions"])
    outcome = Judge(active, "pod-0").judge(given, ChainHead(namespace_epoch=1, guardrail_epoch=1), NOW)
    assert outcome.verdict == ("Allow" if audit_only else "Deny")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_file_has_the_form_that_the_schema_says(path: Any) -> None:
    schema = json.loads((FOLDER / "case.schema.json").read_text(encoding="utf-8"))
    errors = [
        f"{error.instance_path}: {error.message}"
        for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(conformance.read(path))
    ]
    assert errors == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"says": "maybe"}, id="an-answer-that-there-is-not"),
        pytest.param({"deadLetter": "MissingKey"}, id="two-expectations"),
        pytest.param({"header": {}}, id="a-key-that-there-is-not"),
    ],
)
def test_the_schema_refuses_a_record_with(change: dict[str, object]) -> None:
    schema = json.loads((FOLDER / "case.schema.json").read_text(encoding="utf-8"))
    record = {"says": True}
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid({"subject": "s", "cases": [{"case": "c", "records": [record]}]})
    assert not validator.is_valid({"subject": "s", "cases": [{"case": "c", "records": [record | change]}]})


def test_every_sentence_stands_once_and_there_are_enough() -> None:
    sentences = [row.sentence for row in conformance.rows() if not row.case.skipped]
    assert len(sentences) >= LEAST
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_is_tried_with_every_kind_of_value(operator: str) -> None:
    """Absent, null, empty, each numeric type, and where doubles end to tell integers apart."""
    tried = [
        row.said["parameters"]
        for row in conformance.rows()
        if row.case.said.get("operator") == operator and "parameters" in row.said
    ]
    leaves = [leaf for parameters in tried for value in parameters.values() for leaf in _leaves(value)]
    found = {type(leaf) for leaf in leaves} | {leaf for leaf in leaves if type(leaf) is int}
    assert {int, float, type(None), 2**53 - 1, 2**53 + 1} - found == set()
    assert {} in tried
    assert any(leaf in ("", [], {}) for leaf in leaves)


def _leaves(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(leaf for one in inner for leaf in _leaves(one))]


def test_the_page_of_the_corpus_has_every_key_of_the_schema() -> None:
    schema = json.loads((FOLDER / "case.schema.json").read_text(encoding="utf-8"))
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    parts = [schema, *(schema["$defs"][name] for name in ("case", "situation", "record", "expectation"))]
    keys = {key for part in parts for key in part["properties"]}
    assert sorted(key for key in keys if not re.search(rf"`{key}\b", page)) == []


def _found(outcome: Outcome, audit: dict[str, Any]) -> dict[str, Any]:
    """Return what the keys of an expectation speak of."""
    command, letter = outcome.command, outcome.dead_letter
    return {
        **audit,
        "audit": audit,
        "wholeAudit": audit,
        "auditKey": _text(outcome.audit.key),
        "command": None if command is None else _command(command),
        "letter": None if letter is None else _decoded(letter),
        "letterTopic": None if letter is None else letter.topic,
        "letterKey": None if letter is None else _text(letter.key),
    }


def _command(write: Write) -> dict[str, Any]:
    headers = {name: _text(value) for name, value in write.headers}
    assert len(headers) == len(write.headers)
    return {
        "topic": write.topic,
        "key": _text(write.key),
        "value": _text(write.value),
        "headers": headers,
        "header": headers,
    }


def _like(expected: Any, found: Any) -> Any:
    """Leave of what was found what is spoken of: of objects the named keys, but of ``headers`` all."""
    if _is_pattern(expected) or not (isinstance(expected, dict) and isinstance(found, dict)):
        return found
    return {
        name: inner if name == "headers" else _like(expected.get(name), inner)
        for name, inner in found.items()
        if name in expected
    }


def _resolved(expected: Any, found: Any, given: Record) -> Any:
    """Put what was found in place of a pattern that it fits, and the digest in place of its name."""
    if _is_pattern(expected):
        if "sha256" in expected:
            return hashlib.sha256(given.value or b"").hexdigest()
        return found if isinstance(found, str) and re.fullmatch(expected["matches"], found) else expected
    if isinstance(expected, dict):
        inner = found if isinstance(found, dict) else {}
        return {name: _resolved(one, inner.get(name), given) for name, one in expected.items()}
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [_resolved(one, beside, given) for one, beside in zip(expected, found, strict=True)]
    return expected


def _is_pattern(expected: Any) -> bool:
    return isinstance(expected, dict) and set(expected) in ({"matches"}, {"sha256"})


def _decoded(write: Write) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(write.value or b"")
    return decoded


def _text(raw: bytes | str | None) -> str | None:
    return raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else raw


def _in_base64(raw: bytes | str | None) -> str | None:
    return None if raw is None else base64.b64encode(raw.encode() if isinstance(raw, str) else raw).decode()


@pytest.mark.parametrize(
    ("needs", "offered", "expected"),
    [
        pytest.param(None, set(), "", id="nothing-said"),
        pytest.param("typed", set(), "needs typed", id="what-it-needs-is-not-there"),
        pytest.param("typed", {"typed"}, "", id="what-it-needs-is-there"),
    ],
)
def test_a_case_is_judged_while_what_it_stands_on_is_there(
    monkeypatch: pytest.MonkeyPatch, needs: str | None, offered: set[str], expected: str
) -> None:
    monkeypatch.setattr(conformance, "OFFERED", frozenset(offered))
    assert Case("file", needs, {}, {"case": "c"}).skipped == expected
