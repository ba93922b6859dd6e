"""Where the documentation says "no clock", nothing can tell the time or draw lots: time and chance come in as values.

import-linter keeps I/O out of most of these folders; it cannot see ``datetime.now``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPERATOR = "operator/src/streamwarden_operator"
GATE = "agent_image/gate/src/streamwarden_gate"
TABLE = [
    name
    for row in (ROOT / "docs/gate.md").read_text(encoding="utf-8").splitlines()
    if row.startswith("| `")
    for name in re.findall(r"`(\w+\.py)`", row.split(" | ")[0])
]
"""The gate's modules as docs/gate.md lists them: those before feed.py decide."""
PURE = (
    "contract/src/streamwarden_contract",
    "judging/src/streamwarden_judging",
    f"{OPERATOR}/desired",
    f"{OPERATOR}/plans",
    "agent_image/sdk/src/streamwarden/core",
    *(f"{GATE}/{name}" for name in TABLE[: TABLE.index("feed.py")]),
)
"""Folders and modules, from the root. docs/architecture.md and docs/gate.md promise it of them."""

WITHOUT_A_ROW = frozenset({"__init__.py", "__main__.py", "ports.py"})
"""Of the gate: the program, which the page begins with, and what the rows of the adapters name."""

MODULES = frozenset({"random", "secrets", "time"})
IO = frozenset(
    {"aiokafka", "confluent_kafka", "httpx", "kopf", "kubernetes", "os", "pathlib", "socket", "streamwarden_kafka"}
    | {"structlog", "subprocess", "threading"}
)
VALUES = frozenset(f"streamwarden_kafka.{name}" for name in ("connection", "deaths", "errors", "records", "redaction"))
"""Of what does I/O, the modules whose values may be held and written down."""
CALLS = frozenset(
    {"getrandbits", "monotonic", "now", "perf_counter", "time", "time_ns", "today", "urandom", "utcnow"}
    | {"uuid1", "uuid4"}
)
OWNERS = frozenset({"date", "datetime", "os", "time", "uuid"})
"""Of these even a mention counts: ``default_factory=datetime.now`` calls nothing yet."""


def sources(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.suffix else sorted(path.rglob("*.py"))


def impurities(source: str) -> Iterator[str]:
    """Name what tells the time or draws lots, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names if alias.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module), names=names):
                banned = module.partition(".")[0] in MODULES
                found = [f"{module}.{alias.name}" for alias in names if banned or alias.name in CALLS - {"time"}]
            case ast.Call(func=ast.Attribute(attr=name)) if name in CALLS:
                found = [f"{name}()"]
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name) if owner in OWNERS:
                found = [f"{owner}.{name}"] if name in CALLS else []
            case _:
                continue
        yield from (f"line {node.lineno}: {what}" for what in found)


def imported(source: str) -> Iterator[str]:
    """Name every module that is imported, at the top or inside of functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.slow
@pytest.mark.parametrize("place", PURE)
def test_what_decides_has_no_clock_and_draws_no_lots(place: str) -> None:
    modules = sources(place)
    assert modules
    found = {str(path.relative_to(ROOT)): list(impurities(path.read_text(encoding="utf-8"))) for path in modules}
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.slow
@pytest.mark.parametrize("place", PURE)
def test_what_decides_imports_nothing_that_does_io(place: str) -> None:
    found = {
        (str(path.relative_to(ROOT)), module)
        for path in sources(place)
        for module in imported(path.read_text(encoding="utf-8"))
        if module.partition(".")[0] in IO and module not in VALUES
    }
    assert found == set()


def test_each_module_of_the_gate_stands_once_in_the_table_that_says_what_decides() -> None:
    assert sorted(TABLE) == sorted(path.name for path in (ROOT / GATE).glob("*.py") if path.name not in WITHOUT_A_ROW)


def test_imports_are_found_where_they_are_late_too() -> None:
    assert list(imported("import a.b\ndef f():\n    from c.d import e")) == ["a.b", "c.d"]


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param("import time", id="the-module-of-clocks"),
        pytest.param("from time import monotonic as clock", id="one-of-its-clocks-by-another-name"),
        pytest.param("import random", id="chance"),
        pytest.param("from secrets import token_hex", id="secrets"),
        pytest.param("from uuid import uuid4", id="an-id-by-chance"),
        pytest.param("from datetime import datetime as d\nd.now()", id="now"),
        pytest.param("import datetime\ndatetime.datetime.now(datetime.UTC)", id="now-with-a-time-zone"),
        pytest.param("from datetime import date\ndate.today()", id="today"),
        pytest.param("from datetime import datetime\nx = datetime.utcnow", id="a-clock-that-is-handed-on"),
        pytest.param("def f(loop): return loop.time()", id="an-event-loop-s-clock"),
        pytest.param("import os\nos.urandom(8)", id="the-system-s-chance"),
    ],
)
def test_a_planted_clock_is_found(planted: str) -> None:
    assert list(impurities(planted)) != []


@pytest.mark.parametrize(
    "harmless",
    [
        "from datetime import UTC, datetime, timedelta\ndatetime.fromisoformat('2026-01-01')",
        "def judge(now): return now.isoformat()",
        "from datetime import time",
        "activation = {'now': given.now}",
    ],
)
def test_time_as_a_value_is_no_clock(harmless: str) -> None:
    assert list(impurities(harmless)) == []
