"""Run the operator's tests on each other Kafka and on each other API server: ``make versions`` does.

A version whose tests fail keeps none from being run; a table at the end has a line for each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from streamwarden_devstack.cluster import tools
from streamwarden_devstack.stack import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
REQUIRED = "REQUIRE_CLUSTER"
COMMAND = Path(sys.executable).with_name("streamwarden")
_AS_MAKE = ("--dist", "loadgroup", "--no-loadscope-reorder")


@dataclass(frozen=True, slots=True)
class Part:
    """One version of one thing, and the tests that are run again on it."""

    thing: str
    version: str
    folder: str
    variable: str
    """Of the environment: it names the version to the tests."""
    build: tuple[str, ...] = ()
    """A command before, which makes what is tested."""

    @property
    def name(self) -> str:
        """What people call it, as in ``Kafka 3.9``."""
        return f"{self.thing} {self.version}"


def parts() -> list[Part]:
    """Return what no other command runs: each version but the one that all tests run against."""
    kafkas = [
        Part("Kafka", version, "tests/integration/operator", "TESTED_KAFKA")
        for version in versions.KAFKAS
        if version != versions.DEFAULT
    ]
    servers = [
        Part(
            "Kubernetes",
            version,
            "tests/api_server",
            "TESTED_KUBERNETES",
            (str(COMMAND), "cluster", "build", "--api-server", version),
        )
        for version in tools.KUBERNETES
        if version != tools.DEFAULT
    ]
    return [*kafkas, *servers]


@dataclass(slots=True)
class Ended:
    """How a part's tests went."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = field(default=0.0, compare=False)
    trouble: str = ""
    """Why this is no success; "" for one."""


def counted(ended: Ended, report: Path) -> Ended:
    """Add what pytest has reported; a test that fails and whose end fails, too, is there twice, and has failed once."""
    said: dict[tuple[str | None, str | None], set[str]] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # our own pytest has just written it
        said.setdefault((case.get("classname"), case.get("name")), set()).update(each.tag for each in case)
    ended.failed = sum(bool(tags & {"failure", "error"}) for tags in said.values())
    ended.skipped = sum(tags == {"skipped"} for tags in said.values())
    ended.passed = len(said) - ended.failed - ended.skipped
    return ended


def table(rows: Iterable[Ended]) -> list[str]:
    """Lay out how each part's tests went."""
    head = f"{'version':<18}{'passed':>7}{'failed':>8}{'skipped':>9}{'seconds':>9}"
    return [
        head,
        *(
            f"{row.name:<18}{row.passed:>7}{row.failed:>8}{row.skipped:>9}{row.seconds:>9.0f}  {row.trouble}".rstrip()
            for row in rows
        ),
    ]


def run(part: Part, options: Sequence[str]) -> Ended:
    """Build what a part needs, run its tests, and count them; what they print goes where this goes."""
    ended, start = Ended(part.name), time.monotonic()
    # Where it cannot be built its tests are skipped, as everywhere.
    if part.build and subprocess.call(part.build) and os.environ.get(REQUIRED) == "1":
        ended.trouble = "could not be built"
        return ended
    report = BUILD / f"versions-{part.thing.lower()}-{part.version}.xml"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    code = subprocess.call(
        [sys.executable, "-m", "pytest", *options, part.folder, f"--junitxml={report}"],
        cwd=ROOT,
        env={**os.environ, part.variable: part.version},
    )
    ended.seconds = time.monotonic() - start
    if code:
        ended.trouble = f"pytest ended with {code}"
    return counted(ended, report) if report.exists() else ended


def run_all(chosen: Iterable[Part], run_one: Callable[[Part], Ended]) -> int:
    """Run one part after the other, whatever becomes of each, and print the table; 1 where any is no success."""
    rows = []
    for part in chosen:
        sys.stdout.write(f"== {part.name}\n")
        sys.stdout.flush()
        rows.append(run_one(part))
    sys.stdout.write("\n".join(table(rows)) + "\n")
    return int(any(row.trouble for row in rows))


def main(workers: str, *names: str) -> int:
    """Run the parts of these names, as in ``kafka-3.9``, or all where none is named."""
    of_name = {f"{part.thing.lower()}-{part.version}": part for part in parts()}
    if unknown := [name for name in names if name not in of_name]:
        sys.stderr.write(f"no {', '.join(unknown)} here; there are {', '.join(of_name)}\n")
        return 2
    return run_all(
        [of_name[name] for name in names or of_name],
        lambda part: run(part, ("-n", workers, *_AS_MAKE)),
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
