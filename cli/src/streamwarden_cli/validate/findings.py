"""What admission says of a folder, as findings in the order of a reader: by file and place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from streamwarden_cli.local.admission import admit_all
from streamwarden_cli.local.manifests import read_manifests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamwarden_cli.local.manifests import Problem


class Level(StrEnum):
    """How bad it is: SARIF's words."""

    ERROR = "error"
    """Nothing of the folder would be applied."""
    WARNING = "warning"
    """Applied, and hardly what was meant."""
    NOTE = "note"
    """Passed over."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to say about a place."""

    level: Level
    problem: Problem

    @property
    def text(self) -> str:
        """What is the matter, after the field it is about."""
        field, message = self.problem.field, self.problem.message
        return f"{field}: {message}" if field else message


@dataclass(frozen=True, slots=True)
class Findings:
    """All that there is to say about a folder."""

    files: tuple[str, ...] = ()
    """Those with manifests, or with a finding."""
    resources: int = 0
    """Manifests of our kinds, good and bad."""
    found: tuple[Finding, ...] = ()

    def count(self, level: Level) -> int:
        """Return how many there are of a level."""
        return sum(finding.level == level for finding in self.found)


def find(path: Path) -> Findings:
    """Judge a file, or the folder with all below it, as an API server and the operator would judge it in one go."""
    reading = read_manifests(path)
    admission = admit_all(reading, {})
    found = [
        *_all(Level.ERROR, admission.problems),
        *_all(Level.WARNING, admission.warnings),
        *_all(Level.NOTE, reading.notes),
    ]
    files = {manifest.file for manifest in reading.manifests} | {finding.problem.file for finding in found}
    in_order = sorted(found, key=lambda finding: (finding.problem.file, finding.problem.line, finding.problem.column))
    return Findings(tuple(sorted(files)), len(reading.manifests), tuple(in_order))


def _all(level: Level, problems: Iterable[Problem]) -> list[Finding]:
    return [Finding(level, problem) for problem in problems]
