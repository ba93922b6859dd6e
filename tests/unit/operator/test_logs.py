"""What logs never show."""

from __future__ import annotations

import io
import logging
import sys

import pytest
import structlog
from streamwarden_operator.logs import configure_logging
from typing_extensions import override


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_x40_no_traceback_shows_local_variables(stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    before, level = list(logging.root.handlers), logging.root.level
    try:
        configure_logging()
        _fail("hunter22")
    finally:
        logging.root.handlers[:] = before
        logging.root.setLevel(level)
        structlog.reset_defaults()
    assert "that went wrong" in written.getvalue()
    assert "hunter22" not in written.getvalue()


def _fail(password: str) -> None:
    try:
        _connect({"password": password})
    except ValueError:
        structlog.get_logger().exception("failed")


def _connect(_settings: dict[str, str]) -> None:
    raise ValueError("that went wrong")
