"""Findings for people and for programs: lines, JSON, SARIF 2.1.0, JUnit's XML. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET  # only written

from streamwarden_cli.validate.findings import Level

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamwarden_cli.validate.findings import Finding, Findings

FORMAT = 1
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_NAME = "streamwarden validate"
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry, not even escaped."""


def as_text(findings: Findings) -> str:
    """Write a line for each finding, as compilers do, and one that counts them."""
    lines = [f"{_place(finding)}: {finding.level}: {finding.text}" for finding in findings.found]
    counts = [
        _counted(findings.resources, "resource"),
        _counted(findings.count(Level.ERROR), "error"),
        _counted(findings.count(Level.WARNING), "warning"),
    ]
    return "\n".join([*lines, ", ".join(counts)])


def as_json(findings: Findings) -> str:
    """Write one object: ``format``, ``resources``, and ``findings`` with level, place, field, reason and message."""
    found = [
        {
            "level": finding.level,
            "file": finding.problem.file,
            "line": finding.problem.line,
            "column": finding.problem.column,
            "field": finding.problem.field,
            "reason": finding.problem.reason,
            "message": finding.problem.message,
        }
        for finding in findings.found
    ]
    return json.dumps({"format": FORMAT, "resources": findings.resources, "findings": found}, indent=2)


def as_sarif(findings: Findings, version: str, root: Path) -> str:
    """Write a log of the Static Analysis Results Interchange Format 2.1.0.

    Args:
        findings: what to write.
        version: of this tool.
        root: files below it are named relative to it, as a repository's are.
    """
    driver = {
        "name": _NAME,
        "semanticVersion": version,
        "rules": [{"id": reason} for reason in sorted({finding.problem.reason for finding in findings.found})],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, root) for finding in findings.found],
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def as_junit(findings: Findings) -> str:
    """Write a test suite with a test case a file, which fails where anything in the file is an error."""
    errors = {finding.problem.file for finding in findings.found if finding.level == Level.ERROR}
    counts = {"tests": str(len(findings.files)), "failures": str(len(errors)), "errors": "0", "skipped": "0"}
    suites = ET.Element("testsuites", {"name": _NAME, **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": _NAME, **counts})
    for file in findings.files:
        _test_case(suite, file, [finding for finding in findings.found if finding.problem.file == file])
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False)


def _test_case(suite: ET.Element, file: str, found: list[Finding]) -> None:
    name = _in_xml(file)
    case = ET.SubElement(suite, "testcase", {"classname": _NAME, "name": name, "file": name, "time": "0"})
    if errors := list(_lines(found, Level.ERROR)):
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        failure = ET.SubElement(case, "failure", {"message": errors[0] + more, "type": "error"})
        failure.text = "\n".join(errors)
    if others := [*_lines(found, Level.WARNING), *_lines(found, Level.NOTE)]:
        ET.SubElement(case, "system-out").text = "\n".join(others)


def _lines(found: list[Finding], level: Level) -> Iterator[str]:
    for finding in found:
        if finding.level == level:
            yield _in_xml(f"{_place(finding)}: {finding.text}")


def _result(finding: Finding, root: Path) -> dict[str, Any]:
    problem = finding.problem
    return {
        "ruleId": problem.reason,
        "level": finding.level,
        "message": {"text": finding.text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(problem.file, root)},
                    "region": {"startLine": problem.line, "startColumn": problem.column},
                }
            }
        ],
    }


def _uri(file: str, root: Path) -> str:
    path = root / file
    return quote(path.relative_to(root).as_posix()) if path.is_relative_to(root) else path.as_uri()


def _place(finding: Finding) -> str:
    return f"{finding.problem.file}:{finding.problem.line}:{finding.problem.column}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _in_xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
