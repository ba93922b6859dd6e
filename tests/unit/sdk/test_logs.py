"""Each line is one JSON object on stderr; a traceback shows no local variable."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from streamwarden.runtime.logs import configure_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was written; the settings of structlog are put back."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure_logs()
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.reset_defaults()


def test_a_line_is_an_object_with_level_and_time(lines: Callable[[], list[dict[str, Any]]]) -> None:
    log = structlog.get_logger()
    log.debug("not told")
    log.info("Agent started", topics=["pages"], text="two\nlines")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "Agent started", "level": "info", "topics": ["pages"], "text": "two\nlines"}


def test_a_traceback_shows_no_local_variable(lines: Callable[[], list[dict[str, Any]]]) -> None:
    def connect(password: str) -> None:
        raise ValueError(len(password))

    try:
        connect("hunter2")
    except ValueError:
        structlog.get_logger().exception("Failed")
    (line,) = lines()
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert [frame["name"] for frame in line["exception"][0]["frames"]][-1] == "connect"
    assert "hunter2" not in json.dumps(line)
