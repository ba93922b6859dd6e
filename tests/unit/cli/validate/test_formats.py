"""Findings in each format: what a person, a script, code scanning and CI's test reports read."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator
from streamwarden_cli.local.manifests import Problem
from streamwarden_cli.validate.findings import Finding, Findings, Level
from streamwarden_cli.validate.formats import as_json, as_junit, as_sarif, as_text

ROOT = Path("/project")
FINDINGS = Findings(
    files=("a b.yaml", "c.json"),
    resources=3,
    found=(
        Finding(Level.ERROR, Problem("a b.yaml", 4, "spec.partitions", "must be < 9 & 'whole'", 7, "InvalidSpec")),
        Finding(Level.ERROR, Problem("a b.yaml", 9, "", "not YAML: \x00", 2)),
        Finding(Level.WARNING, Problem("c.json", 1, "spec.rules", "allows all", 3, "NoRules")),
        Finding(Level.NOTE, Problem("c.json", 8, "", "passed over: Service of v1")),
    ),
)
NOTHING = Findings(files=("a.yaml",), resources=1)

TEXT = """\
a b.yaml:4:7: error: spec.partitions: must be < 9 & 'whole'
a b.yaml:9:2: error: not YAML: \x00
c.json:1:3: warning: spec.rules: allows all
c.json:8:1: note: passed over: Service of v1
3 resources, 2 errors, 1 warning"""

URI = {"type": "string", "format": "uri-reference", "pattern": "^[^ ]+$"}
TEXT_MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
REGION = {
    "type": "object",
    "required": ["startLine", "startColumn"],
    "properties": {key: {"type": "integer", "minimum": 1} for key in ("startLine", "startColumn")},
    "additionalProperties": False,
}
PHYSICAL = {
    "type": "object",
    "required": ["artifactLocation", "region"],
    "properties": {
        "artifactLocation": {"type": "object", "properties": {"uri": URI}, "additionalProperties": False},
        "region": REGION,
    },
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "required": ["message", "ruleId", "level", "locations"],
    "properties": {
        "ruleId": {"type": "string"},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": TEXT_MESSAGE,
        "locations": {"type": "array", "items": {"type": "object", "properties": {"physicalLocation": PHYSICAL}}},
    },
    "additionalProperties": False,
}
RULES = {"type": "array", "uniqueItems": True, "items": {"type": "object", "required": ["id"]}}
DRIVER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
        "rules": RULES,
    },
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "properties": {
                    "tool": {"type": "object", "required": ["driver"], "properties": {"driver": DRIVER}},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
"""What SARIF 2.1.0 says of the part of it that is written."""


def test_text_has_a_line_for_each_finding_as_compilers_write_it() -> None:
    assert as_text(FINDINGS) == TEXT
    assert as_text(NOTHING) == "1 resource, 0 errors, 0 warnings"


def test_json_has_every_finding_with_its_place_and_reason() -> None:
    said = json.loads(as_json(FINDINGS))

    assert (said["format"], said["resources"], len(said["findings"])) == (1, 3, 4)
    assert said["findings"][0] == {
        "level": "error",
        "file": "a b.yaml",
        "line": 4,
        "column": 7,
        "field": "spec.partitions",
        "reason": "InvalidSpec",
        "message": "must be < 9 & 'whole'",
    }


@pytest.mark.parametrize("findings", [FINDINGS, NOTHING], ids=["with-findings", "without"])
def test_sarif_is_as_its_standard_says(findings: Findings) -> None:
    log = json.loads(as_sarif(findings, "0.1.0", ROOT))

    assert [error.message for error in Draft202012Validator(SARIF).iter_errors(log)] == []
    results = log["runs"][0]["results"]
    assert [result["level"] for result in results] == [finding.level for finding in findings.found]
    rules = {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in results} == rules


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        pytest.param("a b.yaml", "a%20b.yaml", id="a-relative-file-with-a-space"),
        pytest.param("/project/x/a.yaml", "x/a.yaml", id="an-absolute-file-below-the-root"),
        pytest.param("/other/a.yaml", "file:///other/a.yaml", id="a-file-elsewhere"),
    ],
)
def test_sarif_names_files_as_a_repository_does(file: str, uri: str) -> None:
    findings = Findings((file,), 1, (Finding(Level.ERROR, Problem(file, 1, "", "wrong")),))

    place = json.loads(as_sarif(findings, "0.1.0", ROOT))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == uri


def test_junit_has_a_test_case_a_file_which_fails_by_its_errors_alone() -> None:
    suite = ET.fromstring(as_junit(FINDINGS))[0]  # noqa: S314  # our own

    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["a b.yaml", "c.json"]
    failure = suite[0].find("failure")
    assert failure is not None
    assert failure.get("message") == "a b.yaml:4:7: spec.partitions: must be < 9 & 'whole' (and 1 more)"
    assert failure.text == (
        "a b.yaml:4:7: spec.partitions: must be < 9 & 'whole'\na b.yaml:9:2: not YAML: \N{REPLACEMENT CHARACTER}"
    )
    assert suite[1].find("failure") is None
    assert suite[1].findtext("system-out") == (
        "c.json:1:3: spec.rules: allows all\nc.json:8:1: passed over: Service of v1"
    )
